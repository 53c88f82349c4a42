"""The files of a folder that go into an archive: regular files only, each with one name."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from bench.challenge.envelope import PackedFile, check_path
from bench.errors import SubmissionError

__all__ = ["files_of", "opened"]


def files_of(folder: Path, *, max_bytes: int, max_files: int) -> tuple[PackedFile, ...]:
    """Every file of a folder, sorted by path; hidden files, hidden folders and `__pycache__` are left out.

    Args:
        folder: A submission's folder.
        max_bytes: How large all files together may be.
        max_files: How many there may be.

    Raises:
        SubmissionError: A link, a device, a name that not every system can keep, or too much of anything.
    """
    paths = sorted(_paths(folder, "", max_files))
    if len({path.casefold() for path in paths}) < len(paths):
        raise SubmissionError("holds two names that differ only in upper and lower case; rename one", path=folder)
    files, total = [], 0
    for path in paths:
        with opened(folder / path) as stream:
            total += os.fstat(stream.fileno()).st_size
            if total > max_bytes:
                raise SubmissionError(f"holds more than the {max_bytes:,} bytes that an archive may have", path=folder)
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            files.append(PackedFile(path=path, num_bytes=stream.tell(), sha256=sha256))
    return tuple(files)


def _paths(folder: Path, inside: str, max_files: int) -> list[str]:
    """The paths of all files below a folder, unsorted; it stops where there are too many."""
    found: list[str] = []
    with os.scandir(folder / inside) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__pycache__":
                continue
            path = f"{inside}/{entry.name}" if inside else entry.name
            try:
                check_path(path)
            except ValueError as error:
                raise SubmissionError(f"{path!r} {error}", path=folder) from error
            if entry.is_symlink():
                raise SubmissionError("is a link; copy what it points to into the folder", path=folder / path)
            if entry.is_dir():
                found += _paths(folder, path, max_files)
            else:
                found.append(path)
            if len(found) > max_files:
                raise SubmissionError(f"holds more than the {max_files:,} files that an archive may have", path=folder)
    return found


@contextmanager
def opened(path: Path, *, only_name: bool = True) -> Iterator[BufferedReader]:
    """A regular file, opened for reading without following a link and without waiting for a FIFO's writer.

    Args:
        path: The file.
        only_name: Refuse a file that has other names too: one of them may lie outside, such as that of a label file.

    Raises:
        SubmissionError: It is no regular file, has a second name (hard link), or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SubmissionError(f"cannot be read ({error.strerror or error})", path=path) from error
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SubmissionError("is no regular file; remove it", path=path)
        if only_name and status.st_nlink > 1:
            raise SubmissionError(f"is a hard link, one of {status.st_nlink} names of a file; copy it", path=path)
        yield stream
