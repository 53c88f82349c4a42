"""The files of a crop cache: opened at full length, read and written at any place, checked block by block."""

from __future__ import annotations

import os
from contextlib import suppress
from io import FileIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.data.cache_record import CHECKSUM_BYTES, DATA_FILE, INDEX_FILE, RECORD_FILE, CropsRecord
from bench.errors import RecordError, StoreError
from bench.files import write_atomic

__all__ = ["checksum", "open_files", "read_checksums", "read_fully", "remove_files", "valid_blocks", "write_fully"]


def checksum(block: npt.NDArray[np.uint8], position: int) -> int:
    """The checksum of a block at a position: never 0, which stands for a block that is not there.

    XXH3 of 64 bits (https://xxhash.com) with the position as seed, so that a block in another's place is found too.
    It finds accidents, not forgery; it runs at 42 GB/s where crc32 runs at 3.
    """
    import xxhash

    return xxhash.xxh3_64_intdigest(block.data, seed=position) or 1


def read_checksums(index: FileIO, start: int, stop: int) -> npt.NDArray[np.uint64]:
    """The entries of an index for blocks start to stop, shape (stop - start); 0 beyond its end."""
    checksums_N = np.zeros(stop - start, dtype="<u8")
    read_fully(index, checksums_N.view(np.uint8).data, start * CHECKSUM_BYTES)
    return checksums_N


def valid_blocks(
    blocks_NB: npt.NDArray[np.uint8], checksums_N: npt.NDArray[np.uint64], start: int, num_bytes: int
) -> npt.NDArray[np.bool_]:
    """Which of consecutive blocks are what their checksums say.

    Args:
        blocks_NB: The blocks as they were read, uint8, a row a block.
        checksums_N: Their entries in the index.
        start: The position of the first.
        num_bytes: How many bytes of them were read before the file ended.
    """
    num_whole = num_bytes // blocks_NB.shape[1]
    return np.fromiter(
        (
            row < num_whole and expected == checksum(blocks_NB[row], start + row)
            for row, expected in enumerate(checksums_N.tolist())
        ),
        dtype=np.bool_,
        count=len(blocks_NB),
    )


def open_files(folder: Path, record: CropsRecord) -> tuple[FileIO, FileIO]:
    """Opens data and index at full length, both sparse; for reading only where the folder cannot be written.

    Raises:
        OSError: Neither can be had.
        StoreError: The record cannot be written.
    """
    record_path = folder / RECORD_FILE
    try:
        if _is_record_of(record_path, record.key):
            _mark_used(record_path)
        else:
            write_atomic(record_path, record.to_text())
        data, index = (_open_grown(folder / name, size) for name, size in _sizes(record))
    except (OSError, StoreError):
        if not _is_record_of(record_path, record.key) or not (folder / DATA_FILE).exists():
            raise
        data, index = (FileIO(folder / name, "r") for name, _ in _sizes(record))
    return data, index


def _sizes(record: CropsRecord) -> list[tuple[str, int]]:
    num = record.num_samples
    return [(DATA_FILE, num * record.block_bytes), (INDEX_FILE, num * CHECKSUM_BYTES)]


def _is_record_of(path: Path, key: str) -> bool:
    try:
        return CropsRecord.load(path).key == key
    except RecordError:
        return False


def _mark_used(record_path: Path) -> None:
    with suppress(OSError):  # of another user, say: then its age is not ours to change
        os.utime(record_path)


def _open_grown(path: Path, num_bytes: int) -> FileIO:
    """A file open for reading and writing that has at least so many bytes; it is never made shorter."""
    stream = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+")
    try:
        if os.fstat(stream.fileno()).st_size < num_bytes:
            os.ftruncate(stream.fileno(), num_bytes)
    except OSError:
        stream.close()
        raise
    return stream


def read_fully(stream: FileIO, view: memoryview, offset: int) -> int:
    """Reads from `offset` until the view is full or the file ends; returns how many bytes that were."""
    done = 0
    while done < len(view):
        count = os.preadv(stream.fileno(), [view[done:]], offset + done)
        if count == 0:
            break
        done += count
    return done


def write_fully(stream: FileIO, view: memoryview, offset: int) -> None:
    """Writes the whole view at `offset`; a full disk is an OSError, and part of it may be written."""
    done = 0
    while done < len(view):
        done += os.pwrite(stream.fileno(), view[done:], offset + done)


def remove_files(folder: Path, *patterns: str) -> list[str]:
    """Removes the files of a cache, and its folder where nothing else lies there.

    Args:
        folder: The cache.
        patterns: Names of its files, or patterns of names, in the order in which they go. The record comes last: what
            is left after a kill is still known for what it is.

    Returns:
        The names of the files that stay, because they are not bench's, and the folder with them.

    Raises:
        StoreError: A file cannot be removed.
    """
    try:
        for pattern in patterns:
            for path in list(folder.glob(pattern)):
                path.unlink(missing_ok=True)
        others = sorted(path.name for path in folder.iterdir())
        if not others:
            folder.rmdir()
    except FileNotFoundError:  # another process removed it meanwhile
        return []
    except OSError as error:
        raise StoreError(f"cannot be removed ({error.strerror or error})", path=folder) from error
    return others
