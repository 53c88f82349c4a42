"""Rules for pull requests (G01 to G03): what a range of commits changes, and the submission that it brings.

The submission is read from git's objects into a fresh folder, so that it makes no difference what is checked out, and
the harness that checks it can be another commit's.
"""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.check.checking import Checked, check_target
from bench.check.context import Context
from bench.check.git_trees import Change, Entry, changes_between, commit_of, entries_below, write_blobs
from bench.check.manifest import MAX_MANIFEST_BYTES
from bench.check.rule import Finding, finding
from bench.check.targets import Target
from bench.check.tree import MAX_BYTES, MAX_ENTRIES
from bench.errors import UsageError
from bench.models.source import MANIFEST

__all__ = ["check_changes", "look_at_changes"]

_ROOT = "submissions"
_PLACE = re.compile(rf"({_ROOT}/[a-z0-9][a-z0-9._-]{{0,79}}/[a-z0-9][a-z0-9._-]{{0,79}})/.")
_NUM_NAMED = 20


def check_changes(text: str, context: Context, *, repository: Path, export: Path | None = None) -> list[Checked]:
    """The findings about a range of commits, and about the submission that it brings.

    Args:
        text: `BASE..HEAD`; what counts is what HEAD changed since it left BASE.
        context: Options.
        repository: A folder of the repository.
        export: An empty or new folder that gets the submission's files, as `export/<team>/<name>`, where nothing is
            wrong with them.

    Raises:
        UsageError: The text names no range, a commit is not there, or `export` is not empty.
    """
    if export is not None and export.exists() and (not export.is_dir() or any(export.iterdir())):
        raise UsageError(f"{export} is not empty; name a new folder for the submission's files")
    names = re.fullmatch(r"(.+?)\.\.\.?(.+)", text)
    if names is None:
        raise UsageError(f"{text!r} names no commits; write BASE..HEAD, such as origin/main..HEAD")
    base, head = (commit_of(repository, name) for name in names.groups())
    changes = changes_between(repository, base, head)
    folders = sorted({found[1] for change in changes if (found := _PLACE.match(change.path))})
    findings = list(look_at_changes(changes, known=[name for name in folders if entries_below(repository, base, name)]))
    files = entries_below(repository, head, folders[0]) if len(folders) == 1 else []
    findings += _limits(files, folders[0]) if files else []
    notes = [] if folders else ["no submission is changed"]
    notes += ["the submission is removed"] if len(folders) == 1 and not files else []
    about = Checked(kind="changes", path=Path(), label=text, findings=tuple(findings), notes=tuple(notes))
    if not files or about.faults(strict=False):
        return [about]
    with tempfile.TemporaryDirectory(prefix="bench-check-") as temporary:
        root = Path(temporary) / _ROOT
        _write(repository, files, root)
        _write(repository, _others(repository, base, folders[0]), root)  # their names must not be borrowed
        checked = check_target(Target("submission", Path(temporary) / folders[0] / MANIFEST), context)
    if export is not None and not checked.faults(strict=False):
        _write(repository, files, export)
    return [about, _as_in_repository(checked, f"{temporary}/", folders[0])]


def look_at_changes(changes: Sequence[Change], *, known: Sequence[str]) -> Iterator[Finding]:
    """Breaches of G01 to G03.

    Args:
        changes: What was changed.
        known: The folders of changed submissions that were there before.
    """
    inside = {change.path: found[1] for change in changes if (found := _PLACE.match(change.path))}
    folders = sorted(set(inside.values()))
    if not folders:
        return
    outside = [change.path for change in changes if change.path not in inside]
    for path in outside[:_NUM_NAMED]:
        yield finding("G01", f"lies outside {folders[0]}, the submission's folder", path)
    if len(outside) > _NUM_NAMED:
        yield finding("G01", f"and {len(outside) - _NUM_NAMED:,} more paths lie outside {folders[0]}", _ROOT)
    if len(folders) > 1:
        yield finding("G01", f"changes {len(folders)} submissions: {', '.join(folders[:_NUM_NAMED])}", _ROOT)
    for change in changes:
        if change.mode == "000000" or Entry(change.mode, "", 0, change.path).is_plain:
            continue
        words = {"120000": "a symbolic link", "160000": "a submodule"}.get(change.mode, "no plain file")
        yield finding("G02", f"is {words}; add the files themselves", change.path)
    for folder in known:
        yield finding("G03", "was there before; make sure that its team changes it", folder)


def _limits(files: list[Entry], folder: str) -> Iterator[Finding]:
    """What must hold before anything is written: plain files, and not too much of them."""
    for entry in [entry for entry in files if not entry.is_plain][:_NUM_NAMED]:
        yield finding("G02", "is no plain file with a plain path; add the files themselves", entry.path)
    if len(files) > MAX_ENTRIES or sum(entry.num_bytes for entry in files) > MAX_BYTES:
        yield finding("L11", f"holds {len(files):,} files of {sum(entry.num_bytes for entry in files):,} bytes", folder)


def _others(repository: Path, base: str, folder: str) -> list[Entry]:
    """The manifests of the other submissions."""
    return [
        entry
        for entry in entries_below(repository, base, _ROOT)
        if entry.is_plain
        and entry.path.count("/") == 3
        and entry.path.endswith(f"/{MANIFEST}")
        and not entry.path.startswith(f"{folder}/")
        and entry.num_bytes <= MAX_MANIFEST_BYTES
    ]


def _write(repository: Path, files: list[Entry], root: Path) -> None:
    """Writes files of `submissions/` below `root`, all of them new."""
    write_blobs(repository, ((entry.sha, root / entry.path.removeprefix(f"{_ROOT}/")) for entry in files))


def _as_in_repository(checked: Checked, temporary: str, folder: str) -> Checked:
    """The findings with the paths that the files have in the repository."""
    findings = tuple(
        dataclasses.replace(item, path=item.path.replace(temporary, ""), message=item.message.replace(temporary, ""))
        for item in checked.findings
    )
    label = checked.label.replace(temporary, "")
    notes = tuple(sentence.replace(temporary, "") for sentence in checked.notes)
    return dataclasses.replace(checked, path=Path(folder), label=label, findings=findings, notes=notes)
