"""The files of a submission that make up its model, and their hashes."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from pathlib import Path

from bench.errors import SubmissionError
from bench.files import sha256_of_file

__all__ = ["file_sha256", "hash_files"]

_NO_PART_OF_THE_MODEL = ("*.md", "LICENSE", "LICENSE.txt")


def hash_files(folder: Path, named: frozenset[str]) -> dict[str, str]:
    """The sha256 of every file that belongs to the model, by its path in the folder.

    Hidden files, `__pycache__`, Markdown and licence texts do not, unless the manifest names them.
    """
    root = folder.resolve()
    hashes: dict[str, str] = {}
    for current, folders, files in os.walk(folder, onerror=_refuse):
        for name in sorted(folders):
            if (Path(current) / name).is_symlink():
                raise SubmissionError("is a link to a folder; copy the files into it", path=Path(current) / name)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        for name in sorted(files):
            path = Path(current) / name
            if name.startswith(".") or any(path.match(pattern) for pattern in _NO_PART_OF_THE_MODEL):
                continue
            relative = path.relative_to(folder).as_posix()
            if relative != "submission.toml":  # its content is in the digest, without comments and blanks
                hashes[relative] = _hash_inside(path, root)
    for name in named:
        hashes.setdefault(Path(name).as_posix(), _hash_inside(folder / name, root))
    return hashes


def _refuse(error: OSError) -> None:
    """A folder that cannot be listed must not be left out of the digest in silence."""
    raise error


def _hash_inside(path: Path, root: Path) -> str:
    if not path.resolve().is_relative_to(root):
        raise SubmissionError("is a link that leaves the submission's folder; copy the file into it", path=path)
    return file_sha256(path)


def file_sha256(path: Path) -> str:
    """The sha256 of a file; a file that did not change since is not read again by this process.

    Raises:
        SubmissionError: It is no regular file, or cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SubmissionError("is no regular file; remove it", path=path)
        return _of_state(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    except OSError as error:
        raise SubmissionError(f"cannot be read ({error.strerror or error})", path=path) from error


@lru_cache(maxsize=4096)
def _of_state(path: Path, *_state: int) -> str:
    return sha256_of_file(path)
