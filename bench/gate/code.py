"""Which code a side runs, where no commit fixes it: a digest of its sources, so that other code is another gate."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench.files import digest_of, sha256_of_file

__all__ = ["Code", "code_of", "file_digest"]

_SUFFIXES = (
    ".py", ".pyx", ".so", ".pyd", ".dylib", ".c", ".cc", ".cpp", ".cxx", ".cu", ".cuh", ".h", ".hpp",
)  # fmt: skip
"""What Python runs or a library is built from; data and what the gate writes are no code."""
_MOST_ENTRIES, _MOST_SOURCES = 300_000, 20_000
"""A folder with more than that (a home folder, a dataset) is not gone through."""


class Code(NamedTuple):
    """The sources of a side, as far as they can be told."""

    digest: str | None
    """Of all of them; None where they cannot be told."""
    why_not: str = ""
    """Why they cannot."""


class _UntoldError(Exception):
    """A folder whose sources cannot be told."""


def code_of(folders: Iterable[Path], *, without: Iterable[Path] = ()) -> Code:
    """The sources below folders; environments, hidden folders and caches of Python are passed over.

    Args:
        folders: Where code is imported from.
        without: Folders below them that hold no code of theirs.
    """
    roots = sorted({folder.resolve() for folder in folders})
    others = {folder.resolve() for folder in without}
    try:
        return Code(digest_of([[str(root), _content(root, others)] for root in roots]))
    except (OSError, _UntoldError) as error:
        return Code(None, str(error))


def file_digest(path: Path) -> str | None:
    """The sha256 of a file; None where it cannot be read."""
    try:
        return sha256_of_file(path)
    except OSError:
        return None


def _content(root: Path, without: set[Path]) -> str:
    """One hash over the names and contents of all sources below a folder."""
    found = hashlib.sha256()
    for number, source in enumerate(_sources(root, without)):
        if number >= _MOST_SOURCES:
            raise _UntoldError(f"{root} holds more than {_MOST_SOURCES:,} source files")
        # A link to nothing is no code; a file that cannot be read is code that cannot be told.
        content = sha256_of_file(source) if source.exists() else ""
        found.update(f"{source.relative_to(root)}\0{content}\0".encode(errors="surrogateescape"))
    return found.hexdigest()


def _sources(root: Path, without: set[Path]) -> Iterator[Path]:
    num_entries = 0
    for place, folders, names in os.walk(root):
        num_entries += len(folders) + len(names)
        if num_entries > _MOST_ENTRIES:
            raise _UntoldError(f"{root} holds more than {_MOST_ENTRIES:,} files")
        here = Path(place)
        folders[:] = sorted(name for name in folders if not _is_passed_over(here / name, without))
        yield from (here / name for name in sorted(names) if name.endswith(_SUFFIXES))


def _is_passed_over(folder: Path, without: set[Path]) -> bool:
    is_other = folder.name.startswith(".") or folder.name in ("__pycache__", "node_modules")
    return is_other or folder in without or (folder / "pyvenv.cfg").is_file()
