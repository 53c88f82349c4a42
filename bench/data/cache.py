"""The decoded cache: an image is decoded once, every later model reads its pixels at the speed of memory.

A block is one image: the square that its views are cut from, with an 8-byte checksum that also says that it is there.
So any batch size and any order of filling go together, and a kill loses no more than the images in hand.

No locks are needed: a block is written before its checksum, processes that fill the same block write the same bytes,
and every read is checked. Files are written by `pwrite` and read by `preadv`, not mapped: a mapped page of a disk that
is full, or of a file that somebody cut off, would end the process with SIGBUS instead of an error (mapping would save
about 4 of 12 microseconds an image of 224 pixels).

Shape letters: N blocks, S the side of a square, C = 3 colours.
"""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from bench.data.cache_files import checksum, open_files, read_checksums, read_fully, valid_blocks, write_fully
from bench.data.cache_record import CHECKSUM_BYTES, CropsRecord, crops_folder
from bench.data.dataset import Dataset
from bench.data.transforms import ViewKind
from bench.errors import StoreError
from bench.records.protocol import Geometry

__all__ = ["MARGIN_BYTES", "CropCache", "open_crops"]

MARGIN_BYTES = 256 << 20
"""What must stay free on the disk beside a filled cache: results, predictions, and everybody else."""

Note = Callable[[str], None]
"""Takes a sentence for the user; it may be called from any thread."""


def open_crops(
    cache_folder: Path, dataset: Dataset, dataset_digest: str, geometry: Geometry, views: ViewKind, *, on_note: Note
) -> CropCache | None:
    """The crop cache of a dataset under a geometry, begun where there is none.

    Args:
        cache_folder: The folder of all caches.
        dataset: The images.
        dataset_digest: Their digest, from `bench.data.contents.dataset_digest`.
        geometry: Resize, crop and filter.
        views: How many crops of one image.
        on_note: Takes each sentence that the user should read.

    Returns:
        The cache, to be closed; None, after a sentence, where there is no room for it or no way to write it.

    Raises:
        DataError: The views cannot be cut with this geometry.
    """
    record = CropsRecord.of(dataset, dataset_digest, geometry, views, datetime.now(UTC))
    folder = crops_folder(cache_folder) / record.key
    try:
        data, index = open_files(folder, record)
        cache = CropCache(folder, record, dataset.sample_ids, data, index, on_note=on_note)
        missing_bytes = cache.num_missing * record.block_bytes
        free_bytes = shutil.disk_usage(folder).free
    except (OSError, StoreError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.message
        on_note(
            f"No crop cache: {folder} cannot be used ({reason or error}); the images are decoded for this run only."
        )
        return None
    if cache.is_writable and missing_bytes and free_bytes < missing_bytes + MARGIN_BYTES:
        cache.close()
        on_note(
            f"No crop cache: {_gb(missing_bytes)} more are needed in {cache_folder} with {_gb(MARGIN_BYTES)} to spare, "
            f"and {_gb(free_bytes)} are free; the images are decoded for this run only. Free some space "
            "(`bench data cache prune`) or name another folder with --cache-dir."
        )
        return None
    return cache


class CropCache:
    """The squares of a dataset's images, filled in any order by any number of threads and processes.

    Args:
        folder: Where it lies.
        record: What it holds.
        sample_ids: The images, by which messages name them.
        data: The open `crops.u8`, unbuffered.
        index: The open `blocks.idx`, unbuffered.
        on_note: Takes each sentence that the user should read.
    """

    def __init__(
        self,
        folder: Path,
        record: CropsRecord,
        sample_ids: Sequence[str],
        data: FileIO,
        index: FileIO,
        *,
        on_note: Note,
    ) -> None:
        self.folder = folder
        self.record = record
        self.num_read = 0
        """Blocks that came from the cache in this process."""
        self.num_stored = 0
        """Blocks that this process wrote."""
        self._sample_ids = sample_ids
        # File objects and not bare descriptors: a closed one raises, where a reused number would be another file.
        self._data, self._index = data, index
        self._on_note = on_note
        self._lock = threading.Lock()
        self._damaged: set[int] = set()
        self._can_read, self._can_write = True, data.writable()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_writable(self) -> bool:
        """New blocks are kept: the folder can be written, and no write has failed."""
        return self._can_write

    @property
    def num_missing(self) -> int:
        """How many blocks are not there yet."""
        return self.record.num_samples - int(self.filled(0, self.record.num_samples).sum())

    def filled(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        """Which of the blocks are there, by this or any other process; shape (stop - start)."""
        filled_N: npt.NDArray[np.bool_] = self._checksums(start, stop) != 0
        return filled_N

    def read(self, start: int, blocks_NSSC: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Reads consecutive blocks and checks each of them.

        Args:
            start: The position of the first block.
            blocks_NSSC: Takes the pixels, uint8, contiguous; a block that is not valid holds anything afterwards.

        Returns:
            Which blocks are valid, shape (N); a damaged one is remembered and told at the end of the pass.
        """
        num_blocks, block_bytes = len(blocks_NSSC), self.record.block_bytes
        checksums_N = self._checksums(start, start + num_blocks)
        flat_NB = blocks_NSSC.reshape(num_blocks, block_bytes)
        try:
            num_bytes = read_fully(self._data, flat_NB.reshape(-1).data, start * block_bytes)
        except OSError as error:
            self._switch_off(error, reading=True)
            return np.zeros(num_blocks, dtype=np.bool_)
        valid_N = valid_blocks(flat_NB, checksums_N, start, num_bytes)
        with self._lock:
            self.num_read += int(valid_N.sum())
            self._damaged.update((start + np.flatnonzero(~valid_N & (checksums_N != 0))).tolist())
        return valid_N

    def store(self, position: int, block_SSC: npt.NDArray[np.uint8]) -> None:
        """Keeps one block; where the disk refuses it, says so once and writes no more.

        Args:
            position: Which image.
            block_SSC: Its square, uint8, contiguous.
        """
        if not self._can_write:
            return
        entry = checksum(block_SSC, position).to_bytes(CHECKSUM_BYTES, "little")
        try:
            write_fully(self._data, block_SSC.reshape(-1).data, position * self.record.block_bytes)
            # After its data: a kill in between leaves a block that is not there.
            write_fully(self._index, memoryview(entry), position * CHECKSUM_BYTES)
        except OSError as error:
            self._switch_off(error, reading=False)
            return
        with self._lock:
            self.num_stored += 1

    def report_damage(self) -> None:
        """Says, once for each pass, which blocks failed their checksum since the last report."""
        with self._lock:
            damaged, self._damaged = sorted(self._damaged), set()
        if not damaged:
            return
        shown = ", ".join(self._sample_ids[position] for position in damaged[:3]) + (
            ", ..." if len(damaged) > 3 else ""
        )
        mended = "and mended" if self._can_write else "but cannot be mended in a cache that cannot be written"
        self._on_note(
            f"The crop cache {self.record.key} was damaged: {len(damaged):,} of {self.record.num_samples:,} images "
            f"failed their checksum, were decoded again {mended}: {shown}."
        )

    def close(self) -> None:
        """Closes the files; the cache cannot be used afterwards."""
        self.report_damage()
        self._can_write = False
        for stream in (self._data, self._index):
            # Some network disks tell only now that a write failed; the checksums will find what is missing.
            with suppress(OSError):
                stream.close()

    def _checksums(self, start: int, stop: int) -> npt.NDArray[np.uint64]:
        """The index's entries, fresh, for other processes write them too; 0 beyond its end and after a read error."""
        if self._can_read:
            try:
                return read_checksums(self._index, start, stop)
            except OSError as error:
                self._switch_off(error, reading=True)
        return np.zeros(stop - start, dtype=np.uint64)

    def _switch_off(self, error: OSError, *, reading: bool) -> None:
        with self._lock:
            if reading:
                was_on, self._can_read, self._can_write = self._can_read, False, False
            else:
                was_on, self._can_write = self._can_write, False
        if not was_on:
            return
        if reading:
            reason, rest = f"cannot be read ({error.strerror or error})", "goes on without it"
        elif error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason, rest = "cannot grow: the disk is full", "goes on, and what is cached already is still used"
        else:
            reason = f"cannot be written ({error.strerror or error})"
            rest = "goes on, and what is cached already is still used"
        self._on_note(f"The crop cache in {self.folder} {reason}; the evaluation {rest}.")


def _gb(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB"
