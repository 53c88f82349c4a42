"""The table of all rules; `docs/rules.md` is written from it. Ids are stable: a rule that goes away leaves a gap."""

from __future__ import annotations

from typing import Final

from bench.check.rule import Rule, Severity
from bench.errors import UsageError, nearest

__all__ = ["GROUPS", "RULES", "explain"]

GROUPS: Final[dict[str, str]] = {
    "L": "Submissions, without running them",
    "D": "Submissions, dry run on four images",
    "R": "Results",
    "P": "Predictions",
    "B": "Boards",
    "M": "Protocols",
    "C": "Challenges and their ledgers",
    "S": "Signatures",
    "T": "Training",
    "G": "Pull requests",
    "W": "Waivers",
}
"""From the letter of an id to what its rules are about."""


def _rule(rule_id: str, severity: Severity, title: str, why: str, repair: str) -> Rule:
    return Rule(id=rule_id, severity=severity, title=title, why=why, repair=repair)


_ALL = (
    # Submissions: manifest
    _rule(
        "L01",
        "error",
        "The manifest is valid TOML of known keys with values in their ranges.",
        "Everything else is read from it. A doubled or unknown key, a wrong type, NaN, nesting without end or a file "
        "of more than 1 MiB makes it mean something else to each reader, or nothing.",
        "Correct the key that is named; docs/formats.md lists all keys, docs/schemas/submission.schema.json completes "
        "them in an editor.",
    ),
    _rule(
        "L02",
        "error",
        "Team and name are plain folder names, agree with the manifest, and look like no other team.",
        "Names become paths and links. A team named `acrne`, or `acme` with a Cyrillic letter in its title, "
        "borrows the reputation of `acme`.",
        "Use a-z, 0-9, '.', '_' and '-', at most 80 characters, and letters of one script within a word.",
    ),
    _rule(
        "L03",
        "error",
        "The files have the sha256 that the manifest states.",
        "What was reviewed and what runs must be the same bytes.",
        "Restore the file, or write its sha256 if the change is meant.",
    ),
    _rule(
        "L04",
        "warning",
        "The licence is stated, and whom to ask.",
        "Nobody may use weights without a licence, and a question about a result needs somebody to ask.",
        "Add `license` (best an SPDX identifier), and `contact` or the link `code`, to the manifest.",
    ),
    _rule(
        "L05",
        "note",
        "Training data, input and precision are declared and not left to defaults.",
        "A default that nobody looked at is the commonest wrong declaration; boards filter by training data.",
        "Add `extra_training_data`, `[input]` where the model is your own code, and `precision` beside accuracy "
        "claims.",
    ),
    _rule(
        "L06",
        "error",
        "The model has as many parameters as `claims.num_params` says.",
        "Boards rank by size; a wrong count misleads, and usually shows that another model was meant.",
        "Correct the claim, or the factory's arguments.",
    ),
    _rule(
        "L07",
        "warning",
        "Weights in the folder carry their sha256 in the manifest.",
        "Without it a damaged or swapped file is noticed by its accuracy only.",
        "Add `sha256` to `[model]`: `sha256sum FILE`.",
    ),
    # Submissions: tree
    _rule(
        "L10",
        "error",
        "The folder holds plain files and folders only, which stay inside it, under names that exist once everywhere.",
        "Links, hard links, devices and pipes lead out of the folder or block a reader; names that differ only in "
        "case or Unicode form are one file on other systems; control characters in names forge logs.",
        "Copy files instead of linking them, and rename what is named.",
    ),
    _rule(
        "L11",
        "error",
        "The folder has at most 10,000 files and folders, 32 levels, 16 GiB, and 16 MiB of code and text.",
        "It is copied and hashed before every run.",
        "Leave out what the model does not need; host large weights behind an https link with their sha256.",
    ),
    _rule(
        "L12",
        "warning",
        "The folder holds no binaries and no archives beside the files that the manifest names.",
        "They cannot be reviewed, and compiled code runs outside everything that Python could notice.",
        "Submit source code; leave archives out.",
    ),
    _rule(
        "L13",
        "warning",
        "The folder holds no compiled caches, repositories, hooks or submodules.",
        "`__pycache__` can hold other code than the source beside it; hooks and submodules bring code from elsewhere.",
        "Remove them: `git clean -ndX` lists most.",
    ),
    # Submissions: weights, by their headers
    _rule(
        "L20",
        "error",
        "Weights are safetensors, or the archive of a state dict that torch.save writes, whole and well-formed.",
        "Bare pickles and TorchScript hold code; damaged headers, overlapping or missing data load as something else.",
        "Save model.state_dict() with safetensors.torch.save_file.",
    ),
    _rule(
        "L21",
        "error",
        "The pickle in weights names nothing but tensors and their containers.",
        "Any other name is code that loading would call.",
        "Save model.state_dict() with safetensors.torch.save_file.",
    ),
    _rule(
        "L22",
        "error",
        "Weights declare no more elements than the file holds, and each element once.",
        "A file of a kilobyte can declare a tensor of terabytes (stride 0), a compressed one can become anything.",
        "Save tensor.contiguous() of each tensor, without compression.",
    ),
    _rule(
        "L23",
        "error",
        "All weights are finite.",
        "NaN or infinity in a weight makes answers that no metric can score.",
        "Export the weights of a step before the training diverged.",
    ),
    _rule(
        "L24",
        "error",
        "A file of predictions can be read: a line or row an image, of classes that there are.",
        "It is all that such a submission has.",
        "docs/formats.md describes the three formats; `bench score FILE` tries them against the labels.",
    ),
    # Submissions: code, as hints
    _rule(
        "L30",
        "warning",
        "Code opens no network, starts no process and calls no foreign function.",
        "The sandbox has no network and few processes: the submission fails there, or tries what it should not.",
        "Bring all that the model needs in the folder.",
    ),
    _rule(
        "L31",
        "warning",
        "Code does not depend on environment, host name, user or time.",
        "A model that knows where it runs can behave in the evaluation as nowhere else.",
        "Take configuration from `kwargs` in the manifest.",
    ),
    _rule(
        "L32",
        "warning",
        "Code uses no exit handlers, signals, frames, garbage collector tricks or changes of loaded modules.",
        "These are the tools for reaching into a program that runs the model.",
        "A model needs none of them; remove them, or explain them to the maintainer, who can waive this rule.",
    ),
    _rule(
        "L33",
        "warning",
        "Code does not assign to torch, timers or back-end flags.",
        "Patched timers and changed arithmetic falsify costs; the protocol fixes the flags.",
        "Leave timers and flags as the protocol sets them.",
    ),
    _rule(
        "L34",
        "warning",
        "Code downloads nothing from hubs or registries.",
        "There is no network in the sandbox, and what a link holds can change after the review.",
        "Put the weights into the folder, or behind `model.weights` with their sha256.",
    ),
    _rule(
        "L35",
        "warning",
        "Code holds no tables of labels or hashes and no words of the validation set.",
        "Answers that are looked up measure nothing.",
        "Remove the table, or explain to the maintainer what it is.",
    ),
    _rule(
        "L36",
        "warning",
        "The forward pass neither switches to training mode nor updates statistics.",
        "Answers would depend on the other images of the batch.",
        "Leave the model in evaluation mode, in which bench puts it.",
    ),
    _rule(
        "L37",
        "warning",
        "Code reads no files outside the submission's folder.",
        "They are not there in the sandbox.",
        "Open files beside `__file__`.",
    ),
    _rule(
        "L38",
        "warning",
        "Code leaves global random state and thread counts alone.",
        "The runner sets them, so that runs can be repeated and times compared.",
        "Use a torch.Generator of your own.",
    ),
    _rule(
        "L39",
        "error",
        "Code can be parsed.",
        "What cannot be parsed cannot be reviewed, and fails when it is imported.",
        "Run `python -m py_compile FILE`.",
    ),
    # Submissions: text
    _rule(
        "L40",
        "error",
        "Text and code hold no control, bidirectional or invisible characters.",
        "They make a name look like another one, and code look like other code (Trojan Source, CVE-2021-42574).",
        "Type the text again.",
    ),
    _rule(
        "L41",
        "error",
        "Numbers are in the units of the format: rates as fractions, colours from 0 to 1.",
        "0.761 for 76.1 % and 76.1 for 0.761 are the commonest mistakes in tables.",
        "Write fractions: 76.1 % is 0.761; divide colours by 255.",
    ),
    _rule(
        "L42",
        "warning",
        "Text looks like text: no HTML, formulas, mentions, escapes or links.",
        "Pages, tables and logs show it inert, but a reader who copies it may not be as careful.",
        "Write plain words; links have their own keys `paper` and `code`.",
    ),
    # Submissions: dry run
    _rule(
        "D01",
        "error",
        "The model can be built.",
        "What cannot be built cannot be evaluated.",
        "Repair what the message names; it has the line of your file.",
    ),
    _rule(
        "D02",
        "error",
        "The model answers four images without an exception.",
        "An exception ends the evaluation.",
        "Call the model on torch.rand(4, 3, size, size), which is what bench does.",
    ),
    _rule(
        "D03",
        "error",
        "The answers are one tensor of floating-point logits, an image a row, a class a column.",
        "Anything else cannot be scored.",
        "Return (N, classes) logits, and say with `outputs.background` that class 0 is the background.",
    ),
    _rule(
        "D04",
        "error",
        "The answers are finite.",
        "A single NaN fails the whole run.",
        "Look for overflow: half precision, a logarithm of zero.",
    ),
    _rule(
        "D05",
        "error",
        "The weights fit the model: the same names and shapes.",
        "Weights that are left out in silence cost accuracy that nobody can explain.",
        "Load the weights with `strict=True` yourself, and correct the factory's arguments.",
    ),
    _rule(
        "D06",
        "error",
        "The dry run ends by itself, within its limits of time, memory and processes.",
        "An evaluation has the same limits.",
        "Repair what the message names; docs/security.md lists the limits.",
    ),
    _rule(
        "D07",
        "warning",
        "An image gets the same answer again, and the same answer alone as in a batch.",
        "The audits of a verified run fail on models with state or with batch statistics.",
        "Call eval() on all parts, use no random layers, and keep no state between calls.",
    ),
    # Results
    _rule(
        "R01",
        "error",
        "The result is a valid record, each key once.",
        "Boards are made of results.",
        "Restore the file from git; a result is never edited.",
    ),
    _rule(
        "R02",
        "error",
        "The result is as it was written: its run id agrees with its content.",
        "An edited number is a forged number.",
        "Restore the file, and withdraw a wrong result with `bench retract`.",
    ),
    _rule(
        "R03",
        "error",
        "The result lies in the folder and under the file name that its content gives.",
        "Its place says who was measured how.",
        "Move it to <protocol>/<team>/<name>/<run>.json.",
    ),
    _rule(
        "R04",
        "error",
        "The bits beside a result count as many right images as the result says.",
        "Ranks are computed from them.",
        "Restore the .bits file, or run the evaluation again.",
    ),
    _rule(
        "R05",
        "error",
        "The raw times beside a result give its costs again.",
        "Speeds that do not follow from their measurements cannot be compared.",
        "Restore the .blocks.json file.",
    ),
    _rule(
        "R06",
        "error",
        "The counts by class beside a result add up to the result.",
        "The page of a result shows them.",
        "Restore the .classes.json file.",
    ),
    _rule(
        "R07",
        "error",
        "The numbers of a result fit each other: rates are count / images and lie in their intervals, top-5 >= top-1.",
        "Such numbers did not come out of an evaluation.",
        "Run the evaluation again.",
    ),
    _rule(
        "R08",
        "warning",
        "The result's protocol is known here, in the version that the result has.",
        "Numbers under another protocol are not comparable; boards leave them out.",
        "Evaluate again under the present protocol, or add the protocol's file.",
    ),
    _rule(
        "R09",
        "warning",
        "What the authors claim lies within what was measured.",
        "A claim outside the interval is a declared mismatch, which the submission's page shows.",
        "Look for the difference: preprocessing, weights, precision; or correct the claim.",
    ),
    _rule(
        "R10",
        "error",
        "A verified result has the isolation and the passed audits that its status needs.",
        "`verified` must mean something.",
        "Only a maintainer's run in the sandbox writes this status; restore the file.",
    ),
    _rule(
        "R11",
        "error",
        "A retraction is valid and belongs to the result beside it.",
        "A result whose withdrawal cannot be read would be shown as if it stood.",
        "Restore the .retract.json file.",
    ),
    # Predictions
    _rule(
        "P01",
        "error",
        "The stored predictions can be read and have the content that the result names.",
        "They are the proof of the numbers.",
        "Restore <sha256>.parquet, or evaluate again.",
    ),
    _rule(
        "P02",
        "error",
        "Scoring the stored predictions gives the stored metrics again.",
        "Otherwise the metrics are not those of these answers.",
        "Evaluate again; if it persists, the metric was changed without a new protocol version.",
    ),
    _rule(
        "P03",
        "error",
        "The predictions answer each image once.",
        "Left-out images, such as the hard ones, raise every rate.",
        "Evaluate again on the complete dataset.",
    ),
    # Boards and protocols
    _rule(
        "B01",
        "error",
        "The board is valid: its protocols, columns and ranking exist.",
        "The site is made of boards.",
        "Correct the key that is named; docs/metrics-and-columns.md lists all names.",
    ),
    _rule(
        "M01",
        "error",
        "The protocol is valid TOML of known keys with values in their ranges.",
        "It must fix every choice that can move a number.",
        "Correct the key that is named; docs/formats.md lists all keys.",
    ),
    _rule(
        "M02",
        "error",
        "The metrics, protocols and datasets that a protocol names exist.",
        "Otherwise no evaluation under it can start.",
        "`bench list metrics` and `bench list protocols` show the names.",
    ),
    # Challenges, signatures, training
    _rule(
        "C01",
        "error",
        "The ledger of a challenge is whole: each entry carries the hash of the one before it.",
        "A changed or removed entry is a changed quota.",
        "Restore it from a copy; `bench ledger verify` says where the chain breaks.",
    ),
    _rule(
        "C02",
        "error",
        "The file of a challenge is valid, and its protocols exist and fit.",
        "It says who may submit what, how often and until when.",
        "Correct the key that is named; docs/formats.md lists all keys.",
    ),
    _rule(
        "S01",
        "error",
        "The signature beside a result is valid.",
        "A result whose signature does not fit was changed, or signed by somebody else.",
        "Restore the .sig file, or sign again with `bench attest`.",
    ),
    _rule(
        "S02",
        "warning",
        "A verified result is signed with a key that the site knows.",
        "Without a signature anybody who can write the file could have written `verified`.",
        "A maintainer signs it with `bench attest`; his public key stands in leaderboards/keys.toml.",
    ),
    _rule(
        "T01",
        "warning",
        "The training protocol that weights come from is known here, in the version that they were trained under.",
        "Weights of another recipe do not show what this recipe gives.",
        "Train again under the present protocol, or add the protocol's file.",
    ),
    _rule(
        "T02",
        "error",
        "The attempts beside the result of a training are those that it names.",
        "All attempts count, the failed ones too: a mean over the lucky ones is no mean.",
        "Restore the .attempts.json file.",
    ),
    _rule(
        "T03",
        "warning",
        "A training learns no faster than is plausible.",
        "Weights that were trained before, more data, or test images among the training images look like this.",
        "Explain it to the maintainer, who can waive this rule.",
    ),
    # Pull requests
    _rule(
        "G01",
        "error",
        "A pull request with a submission touches that submission's folder and nothing else.",
        "It is checked and evaluated by machines; code of the harness, workflows and results need a reader.",
        "Split the pull request.",
    ),
    _rule(
        "G02",
        "error",
        "A pull request adds plain files only.",
        "Links and submodules bring what is not in the pull request.",
        "Add the files themselves.",
    ),
    _rule(
        "G03",
        "warning",
        "A pull request adds an entry, and leaves those that are there alone.",
        "Only the maintainer can know whether it comes from the same team.",
        "Choose a new name; results name the digest of what was measured.",
    ),
    # Waivers
    _rule(
        "W01",
        "warning",
        "Waivers are in force.",
        "An expired waiver waives nothing: its findings count again.",
        "Repair what it waived, or decide again and write a new date.",
    ),
    _rule(
        "W02",
        "note",
        "Each waiver waives something.",
        "A forgotten waiver hides the next fault.",
        "Remove it.",
    ),
)

RULES: Final[dict[str, Rule]] = {rule.id: rule for rule in _ALL}
"""Every rule by its id."""


def explain(rule_id: str) -> str:
    """What a rule means, why there is one, and what to do about a breach.

    Raises:
        UsageError: There is no such rule; the nearest ones are offered.
    """
    if (rule := RULES.get(rule_id.upper())) is None:
        raise UsageError(f"there is no rule {rule_id!r}: {nearest(rule_id.upper(), RULES)}")
    return (
        f"{rule.id} ({rule.severity}): {rule.title}\nGroup: {GROUPS[rule.id[0]].lower()}.\n"
        f"Why: {rule.why}\nWhat to do: {rule.repair}"
    )
