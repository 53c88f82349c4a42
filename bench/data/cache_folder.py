"""The crop caches that lie in a cache folder: find, check and remove them; resized images are chosen the same way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from bench.data.cache_files import read_checksums, read_fully, remove_files, valid_blocks, write_fully
from bench.data.cache_record import CHECKSUM_BYTES, DATA_FILE, INDEX_FILE, RECORD_FILE, CropsRecord, crops_folder
from bench.errors import RecordError, StoreError, UsageError

__all__ = ["StoredCrops", "choose_crops", "list_crops", "not_used_for", "remove_crops", "verify_crops"]

_KEY = re.compile(r"^[0-9a-f]{16}$")
_FILES = (RECORD_FILE, DATA_FILE, INDEX_FILE)
_VERIFY_BYTES = 4 << 20
"""How much is read at a time."""


@dataclass(frozen=True, kw_only=True)
class StoredCrops:
    """A crop cache in a cache folder."""

    key: str
    """Its folder's name."""
    folder: Path
    """Where it lies."""
    record: CropsRecord | None
    """What it holds; None where its record cannot be read."""
    num_filled: int
    """How many images are there."""
    disk_bytes: int
    """What it takes of the disk, holes not counted."""
    last_used: datetime
    """When a run last opened it."""


def list_crops(cache_folder: Path) -> list[StoredCrops]:
    """All crop caches of a cache folder, the last used first.

    Raises:
        StoreError: The folder cannot be read.
    """
    root = crops_folder(cache_folder)
    try:
        folders = [path for path in root.iterdir() if _KEY.match(path.name) and _is_ours(path)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"cannot be read ({error.strerror or error})", path=root) from error
    stored = [item for item in map(_stored, folders) if item is not None]
    return sorted(stored, key=lambda item: (item.last_used, item.key), reverse=True)


class Cache(Protocol):
    """What a cache folder holds: crops, or resized images."""

    @property
    def key(self) -> str:
        """Its folder's name."""
        ...

    @property
    def last_used(self) -> datetime:
        """When a run last opened it."""
        ...


C = TypeVar("C", bound=Cache)


def choose_crops(stored: Sequence[C], keys: Iterable[str]) -> list[C]:
    """Those that the keys, or first digits of keys, name; all of them where there are no keys.

    Raises:
        UsageError: A key names none, or several.
    """
    wanted = list(dict.fromkeys(keys))
    if not wanted:
        return list(stored)
    chosen: list[C] = []
    for key in wanted:
        found = [item for item in stored if item.key.startswith(key)]
        if len(found) != 1:
            shown = ", ".join(item.key for item in (found or stored)) or "there are none"
            raise UsageError(f"{len(found) or 'no'} caches begin with {key!r}; known: {shown}")
        chosen += [item for item in found if item not in chosen]
    return chosen


def not_used_for(stored: Iterable[C], days: float, now: datetime) -> list[C]:
    """Those that no run has opened for so many days."""
    return [item for item in stored if now - item.last_used > timedelta(days=days)]


def verify_crops(
    stored: StoredCrops, *, repair: bool = False, on_progress: Callable[[int], None] | None = None
) -> list[int]:
    """Reads all blocks of a crop cache and compares their checksums.

    Args:
        stored: The cache.
        repair: Forget the damaged blocks, so that the next run decodes them again.
        on_progress: Takes how many more blocks are done.

    Returns:
        The positions, in canonical order, of the images whose blocks are damaged.

    Raises:
        StoreError: The record or a file cannot be read, or not be written for a repair.
    """
    record = stored.record
    if record is None:
        raise StoreError("holds no valid record; remove this cache with `bench data cache prune`", path=stored.folder)
    try:
        with (
            FileIO(stored.folder / DATA_FILE) as data,
            FileIO(stored.folder / INDEX_FILE, "r+" if repair else "r") as index,
        ):
            damaged: list[int] = []
            for start, stop in _spans(record):
                damaged += _damaged(record, data, index, start, stop)
                if on_progress is not None:
                    on_progress(stop - start)
            for position in damaged if repair else ():
                write_fully(index, memoryview(bytes(CHECKSUM_BYTES)), position * CHECKSUM_BYTES)
    except OSError as error:
        raise StoreError(f"cannot be checked ({error.strerror or error})", path=stored.folder) from error
    return damaged


def _spans(record: CropsRecord) -> Iterator[tuple[int, int]]:
    num_blocks = max(1, _VERIFY_BYTES // record.block_bytes)
    for start in range(0, record.num_samples, num_blocks):
        yield start, min(start + num_blocks, record.num_samples)


def _damaged(record: CropsRecord, data: FileIO, index: FileIO, start: int, stop: int) -> list[int]:
    # The index first: a block that is being written meanwhile is whole by the time that it is read.
    checksums_N = read_checksums(index, start, stop)
    blocks_NB = np.empty((stop - start, record.block_bytes), dtype=np.uint8)
    num_bytes = read_fully(data, blocks_NB.reshape(-1).data, start * record.block_bytes)
    valid_N = valid_blocks(blocks_NB, checksums_N, start, num_bytes)
    damaged: list[int] = (start + np.flatnonzero(~valid_N & (checksums_N != 0))).tolist()
    return damaged


def remove_crops(stored: StoredCrops) -> list[str]:
    """Removes the files of a crop cache; a run that has it open goes on, and keeps nothing.

    Returns:
        The names of files in its folder that are not bench's: they stay, and the folder with them.

    Raises:
        StoreError: A file cannot be removed.
    """
    return remove_files(stored.folder, DATA_FILE, INDEX_FILE, f".{RECORD_FILE}.*.tmp", RECORD_FILE)


def _is_ours(folder: Path) -> bool:
    """A folder, and no link to one, that holds a file of a crop cache."""
    return not folder.is_symlink() and folder.is_dir() and any((folder / name).is_file() for name in _FILES)


def _stored(folder: Path) -> StoredCrops | None:
    try:
        record = CropsRecord.load(folder / RECORD_FILE)
    except RecordError:
        record = None
    try:
        stats = {name: (folder / name).stat() for name in _FILES if (folder / name).is_file()}
        num_filled = 0 if record is None else _num_filled(folder / INDEX_FILE, record)
    except FileNotFoundError:  # removed meanwhile
        return None
    return StoredCrops(
        key=folder.name,
        folder=folder,
        record=record,
        num_filled=num_filled,
        disk_bytes=sum(512 * stat.st_blocks for stat in stats.values()),
        last_used=datetime.fromtimestamp(max(stat.st_mtime for stat in stats.values()), UTC),
    )


def _num_filled(path: Path, record: CropsRecord) -> int:
    with FileIO(path) as index:
        return int(np.count_nonzero(read_checksums(index, 0, record.num_samples)))
