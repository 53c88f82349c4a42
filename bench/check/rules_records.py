"""The rules for what is kept and declared: results, boards, protocols, challenges, pull requests, waivers."""

from __future__ import annotations

from typing import Final

from bench.check.rule import Rule, rule

__all__ = ["RECORD_RULES"]

RECORD_RULES: Final[tuple[Rule, ...]] = (
    # Results
    rule(
        "R01",
        "error",
        "The result is a valid record, each key once.",
        "Boards are made of results.",
        "Restore the file from git; a result is never edited.",
    ),
    rule(
        "R02",
        "error",
        "The result is as it was written: its run id agrees with its content.",
        "An edited number is a forged number.",
        "Restore the file, and withdraw a wrong result with `bench retract`.",
    ),
    rule(
        "R03",
        "error",
        "The result lies in the folder and under the file name that its content gives.",
        "Its place says who was measured how.",
        "Move it to <protocol>/<team>/<name>/<run>.json.",
    ),
    rule(
        "R04",
        "error",
        "The bits beside a result of all images are there, and count as many right images as it says.",
        "Ranks are computed from them, and stored predictions are scored again with them. Where labels are hidden, "
        "the evaluator keeps them.",
        "Restore the .bits file, or run the evaluation again.",
    ),
    rule(
        "R05",
        "error",
        "The raw times beside a result give its costs again.",
        "Speeds that do not follow from their measurements cannot be compared.",
        "Restore the .blocks.json file.",
    ),
    rule(
        "R06",
        "error",
        "The counts by class beside a result add up to the result.",
        "The page of a result shows them.",
        "Restore the .classes.json file.",
    ),
    rule(
        "R07",
        "error",
        "The numbers of a result fit each other: rates are count / images and lie in their intervals, top-5 >= top-1.",
        "Such numbers did not come out of an evaluation.",
        "Run the evaluation again.",
    ),
    rule(
        "R08",
        "warning",
        "The result's protocol is known here, in the version that the result has.",
        "Numbers under another protocol are not comparable; boards leave them out.",
        "Evaluate again under the present protocol, or add the protocol's file.",
    ),
    rule(
        "R09",
        "warning",
        "What the authors claim lies within what was measured.",
        "A claim outside the interval is a declared mismatch, which the submission's page shows.",
        "Look for the difference: preprocessing, weights, precision; or correct the claim.",
    ),
    rule(
        "R10",
        "error",
        "A verified result has the isolation and the passed audits that its status needs.",
        "`verified` must mean something.",
        "Only a maintainer's run in the sandbox writes this status; restore the file.",
    ),
    rule(
        "R11",
        "error",
        "A retraction is valid and belongs to the result beside it.",
        "A result whose withdrawal cannot be read would be shown as if it stood.",
        "Restore the .retract.json file.",
    ),
    rule(
        "R12",
        "error",
        "A result under hidden labels tells the rounded score, the number of images and the rank, and nothing else.",
        "Counts, answers and times of chosen models tell the labels, one image after the other.",
        "Publish what `bench challenge run` writes; keep the rest in the evaluator's private store.",
    ),
    # Predictions
    rule(
        "P01",
        "error",
        "The stored predictions can be read and have the content that the result names.",
        "They are the proof of the numbers.",
        "Restore <sha256>.parquet, or evaluate again.",
    ),
    rule(
        "P02",
        "error",
        "Scoring the stored predictions gives the stored metrics again.",
        "Otherwise the metrics are not those of these answers.",
        "Evaluate again; if it persists, the metric was changed without a new protocol version.",
    ),
    rule(
        "P03",
        "error",
        "The predictions answer each image once.",
        "Left-out images, such as the hard ones, raise every rate.",
        "Evaluate again on the complete dataset.",
    ),
    # Boards and protocols
    rule(
        "B01",
        "error",
        "The board is valid: its protocols, columns and ranking exist.",
        "The site is made of boards.",
        "Correct the key that is named; docs/metrics-and-columns.md lists all names.",
    ),
    rule(
        "M01",
        "error",
        "The protocol is valid TOML of known keys with values in their ranges.",
        "It must fix every choice that can move a number.",
        "Correct the key that is named; docs/formats.md lists all keys.",
    ),
    rule(
        "M02",
        "error",
        "The metrics, protocols and datasets that a protocol names exist.",
        "Otherwise no evaluation under it can start.",
        "`bench list metrics` and `bench list protocols` show the names.",
    ),
    # Challenges, signatures, training
    rule(
        "C01",
        "error",
        "The ledger of a challenge is whole: each entry carries the hash of the one before it.",
        "A changed or removed entry is a changed quota.",
        "Restore it from a copy; `bench ledger verify` says where the chain breaks.",
    ),
    rule(
        "C02",
        "error",
        "The file of a challenge is valid, and its protocols exist and fit.",
        "It says who may submit what, how often and until when.",
        "Correct the key that is named; docs/formats.md lists all keys.",
    ),
    rule(
        "S01",
        "error",
        "The signature beside a result is valid.",
        "A result whose signature does not fit was changed, or signed by somebody else.",
        "Restore the .sig file, or sign again with `bench attest`.",
    ),
    rule(
        "S02",
        "warning",
        "A verified result is signed with a key that the site knows.",
        "Without a signature anybody who can write the file could have written `verified`.",
        "A maintainer signs it with `bench attest`; his public key stands in leaderboards/keys.toml.",
    ),
    rule(
        "T01",
        "warning",
        "The training protocol that weights come from is known here, in the version that they were trained under.",
        "Weights of another recipe do not show what this recipe gives.",
        "Train again under the present protocol, or add the protocol's file.",
    ),
    rule(
        "T02",
        "error",
        "The attempts beside the result of a training are those that it names.",
        "All attempts count, the failed ones too: a mean over the lucky ones is no mean.",
        "Restore the .attempts.json file.",
    ),
    rule(
        "T03",
        "warning",
        "A training learns no faster than is plausible.",
        "Weights that were trained before, more data, or test images among the training images look like this.",
        "Explain it to the maintainer, who can waive this rule.",
    ),
    # Pull requests
    rule(
        "G01",
        "error",
        "A pull request with a submission touches that submission's folder and nothing else.",
        "It is checked and evaluated by machines; code of the harness, workflows and results need a reader.",
        "Split the pull request.",
    ),
    rule(
        "G02",
        "error",
        "A pull request adds plain files only.",
        "Links and submodules bring what is not in the pull request.",
        "Add the files themselves.",
    ),
    rule(
        "G03",
        "warning",
        "A pull request adds an entry, and leaves those that are there alone.",
        "Only the maintainer can know whether it comes from the same team.",
        "Choose a new name; results name the digest of what was measured.",
    ),
    # Waivers
    rule(
        "W01",
        "warning",
        "Waivers are in force.",
        "An expired waiver waives nothing: its findings count again.",
        "Repair what it waived, or decide again and write a new date.",
    ),
    rule(
        "W02",
        "note",
        "Each waiver waives something.",
        "A forgotten waiver hides the next fault.",
        "Remove it.",
    ),
)
"""By group, in the order of their ids."""
