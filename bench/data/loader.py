"""From a dataset to ordered uint8 batches, decoded by threads straight into the batch.

Pillow releases the interpreter's lock while it decodes and resizes, so threads are enough: no worker processes, no
copies between them.

Shape letters: N rows (images times views), H height, W width, C = 3 colours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.data.dataset import Dataset, Sample, read_sample
from bench.data.transforms import ViewKind, decode, num_views, view_pixels
from bench.errors import UsageError
from bench.records.protocol import Geometry

__all__ = ["Batch", "iter_batches"]

_LOOK_AHEAD = 2
"""How many batches are decoded ahead of the one in use; more would only cost memory."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Consecutive samples of a dataset."""

    start: int
    """The position of the first sample in the dataset."""
    count: int
    """How many samples."""
    images_NHWC: npt.NDArray[np.uint8]
    """uint8, 0 to 255; count * num_views rows, all views of a sample together. The receiver may keep it."""


def iter_batches(
    dataset: Dataset, geometry: Geometry, *, views: ViewKind = "single", batch_size: int, num_threads: int
) -> Iterator[Batch]:
    """All samples of a dataset in canonical order, each once; the last batch is as short as it comes out.

    Args:
        dataset: The samples.
        geometry: Resize, crop and filter.
        views: How many crops of one image.
        batch_size: Samples a batch, not rows.
        num_threads: How many images are decoded at once.

    Raises:
        DataError: The first sample in canonical order that cannot be read or decoded; nothing takes its place.
        UsageError: `batch_size` or `num_threads` is not positive.
    """
    if batch_size < 1 or num_threads < 1:
        raise UsageError(f"batch size {batch_size} and {num_threads} threads: both must be 1 or more")
    return _iterate(dataset, geometry, views, batch_size, num_threads)


def _iterate(
    dataset: Dataset, geometry: Geometry, views: ViewKind, batch_size: int, num_threads: int
) -> Iterator[Batch]:
    pool = ThreadPoolExecutor(max_workers=num_threads, thread_name_prefix="bench-decode")
    pending: deque[tuple[Batch, list[Future[None]]]] = deque()
    starts = iter(range(0, len(dataset), batch_size))
    try:
        while True:
            while len(pending) <= _LOOK_AHEAD and (start := next(starts, None)) is not None:
                samples = dataset.samples[start : start + batch_size]
                pending.append(_begin(pool, samples, start, geometry, views))
            if not pending:
                return
            batch, futures = pending.popleft()
            for future in futures:  # in order, so that the first bad sample is the one that is named
                future.result()
            yield batch
    finally:
        # Reached on errors, Ctrl-C and when the receiver stops early: only the images in hand are finished.
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(
    pool: ThreadPoolExecutor, samples: tuple[Sample, ...], start: int, geometry: Geometry, views: ViewKind
) -> tuple[Batch, list[Future[None]]]:
    """A batch whose pixels are still to come, and what to wait for."""
    per_sample = num_views(views)
    images_NHWC = np.empty((len(samples) * per_sample, geometry.crop, geometry.crop, 3), dtype=np.uint8)
    futures = [
        pool.submit(_fill, images_NHWC[row * per_sample : (row + 1) * per_sample], sample, geometry, views)
        for row, sample in enumerate(samples)
    ]
    return Batch(start, len(samples), images_NHWC), futures


def _fill(rows_VHWC: npt.NDArray[np.uint8], sample: Sample, geometry: Geometry, views: ViewKind) -> None:
    rows_VHWC[...] = view_pixels(decode(read_sample(sample), sample.shown), geometry, views)
