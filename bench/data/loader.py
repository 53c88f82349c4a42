"""From a dataset to ordered uint8 batches, decoded by threads straight into the batch, or read from the crop cache.

Pillow releases the interpreter's lock while it decodes and resizes, so threads are enough: no worker processes, no
copies between them. The same threads read the cache, ahead of the model.

An image is resized whole and cropped afterwards. Resizing only the region that the crop keeps took a tenth off the time
of an image, but gives other bytes: Pillow takes the region's corners as 32-bit floats, which moves its coefficients (19
of 20 photographs differ, by one level in 0.1% of their bytes). Where the corners are exact it may still choose another
order of its two passes for the smaller output (5 of 150 photographs differ, all enlarged). Cutting between the two
passes is mostly equal, and saves nothing that can be measured.

Shape letters: N rows (images times views), V views, H height, W width, S side of the uncut square, C = 3 colours.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.data.cache import CropCache
from bench.data.dataset import Dataset, read_sample
from bench.data.transforms import ViewKind, cut_views, decode, num_views, uncut_pixels, uncut_side
from bench.errors import UsageError
from bench.records.protocol import Geometry

__all__ = ["Allocate", "Batch", "batches_a_turn", "iter_batches"]

_MAX_AHEAD = 2
_MAX_AHEAD_BYTES = 256 << 20
"""How many batches, and how many bytes of them, wait for the receiver; more would only cost memory."""
_IMAGES_A_THREAD = 2
"""How many images ahead each thread needs so that none is idle, where batches are small."""
_MAX_READ_BYTES = 4 << 20
"""How much of a batch one thread reads at a time, so that several share a large batch."""

_TURN_BYTES = 64 << 20
"""How many bytes of batches are made in one turn, where decoding and computing take turns."""

Allocate = Callable[[tuple[int, ...]], npt.NDArray[np.uint8]]
"""Gives the memory of a batch of some shape: uint8, contiguous, its content of no matter."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples of a dataset that follow each other in a pass over it."""

    start: int
    """The position of the first sample in the dataset; in another order, how many samples came before."""
    count: int
    """How many samples."""
    images_NHWC: npt.NDArray[np.uint8]
    """uint8, 0 to 255; count * num_views rows, all views of a sample together. The receiver may keep it."""
    positions_N: npt.NDArray[np.int64] | None = None
    """Where the samples stand in the dataset, when they come in another order; None for start to start + count."""

    @property
    def where_N(self) -> npt.NDArray[np.int64]:
        """Where the samples stand in the dataset, int64 (N)."""
        return np.arange(self.start, self.start + self.count) if self.positions_N is None else self.positions_N


def iter_batches(
    dataset: Dataset,
    geometry: Geometry,
    *,
    views: ViewKind = "single",
    batch_size: int,
    num_threads: int,
    cache: CropCache | None = None,
    allocate: Allocate | None = None,
    turn: int | None = None,
    positions: range | npt.NDArray[np.int64] | None = None,
) -> Generator[Batch]:
    """All samples of a dataset in canonical order, or those that are asked for in theirs; the last batch may be short.

    The pixels are the same bytes with and without a cache, for any number of threads and any batch size.

    Args:
        dataset: The samples.
        geometry: Resize, crop and filter.
        views: How many crops of one image.
        batch_size: Samples a batch, not rows.
        num_threads: How many images are decoded at once.
        cache: The crop cache of this dataset, geometry and views: what it has is read, the rest is put into it.
        allocate: Where batches get their memory, such as pinned buffers; None for ordinary memory.
        turn: Where the receiver computes on the very cores that decode: so many batches are made with all threads,
            and then none until the receiver has taken them; see `batches_a_turn`. None decodes all the time, beside a
            receiver whose work is elsewhere.
        positions: Only these consecutive samples, where several processes share a dataset; or these samples in this
            order; None for all.

    Raises:
        DataError: The first sample in that order that cannot be read or decoded; nothing takes its place.
        UsageError: `batch_size` or `num_threads` is not positive.
    """
    if batch_size < 1 or num_threads < 1:
        raise UsageError(f"batch size {batch_size} and {num_threads} threads: both must be 1 or more")
    if cache is not None:
        _check_belongs(cache, dataset, geometry, views)
    filler = _Filler(dataset, geometry, views, cache)
    wanted = range(len(dataset)) if positions is None else positions
    return _iterate(filler, wanted, batch_size, num_threads, allocate or _ordinary_memory, turn)


def batches_a_turn(geometry: Geometry, views: ViewKind, batch_size: int) -> int:
    """How many batches decoding makes in one turn: enough to keep all threads busy, few enough for the memory."""
    return max(1, _TURN_BYTES // (batch_size * num_views(views) * geometry.crop**2 * 3))


def _iterate(
    filler: _Filler,
    positions: range | npt.NDArray[np.int64],
    batch_size: int,
    num_threads: int,
    allocate: Allocate,
    turn: int | None,
) -> Generator[Batch]:
    pool = ThreadPoolExecutor(max_workers=num_threads, thread_name_prefix="bench-decode")
    pending: deque[tuple[Batch, list[Future[None]]]] = deque()
    starts = iter(range(0, len(positions), batch_size))
    most_ahead = turn - 1 if turn else _num_ahead(filler, min(batch_size, len(positions)), num_threads)
    try:
        while True:
            if not (turn and pending):
                while len(pending) <= most_ahead and (start := next(starts, None)) is not None:
                    pending.append(_begin(pool, filler, start, positions[start : start + batch_size], allocate))
                if turn:
                    wait(future for _, futures in pending for future in futures)
            if not pending:
                return
            batch, futures = pending.popleft()
            for future in futures:  # in order, so that the first bad sample is the one that is named
                future.result()
            del futures
            yield batch
            # The batch's memory is the receiver's alone: held here, it would be one batch more.
            del batch
    finally:
        # Reached on errors, Ctrl-C and when the receiver stops early: only the images in hand are finished.
        filler.stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)
        if filler.cache is not None:
            filler.cache.report_damage()


def _begin(
    pool: ThreadPoolExecutor,
    filler: _Filler,
    start: int,
    positions: range | npt.NDArray[np.int64],
    allocate: Allocate,
) -> tuple[Batch, list[Future[None]]]:
    """A batch whose pixels are still to come, and what to wait for, in order."""
    per_sample, crop = num_views(filler.views), filler.geometry.crop
    images_NHWC = allocate((len(positions) * per_sample, crop, crop, 3))
    futures: list[Future[None]] = []
    row = 0
    for piece in filler.pieces(positions):
        num_rows = (piece.stop - piece.start) * per_sample
        futures.append(pool.submit(filler.fill, images_NHWC[row : row + num_rows], piece))
        row += num_rows
    if isinstance(positions, range):
        return Batch(positions.start, len(positions), images_NHWC), futures
    return Batch(start, len(positions), images_NHWC, positions), futures


class _Piece(NamedTuple):
    """What one thread does at a time."""

    start: int
    stop: int
    is_cached: bool


@dataclass(frozen=True, eq=False)
class _Filler:
    """Fills rows of a batch from the cache or from the files."""

    dataset: Dataset
    geometry: Geometry
    views: ViewKind
    cache: CropCache | None
    stopped: threading.Event = field(default_factory=threading.Event)
    """Nobody waits for the pixels any more."""

    def pieces(self, positions: range | npt.NDArray[np.int64]) -> list[_Piece]:
        """Positions in order: runs of cached images, and every other image alone."""
        if self.cache is None:
            return [_Piece(int(position), int(position) + 1, False) for position in positions]
        if not isinstance(positions, range):  # neighbours in another order lie apart in the cache
            return [
                _Piece(position, position + 1, bool(self.cache.filled(position, position + 1)[0]))
                for position in positions.tolist()
            ]
        start, stop = positions.start, positions.stop
        longest = max(1, _MAX_READ_BYTES // self.cache.record.block_bytes)
        pieces: list[_Piece] = []
        for position, is_cached in enumerate(self.cache.filled(start, stop).tolist(), start):
            last = pieces[-1] if pieces else None
            if last is not None and is_cached and last.is_cached and position - last.start < longest:
                pieces[-1] = last._replace(stop=position + 1)
            else:
                pieces.append(_Piece(position, position + 1, is_cached))
        return pieces

    def fill(self, rows_NHWC: npt.NDArray[np.uint8], piece: _Piece) -> None:
        """Fills the rows of a piece.

        Raises:
            DataError: A file cannot be read or decoded.
        """
        per_sample = num_views(self.views)
        rows_MVHWC = rows_NHWC.reshape(piece.stop - piece.start, per_sample, *rows_NHWC.shape[1:])
        if not piece.is_cached or self.cache is None:
            self._decode(rows_MVHWC[0], piece.start)
            return
        if self.views == "single":
            squares_MSSC = rows_NHWC
        else:
            side = self.cache.record.side
            squares_MSSC = np.empty((piece.stop - piece.start, side, side, 3), dtype=np.uint8)
        for row, is_valid in enumerate(self.cache.read(piece.start, squares_MSSC).tolist()):
            if not is_valid:
                self._decode(rows_MVHWC[row], piece.start + row)
            elif self.views != "single":
                cut_views(squares_MSSC[row], self.geometry, self.views, rows_MVHWC[row])

    def _decode(self, rows_VHWC: npt.NDArray[np.uint8], position: int) -> None:
        if self.stopped.is_set():
            raise CancelledError
        sample = self.dataset.samples[position]
        square_SSC = uncut_pixels(decode(read_sample(sample), sample.shown), self.geometry, self.views)
        cut_views(square_SSC, self.geometry, self.views, rows_VHWC)
        if self.cache is not None:
            self.cache.store(position, square_SSC)


def _num_ahead(filler: _Filler, batch_size: int, num_threads: int) -> int:
    """How many batches are made while the receiver has one: enough for the threads, at least 1, bounded in memory."""
    batch_bytes = batch_size * num_views(filler.views) * filler.geometry.crop**2 * 3
    wanted = max(_MAX_AHEAD, math.ceil(_IMAGES_A_THREAD * num_threads / batch_size))
    return max(1, min(wanted, _MAX_AHEAD_BYTES // batch_bytes))


def _check_belongs(cache: CropCache, dataset: Dataset, geometry: Geometry, views: ViewKind) -> None:
    record = cache.record
    found = (record.num_samples, record.geometry, record.views, record.side)
    wanted = (len(dataset), geometry, views, uncut_side(geometry, views))
    assert found == wanted, f"the crop cache is of {found}, not {wanted}"  # noqa: S101 - our own invariant


def _ordinary_memory(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    # Fresh each time: large arrays come in huge pages, which measured faster than keeping and reusing buffers.
    return np.empty(shape, dtype=np.uint8)
