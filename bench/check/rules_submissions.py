"""The rules for submissions: looked at (L), and run on four images (D)."""

from __future__ import annotations

from typing import Final

from bench.check.rule import Rule, rule

__all__ = ["SUBMISSION_RULES"]

SUBMISSION_RULES: Final[tuple[Rule, ...]] = (
    # Submissions: manifest
    rule(
        "L01",
        "error",
        "The manifest is valid TOML of known keys with values in their ranges.",
        "Everything else is read from it. A doubled or unknown key, a wrong type, NaN, nesting without end or a file "
        "of more than 1 MiB makes it mean something else to each reader, or nothing.",
        "Correct the key that is named; docs/formats.md lists all keys, docs/schemas/submission.schema.json completes "
        "them in an editor.",
    ),
    rule(
        "L02",
        "error",
        "Team and name are plain folder names, agree with the manifest, and look like no other team.",
        "Names become paths and links. A team named `acrne`, or `acme` with a Cyrillic letter in its title, "
        "borrows the reputation of `acme`.",
        "Use a-z, 0-9, '.', '_' and '-', at most 80 characters, and letters of one script within a word.",
    ),
    rule(
        "L03",
        "error",
        "The files have the sha256 that the manifest states.",
        "What was reviewed and what runs must be the same bytes.",
        "Restore the file, or write its sha256 if the change is meant.",
    ),
    rule(
        "L04",
        "warning",
        "The licence is stated, and whom to ask.",
        "Nobody may use weights without a licence, and a question about a result needs somebody to ask.",
        "Add `license` (best an SPDX identifier), and `contact` or the link `code`, to the manifest.",
    ),
    rule(
        "L05",
        "note",
        "Training data, input and precision are declared and not left to defaults.",
        "A default that nobody looked at is the commonest wrong declaration; boards filter by training data.",
        "Add `extra_training_data`, `[input]` where the model is your own code, and `precision` beside accuracy "
        "claims.",
    ),
    rule(
        "L06",
        "error",
        "The model has as many parameters as `claims.num_params` says.",
        "Boards rank by size; a wrong count misleads, and usually shows that another model was meant.",
        "Correct the claim, or the factory's arguments.",
    ),
    rule(
        "L07",
        "warning",
        "Weights in the folder carry their sha256 in the manifest.",
        "Without it a damaged or swapped file is noticed by its accuracy only.",
        "Add `sha256` to `[model]`: `sha256sum FILE`.",
    ),
    rule(
        "L08",
        "warning",
        "Some protocol measures what is claimed: it evaluates these classes, and allows this precision.",
        "A claim that no protocol can bear out stays a claim.",
        "`bench list protocols` shows what is measured; claim the number of a precision that it allows.",
    ),
    # Submissions: tree
    rule(
        "L10",
        "error",
        "The folder holds plain files and folders only, which stay inside it, under names that exist once everywhere.",
        "Links, hard links, devices and pipes lead out of the folder or block a reader; names that differ only in "
        "case or Unicode form are one file on other systems; control characters in names forge logs.",
        "Copy files instead of linking them, and rename what is named.",
    ),
    rule(
        "L11",
        "error",
        "The folder has at most 10,000 files and folders, 32 levels, 16 GiB, and 16 MiB of code and text.",
        "It is copied and hashed before every run.",
        "Leave out what the model does not need; host large weights behind an https link with their sha256.",
    ),
    rule(
        "L12",
        "warning",
        "The folder holds no binaries and no archives beside the files that the manifest names.",
        "They cannot be reviewed, and compiled code runs outside everything that Python could notice.",
        "Submit source code; leave archives out.",
    ),
    rule(
        "L13",
        "warning",
        "The folder holds no compiled caches, repositories, hooks or submodules.",
        "`__pycache__` can hold other code than the source beside it; hooks and submodules bring code from elsewhere.",
        "Remove them: `git clean -ndX` lists most.",
    ),
    # Submissions: weights, by their headers
    rule(
        "L20",
        "error",
        "Weights are safetensors, or the archive of a state dict that torch.save writes, whole and well-formed.",
        "Bare pickles and TorchScript hold code; damaged headers, overlapping or missing data load as something else.",
        "Save model.state_dict() with safetensors.torch.save_file.",
    ),
    rule(
        "L21",
        "error",
        "The pickle in weights names nothing but tensors and their containers.",
        "Any other name is code that loading would call.",
        "Save model.state_dict() with safetensors.torch.save_file.",
    ),
    rule(
        "L22",
        "error",
        "Weights declare no more elements than the file holds, and each element once.",
        "A file of a kilobyte can declare a tensor of terabytes (stride 0), a compressed one can become anything.",
        "Save tensor.contiguous() of each tensor, without compression.",
    ),
    rule(
        "L23",
        "error",
        "All weights are finite.",
        "NaN or infinity in a weight makes answers that no metric can score.",
        "Export the weights of a step before the training diverged.",
    ),
    rule(
        "L24",
        "error",
        "A file of predictions can be read: a line or row an image, of classes that there are.",
        "It is all that such a submission has.",
        "docs/formats.md describes the three formats; `bench score FILE` tries them against the labels.",
    ),
    # Submissions: code, as hints
    rule(
        "L30",
        "warning",
        "Code opens no network, starts no process and calls no foreign function.",
        "The sandbox has no network and few processes: the submission fails there, or tries what it should not.",
        "Bring all that the model needs in the folder.",
    ),
    rule(
        "L31",
        "warning",
        "Code does not depend on environment, host name, user or time.",
        "A model that knows where it runs can behave in the evaluation as nowhere else.",
        "Take configuration from `kwargs` in the manifest.",
    ),
    rule(
        "L32",
        "warning",
        "Code uses no exit handlers, signals, frames, garbage collector tricks or changes of loaded modules.",
        "These are the tools for reaching into a program that runs the model.",
        "A model needs none of them; remove them, or explain them to the maintainer, who can waive this rule.",
    ),
    rule(
        "L33",
        "warning",
        "Code does not assign to torch, timers or back-end flags.",
        "Patched timers and changed arithmetic falsify costs; the protocol fixes the flags.",
        "Leave timers and flags as the protocol sets them.",
    ),
    rule(
        "L34",
        "warning",
        "Code downloads nothing from hubs or registries.",
        "There is no network in the sandbox, and what a link holds can change after the review.",
        "Put the weights into the folder, or behind `model.weights` with their sha256.",
    ),
    rule(
        "L35",
        "warning",
        "Code holds no tables of labels or hashes and no words of the validation set.",
        "Answers that are looked up measure nothing.",
        "Remove the table, or explain to the maintainer what it is.",
    ),
    rule(
        "L36",
        "warning",
        "The forward pass neither switches to training mode nor updates statistics.",
        "Answers would depend on the other images of the batch.",
        "Leave the model in evaluation mode, in which bench puts it.",
    ),
    rule(
        "L37",
        "warning",
        "Code reads no files outside the submission's folder.",
        "They are not there in the sandbox.",
        "Open files beside `__file__`.",
    ),
    rule(
        "L38",
        "warning",
        "Code leaves global random state and thread counts alone.",
        "The runner sets them, so that runs can be repeated and times compared.",
        "Use a torch.Generator of your own.",
    ),
    rule(
        "L39",
        "error",
        "Code can be parsed.",
        "What cannot be parsed cannot be reviewed, and fails when it is imported.",
        "Run `python -m py_compile FILE`.",
    ),
    # Submissions: text
    rule(
        "L40",
        "error",
        "Text and code hold no control, bidirectional or invisible characters.",
        "They make a name look like another one, and code look like other code (Trojan Source, CVE-2021-42574).",
        "Type the text again.",
    ),
    rule(
        "L41",
        "error",
        "Numbers are in the units of the format: rates as fractions, colours from 0 to 1.",
        "0.761 for 76.1 % and 76.1 for 0.761 are the commonest mistakes in tables.",
        "Write fractions: 76.1 % is 0.761; divide colours by 255.",
    ),
    rule(
        "L42",
        "warning",
        "Text looks like text: no HTML, formulas, mentions, escapes or links.",
        "Pages, tables and logs show it inert, but a reader who copies it may not be as careful.",
        "Write plain words; links have their own keys `paper` and `code`.",
    ),
    # Submissions: dry run
    rule(
        "D01",
        "error",
        "The model can be built.",
        "What cannot be built cannot be evaluated.",
        "Repair what the message names; it has the line of your file.",
    ),
    rule(
        "D02",
        "error",
        "The model answers four images without an exception.",
        "An exception ends the evaluation.",
        "Call the model on torch.rand(4, 3, size, size), which is what bench does.",
    ),
    rule(
        "D03",
        "error",
        "The answers are one tensor of floating-point logits, an image a row, a class a column.",
        "Anything else cannot be scored.",
        "Return (N, classes) logits, and say with `outputs.background` that class 0 is the background.",
    ),
    rule(
        "D04",
        "error",
        "The answers are finite.",
        "A single NaN fails the whole run.",
        "Look for overflow: half precision, a logarithm of zero.",
    ),
    rule(
        "D05",
        "error",
        "The weights fit the model: the same names and shapes.",
        "Weights that are left out in silence cost accuracy that nobody can explain.",
        "Load the weights with `strict=True` yourself, and correct the factory's arguments.",
    ),
    rule(
        "D06",
        "error",
        "The dry run ends by itself, within its limits of time, memory and processes.",
        "An evaluation has the same limits.",
        "Repair what the message names; docs/security.md lists the limits.",
    ),
    rule(
        "D07",
        "warning",
        "An image gets the same answer again, and the same answer alone as in a batch.",
        "The audits of a verified run fail on models with state or with batch statistics.",
        "Call eval() on all parts, use no random layers, and keep no state between calls.",
    ),
)
"""In the order of their ids."""
