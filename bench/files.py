"""Files: written whole or not at all, hashed, and never outside the folder they belong to."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import socket
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import RecordError, StoreError, SubmissionError

__all__ = [
    "canonical_json",
    "contained",
    "digest_of",
    "pretty_json",
    "read_json",
    "read_toml",
    "readable_os_errors",
    "sha256_of_file",
    "sweep_leftovers",
    "write_all_atomic",
    "write_atomic",
]

_CHUNK_BYTES = 1 << 20
_LEFTOVER_SUFFIX = ".tmp"


def canonical_json(value: object) -> str:
    """JSON of which equal values have equal text: sorted keys, no white space, no NaN.

    >>> canonical_json({"b": 1, "a": [1.5, None]})
    '{"a":[1.5,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def pretty_json(value: object) -> str:
    """The same content in the same order as `canonical_json`, one key a line, for files that git compares."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def digest_of(value: object) -> str:
    """The sha256 of the canonical JSON of `value`, as 64 hex digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def sha256_of_file(path: Path) -> str:
    """The sha256 of a file's content, as 64 hex digits, read in blocks of 1 MiB."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomic(path: Path, content: bytes | str | Callable[[Path], None]) -> None:
    """Writes a file so that a reader sees the whole of it or nothing of it, whenever the program is killed.

    Args:
        path: The file; its parent folders are made.
        content: Bytes, text (as UTF-8), or a function that writes to the path it is given.

    Raises:
        StoreError: The disk is full, or the folder cannot be written.
    """
    leftover = _leftover_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if callable(content):
                content(leftover)
            else:
                leftover.write_bytes(content.encode() if isinstance(content, str) else content)
            with leftover.open("rb") as stream:
                os.fsync(stream.fileno())
            leftover.replace(path)
        finally:
            leftover.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "the disk is full; nothing was written, free some space and run the command again"
        else:
            reason = f"cannot be written ({error.strerror or error})"
        raise StoreError(reason, path=path) from error


def write_all_atomic(folder: Path, files: Iterable[tuple[Path, str]]) -> None:
    """Writes many files so that a reader sees the whole of each or nothing of it; the disk is synced once.

    None of them appears before all of them are written.

    Args:
        folder: The folder that they lie below, for errors.
        files: Each file and its text; its parent folders are made.

    Raises:
        StoreError: The disk is full, or a folder cannot be written.
    """
    leftovers: dict[Path, Path] = {}
    with readable_os_errors(folder):
        try:
            for path, text in files:
                leftovers[path] = _leftover_of(path)
                path.parent.mkdir(parents=True, exist_ok=True)
                leftovers[path].write_text(text, encoding="utf-8")
            if leftovers:
                os.sync()  # one fsync a file takes a minute for the 15,000 results of an import, this a second
            for path, leftover in leftovers.items():
                leftover.replace(path)
        finally:
            for leftover in leftovers.values():
                leftover.unlink(missing_ok=True)


def _leftover_of(path: Path) -> Path:
    """Where a file lies until it is complete; `sweep_leftovers` knows the name."""
    return path.parent / f".{path.name}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}{_LEFTOVER_SUFFIX}"


@contextmanager
def readable_os_errors(folder: Path) -> Iterator[None]:
    """Turns what the file system refuses while a folder is written into a sentence.

    Raises:
        StoreError: The disk is full, or a file or folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "the disk is full; nothing was kept, free some space and run the command again"
        else:
            reason = f"cannot be written ({error.strerror or error})"
        raise StoreError(reason, path=error.filename or folder) from error


def sweep_leftovers(folder: Path) -> int:
    """Removes what killed writers of this machine left behind below `folder`; returns how many files that were."""
    swept = 0
    here = socket.gethostname()
    for leftover in folder.rglob(f".*{_LEFTOVER_SUFFIX}"):
        host, _, rest = leftover.name.removesuffix(_LEFTOVER_SUFFIX).rpartition(".")[0].rpartition(".")
        if host.endswith(f".{here}") and rest.isdigit() and not _is_running(int(rest)):
            leftover.unlink(missing_ok=True)
            swept += 1
    return swept


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        RecordError: The file is missing, unreadable, or not TOML; the message has the line.
    """
    try:
        return tomllib.loads(_read_text(path))
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, and nesting without end
        raise RecordError(f"is not valid TOML: {error}", path=path) from error


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file that holds an object.

    Raises:
        RecordError: The file is missing, unreadable, or not a JSON object; the message has the line.
    """
    try:
        value = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, and nesting without end
        raise RecordError(f"is not valid JSON: {error}", path=path) from error
    if not isinstance(value, dict):
        raise RecordError(f"holds {type(value).__name__}, expected a JSON object", path=path)
    return value


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RecordError("there is no such file", path=path) from error
    except UnicodeDecodeError as error:
        raise RecordError(f"is not UTF-8 text (byte {error.start})", path=path) from error
    except OSError as error:
        raise RecordError(f"cannot be read ({error.strerror or error})", path=path) from error


def contained(folder: Path, name: str, *, key: str) -> Path:
    """The file `name` of a submission's folder, which may not leave that folder by any way.

    Raises:
        SubmissionError: The name is absolute, climbs out by `..` or a symbolic link, or there is no such file.
    """
    manifest = folder / "submission.toml"
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise SubmissionError(f"{name!r} leaves the submission's folder; name a file inside it", path=manifest, key=key)
    path = folder / name
    try:
        stays, is_file = path.resolve().is_relative_to(folder.resolve()), path.is_file()
    except (OSError, ValueError) as error:  # a name that is too long for the file system, or that holds NUL
        raise SubmissionError(f"{name[:80]!r} can be no file's name ({error})", path=manifest, key=key) from error
    if not stays:
        raise SubmissionError(
            f"{name!r} is a link that leaves the submission's folder; copy the file into it", path=manifest, key=key
        )
    if not is_file:
        raise SubmissionError(f"there is no file {name!r} in {folder}", path=manifest, key=key)
    return path
