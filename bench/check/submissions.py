"""Rules for a submission's folder: the tree first, then the manifest, then what it names, and last the dry run.

What a step would trip over is not tried: a folder that leads elsewhere is not hashed, and code of a submission with
errors is not run.
"""

from __future__ import annotations

import dataclasses
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.check.answers import look_at_answers
from bench.check.code import MAX_CODE_BYTES, look_at_code
from bench.check.context import Context
from bench.check.dry import look_at_run
from bench.check.manifest import look_at_manifest, read_manifest
from bench.check.rule import Finding, finding, findings_of
from bench.check.standing import look_at_training
from bench.check.text import look_at_characters
from bench.check.tree import Tree, look_at_tree, walk
from bench.check.weights import look_at_weights
from bench.errors import BenchError, UsageError, WeightsError
from bench.models.keys import named_files
from bench.models.source import LoadedSubmission, checked_file, open_submission
from bench.records.submission import Submission

__all__ = ["LookedAt", "look_at_submission"]

_MAX_TEXT = 16 << 20
_TEXTS = frozenset({".py", ".toml", ".md", ".txt", ".json", ".yaml", ".yml", ".cfg"})


class LookedAt(NamedTuple):
    """What was found about one thing."""

    label: str
    findings: list[Finding]
    notes: list[str]
    """What was not tried, and what a reader should know."""


def look_at_submission(path: Path, context: Context) -> LookedAt:
    """All findings about a submission.

    Args:
        path: Its `submission.toml`.
        context: Options.
    """
    looked = _look(path.absolute(), str(path.parent), context)
    # Paths as the user gave them: relative ones can be pasted, and found in the pull request.
    absolute, given = str(path.absolute().parent), str(path.parent)
    findings = [
        dataclasses.replace(
            item, path=item.path.replace(absolute, given, 1), message=item.message.replace(absolute, given)
        )
        for item in looked.findings
    ]
    return looked._replace(findings=findings)


def _look(path: Path, label: str, context: Context) -> LookedAt:
    folder = path.parent
    manifest, findings = read_manifest(path)
    named = frozenset(named_files(manifest).values()) if manifest is not None else frozenset()
    tree = walk(folder)
    findings += look_at_tree(folder, tree, named)
    if tree.cut is None:
        findings += _read_texts(folder, tree, path.name)
    if manifest is not None:
        findings += look_at_manifest(manifest, path, context.teams)
    if manifest is None or _has_errors(findings, "L01", "L02", "L10", "L11"):
        return LookedAt(label, findings, [])
    try:
        submission = open_submission(str(folder))
    except BenchError as error:
        findings += findings_of("L10", error, path)
        return LookedAt(label, findings, [])
    findings += _files(submission, manifest)
    if _has_errors(findings):
        return LookedAt(submission.label, findings, [])
    found, notes = look_at_run(submission, context)
    return LookedAt(submission.label, [*findings, *found], notes)


def _has_errors(findings: list[Finding], *rules: str) -> bool:
    return any(item.severity == "error" and (not rules or item.rule in rules) for item in findings)


def _read_texts(folder: Path, tree: Tree, manifest: str) -> Iterator[Finding]:
    """L30 to L40 in the texts of a folder, as long as there is not more than anybody would read."""
    num_bytes = 0
    for name, status in tree.files:
        path = folder / name
        if path.suffix not in _TEXTS or not stat.S_ISREG(status.st_mode) or name == manifest:
            continue
        num_bytes += min(status.st_size, MAX_CODE_BYTES)
        if num_bytes > _MAX_TEXT:
            yield finding("L11", f"holds more than {_MAX_TEXT:,} bytes of code and text, which nobody reviews", folder)
            return
        if path.suffix == ".py":
            yield from look_at_code(path)
        if status.st_size <= MAX_CODE_BYTES:
            yield from _characters(path)


def _characters(path: Path) -> Iterator[Finding]:
    try:
        content = path.read_bytes()
    except OSError:
        return  # named when the files are hashed
    yield from look_at_characters(path, content.decode("utf-8", errors="replace").removeprefix("\ufeff"))


def _files(submission: LoadedSubmission, manifest: Submission) -> Iterator[Finding]:
    """L03, L20 to L24, T01, and class tables that do not exist."""
    from bench.data.classes import class_table

    try:
        classes = class_table(manifest.outputs.classes)
    except UsageError as error:
        error = UsageError(error.message, path=submission.manifest_path, key="outputs.classes")
        yield from findings_of("L01", error, submission.manifest_path)
        return
    for key in named_files(manifest):
        try:
            path = checked_file(submission, key)
        except BenchError as error:
            yield from findings_of("L03" if isinstance(error, WeightsError) else "L01", error, submission.manifest_path)
            continue
        if key == "weights":
            yield from look_at_weights(path)
        elif manifest.model.source == "predictions":
            yield from look_at_answers(path, classes, background=manifest.outputs.background)
    if manifest.training is not None:
        yield from look_at_training(manifest.training, Path(submission.manifest_path), "training")
