"""The archive of a submission: a tar that can be made in one way only.

Its first member, `envelope.json`, says who hands in what, and lists every file with its size and sha256; the files
follow in that order, below `files/`. The digest of the archive is the sha256 of the envelope without its signature, so
it is addressed by its content: the same folder, team and phase give the same bytes on any machine.

An archive is read by making it again: the reader knows from the envelope what each header must be, byte for byte, and
refuses the first one that differs. No link, no device, no other name or time can be written in such a tar, nothing is
compressed, and no parser of tar headers sees what a stranger wrote. `tar -tvf` shows it to people all the same.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from bench.challenge.envelope import Envelope, PackedFile
from bench.challenge.tree import opened
from bench.errors import SubmissionError
from bench.files import readable_os_errors, write_atomic

__all__ = ["ENVELOPE_LIMIT_BYTES", "pack", "read_envelope", "unpack"]

ENVELOPE_LIMIT_BYTES = 16 << 20
"""The largest envelope: 10,000 files with long names need 4 MB."""
_ENVELOPE_NAME = "envelope.json"
_BLOCK_BYTES = 512
"""What a tar is counted in."""
_END = bytes(2 * _BLOCK_BYTES)
"""The end of a tar: two blocks of zeros, without the usual padding to 10,240 bytes."""
_CHUNK_BYTES = 1 << 20
_SIZE_FIELD = slice(124, 135)  # eleven octal digits of the header (POSIX.1-1988, ustar)


def pack(folder: Path, envelope: Envelope, path: Path) -> None:
    """Writes the archive of a folder; the whole of it or nothing.

    Args:
        folder: The submission's folder.
        envelope: The signed envelope, with the files of that folder.
        path: The archive.

    Raises:
        SubmissionError: A file changed since the envelope was made.
        StoreError: The archive cannot be written.
    """

    def write(leftover: Path) -> None:
        with leftover.open("wb") as stream:
            content = envelope.to_bytes()
            stream.write(_header(_ENVELOPE_NAME, len(content)) + content + _padding(len(content)))
            for file in envelope.files:
                stream.write(_header_of(file))
                with opened(folder / file.path) as source:
                    _copy(source, file, stream.write, folder / file.path)
                stream.write(_padding(file.num_bytes))
            stream.write(_END)

    write_atomic(path, write)


def read_envelope(stream: IO[bytes], path: Path) -> Envelope:
    """The envelope at the beginning of an archive; the stream stands behind it then.

    Raises:
        RecordError: The envelope is not valid.
        SubmissionError: The file is no archive of `bench submit`, or its envelope is not signed.
    """
    header = stream.read(_BLOCK_BYTES)
    digits = header[_SIZE_FIELD]
    num_bytes = int(digits, 8) if digits.isdigit() and set(digits) <= set(b"01234567") else 0
    if not 0 < num_bytes <= ENVELOPE_LIMIT_BYTES or header != _header(_ENVELOPE_NAME, num_bytes):
        raise SubmissionError(f"is no archive of `bench submit`: it does not begin with {_ENVELOPE_NAME}", path=path)
    content = stream.read(num_bytes)
    _expect(stream, _padding(num_bytes), path, "behind its envelope")
    return Envelope.from_bytes(content, path)


def unpack(path: Path, folder: Path, *, max_bytes: int, max_files: int) -> Envelope:
    """Writes the files of an archive into a new folder, which is removed by the caller.

    Args:
        path: The archive.
        folder: The folder; it must not exist.
        max_bytes: The largest archive that is taken.
        max_files: The most files.

    Raises:
        RecordError: The envelope is not valid.
        SubmissionError: The archive is too large, or differs from what `bench submit` writes.
        StoreError: The folder cannot be written.
    """
    with opened(path, only_name=False) as stream:
        num_bytes = os.fstat(stream.fileno()).st_size
        if num_bytes > max_bytes:
            raise SubmissionError(f"has {num_bytes:,} bytes, at most {max_bytes:,} are taken", path=path)
        envelope = read_envelope(stream, path)
        if len(envelope.files) > max_files:
            raise SubmissionError(f"holds {len(envelope.files):,} files, at most {max_files:,} are taken", path=path)
        with readable_os_errors(folder):
            folder.mkdir(mode=0o700, parents=True)
            for file in envelope.files:
                _expect(stream, _header_of(file), path, f"in the header of {file.path!r}")
                target = folder / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                # In a folder that nobody else writes to and that holds no links, this name leads nowhere else.
                with target.open("xb") as written:
                    _copy(stream, file, written.write, path)
                _expect(stream, _padding(file.num_bytes), path, f"behind {file.path!r}")
        _expect(stream, _END, path, "at its end")
        if stream.read(1):
            raise SubmissionError("goes on behind its end", path=path)
    return envelope


def _copy(source: IO[bytes], file: PackedFile, write: Callable[[bytes], object], path: Path) -> None:
    """Copies one file's content, which must be what the envelope says."""
    left, content = file.num_bytes, hashlib.sha256()
    while left:
        chunk = source.read(min(left, _CHUNK_BYTES))
        if not chunk:
            raise SubmissionError(f"ends within {file.path!r}: it is cut off, or was changed meanwhile", path=path)
        left -= len(chunk)
        content.update(chunk)
        write(chunk)
    if content.hexdigest() != file.sha256:
        raise SubmissionError(f"holds another {file.path!r} than its envelope says", path=path)


def _expect(stream: IO[bytes], wanted: bytes, path: Path, where: str) -> None:
    if stream.read(len(wanted)) != wanted:
        raise SubmissionError(f"differs {where} from what `bench submit` writes, or is cut off", path=path)


def _header_of(file: PackedFile) -> bytes:
    return _header(f"files/{file.path}", file.num_bytes)


def _header(name: str, num_bytes: int) -> bytes:
    """The header of one member in the only form that is allowed: mode 644, no owner, no time."""
    info = tarfile.TarInfo(name)
    info.size = num_bytes
    return info.tobuf(format=tarfile.PAX_FORMAT, encoding="utf-8", errors="strict")


def _padding(num_bytes: int) -> bytes:
    """The zeros that fill the last block of a member."""
    return bytes(-num_bytes % _BLOCK_BYTES)
