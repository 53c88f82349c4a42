"""Result files as they lie on the disk: found below a folder, read with what was said about them later.

A result is `<run>.json`; its sidecars lie beside it under its name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from xxhash import xxh3_128_hexdigest

from bench.errors import BenchError, RecordError
from bench.records.blocks import Blocks
from bench.records.breakdown import Breakdown
from bench.records.correctness import Correctness
from bench.records.result import Result
from bench.records.retraction import Retraction
from bench.records.training import Attempts

__all__ = [
    "Stored",
    "read_attempts",
    "read_blocks",
    "read_breakdown",
    "read_correctness",
    "read_stored",
    "result_files",
    "result_files_with_others",
]

Named = TypeVar("Named", Blocks, Attempts)

_SIDECARS = (".attempts.json", ".blocks.json", ".classes.json", ".retract.json")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A result in the store, and what was said about it later."""

    result: Result
    path: Path
    retraction: Retraction | None = None
    digest: str = ""
    """A digest of the bytes of both files, which changes when somebody edits one of them."""
    beside: frozenset[str] | None = None
    """The names of all files in its folder when all results were read; None where only this one was."""

    @property
    def run(self) -> str:
        """The run's id."""
        return self.result.run


def result_files(folder: Path) -> list[Path]:
    """The result files below a folder, sorted by path."""
    return [path for path, _ in result_files_with_others(folder)]


def result_files_with_others(folder: Path) -> list[tuple[Path, frozenset[str]]]:
    """The result files below a folder, sorted by path, each with the names of all files that lie with it."""
    files, folders = [], [str(folder)] if folder.is_dir() else []
    while folders:
        parent = folders.pop()
        names = []
        with os.scandir(parent) as found:
            for entry in found:
                if not entry.is_dir():
                    names.append(entry.name)
                elif not entry.is_symlink():
                    folders.append(entry.path)
        beside = frozenset(names)
        files += [
            (Path(parent, name), beside)
            for name in names
            if name.endswith(".json") and not name.endswith(_SIDECARS) and not name.startswith(".")
        ]
    return sorted(files, key=lambda file: file[0].parts)  # compared in C, not path by path


def _beside_of(path: Path, suffix: str, names: frozenset[str] | None) -> Path | None:
    """What lies beside a result under its name with another suffix, or None where there is nothing."""
    if names is not None:
        name = path.name.removesuffix(".json") + suffix
        return path.with_name(name) if name in names else None
    found = path.with_suffix(suffix)
    return found if found.is_file() else None


def read_stored(path: Path, beside: frozenset[str] | None = None) -> Stored:
    """One result file with its retraction.

    Raises:
        RecordError: The file or its retraction is broken.
    """
    retraction_path = _beside_of(path, ".retract.json", beside)
    retraction, said = None, b""
    if retraction_path is not None:
        retraction, said = Retraction.load(retraction_path), retraction_path.read_bytes()
    content = b""
    try:
        content = path.read_bytes()
        # The quick way for the many valid files of today's format; all others get the readable errors below.
        result = Result.model_validate_json(content)
        if result.format_version != Result.FORMAT_VERSION or "format_version" not in result.model_fields_set:
            result = Result.load(path)
    except (ValidationError, OSError):
        result = Result.load(path)
    return Stored(
        result=result, path=path, retraction=retraction, digest=xxh3_128_hexdigest(content + said), beside=beside
    )


def read_correctness(stored: Stored) -> Correctness | None:
    """Which images a run got right, or None where that was not kept.

    Raises:
        RecordError: The file is broken.
    """
    path = _beside_of(stored.path, ".bits", stored.beside)
    if path is None:
        return None
    try:
        return Correctness.from_bytes(path.read_bytes(), stored.result.dataset.num_samples)
    except BenchError as error:
        raise type(error)(error.message, path=path) from error


def read_breakdown(stored: Stored) -> Breakdown | None:
    """A run's counts by class, or None where they were not kept.

    Raises:
        RecordError: The file is broken.
    """
    path = _beside_of(stored.path, ".classes.json", stored.beside)
    return None if path is None else Breakdown.load(path)


def read_blocks(stored: Stored) -> Blocks | None:
    """A run's raw times, or None where it has none.

    Raises:
        RecordError: The file is missing, broken, or another one than the result names.
    """
    if stored.result.blocks is None:
        return None
    return _named(Blocks, stored.path.with_suffix(".blocks.json"), stored.result.blocks, "times")


def read_attempts(stored: Stored) -> Attempts | None:
    """A run's attempts, or None where it is no training.

    Raises:
        RecordError: The file is missing, broken, or another one than the result names.
    """
    if stored.result.training is None:
        return None
    return _named(Attempts, stored.path.with_suffix(".attempts.json"), stored.result.training.attempts, "attempts")


def _named(kind: type[Named], path: Path, sha256: str, what: str) -> Named:
    """The record beside a result that the result names by its digest.

    Raises:
        RecordError: The file is missing, broken, or another one.
    """
    found = kind.load(path)
    if found.sha256() != sha256:
        raise RecordError(f"does not hold the {what} that the result names; restore the file", path=path)
    return found
