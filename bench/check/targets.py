"""What there is to check: the things below a path, told apart by name and keys."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from bench.challenge.loaded import CHALLENGE_FILE
from bench.errors import RecordError, StoreError, UsageError
from bench.files import read_toml
from bench.models.source import MANIFEST

__all__ = ["Kind", "Target", "targets_below"]

Kind = Literal["submission", "result", "board", "protocol", "challenge", "ledger", "changes", "waivers"]

_MAX_TOML_BYTES = 1 << 20
_RESULT = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{12}\.json")
_NAMED: dict[str, Kind] = {"ledger.jsonl": "ledger", CHALLENGE_FILE: "challenge"}
"""Files whose name says what they are."""


class Target(NamedTuple):
    """One thing to check."""

    kind: Kind
    path: Path
    """A submission's manifest, or the file itself."""


def targets_below(path: Path) -> list[Target]:
    """The path itself, or the submissions, results, boards, protocols, challenges and ledgers below a folder.

    Raises:
        UsageError: There is none, or the file is none of these.
        StoreError: A folder cannot be listed.
    """
    if not path.is_dir():
        return [_target(path)]
    if _is_there(path / MANIFEST):
        return [Target("submission", path / MANIFEST)]
    found = sorted(_below(path), key=lambda target: target.path)
    if not found:
        raise UsageError(
            f"{path} holds no {MANIFEST}, result, board, protocol, challenge or ledger; `bench new {path}` makes a "
            "submission"
        )
    return found


def _target(path: Path) -> Target:
    """The kind of a file, by its name and keys.

    Raises:
        UsageError: It is none of the kinds.
    """
    if path.name == MANIFEST:
        return Target("submission", path)
    if path.name in _NAMED:
        return Target(_NAMED[path.name], path)
    if path.suffix == ".json":
        return Target("result", path)
    if path.suffix == ".toml" and (kind := _kind_of(path)) is not None:
        return Target(kind, path)
    raise UsageError(f"{path} is no {MANIFEST}, result (.json), board, protocol or challenge (.toml) or ledger.jsonl")


def _below(folder: Path) -> Iterator[Target]:
    """Walks a folder; what lies in a submission's folder belongs to the submission."""
    for current, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        # A manifest that is a link or a pipe is still a manifest: the check says what is wrong with it.
        if MANIFEST in files:
            folders.clear()
            yield Target("submission", Path(current, MANIFEST))
            continue
        for name in sorted(files):
            path = Path(current, name)
            if _RESULT.fullmatch(name):
                yield Target("result", path)
            elif name in _NAMED:
                yield Target(_NAMED[name], path)
            elif name.endswith(".toml") and not name.startswith(".") and (kind := _kind_of(path)) is not None:
                yield Target(kind, path)


def _refuse(error: OSError) -> None:
    """What cannot be listed must not look as if nothing were wrong with it."""
    raise StoreError(f"cannot be read ({error.strerror or error})", path=error.filename) from error


def _kind_of(path: Path) -> Kind | None:
    """Whether a TOML file is a `board` or a `protocol`, by its keys; None where it is neither."""
    if not path.is_file() or path.stat().st_size > _MAX_TOML_BYTES:
        return None  # a pipe would be waited for
    try:
        keys = read_toml(path).keys()
    except RecordError:
        return "board" if path.parent.name == "boards" else "protocol" if path.parent.name == "protocols" else None
    if "columns" in keys and "protocol" in keys:
        return "board"
    return "protocol" if "kind" in keys and "dataset" in keys else None


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()
