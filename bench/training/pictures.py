"""The decoded images that a training crops from: decoded at each draw, or once and kept in memory or on the disk.

Shape letters: N images.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from bench.data.dataset import Dataset, read_sample
from bench.data.resized import ResizedImages
from bench.data.transforms import decode, identify, resized, resized_size
from bench.errors import DataError, UsageError
from bench.records.protocol import Geometry
from bench.records.recipe import Augmentation

__all__ = ["Pictures"]

_MEMORY_LIMIT_BYTES = 2 << 30
"""Images that need less are decoded once and kept."""
_BYTES_A_PIXEL = 4
"""Pillow keeps RGB in words of four bytes."""
_NUM_MEASURED = 32
"""How many headers are read to estimate how much memory all images need."""


class Pictures:
    """The images of a dataset, as the recipe wants them before the crop.

    Args:
        dataset: The training images.
        geometry: What `crop_from = "resized"` resizes to.
        augmentation: Whether it crops from the original image or from the resized one.
        side: Of the square that is cropped, in pixels.
        stored: The resized images where they are kept as pixels; they are those that decoding gives.

    Raises:
        UsageError: Squares of a fixed size do not fit into the resized images.
    """

    def __init__(
        self,
        dataset: Dataset,
        geometry: Geometry,
        augmentation: Augmentation,
        side: int,
        stored: ResizedImages | None = None,
    ) -> None:
        if augmentation.crop != "random-resized" and geometry.resize < side:
            raise UsageError(
                f"the recipe crops squares of {side} pixels, but its geometry resizes images to {geometry.resize}"
            )
        self._dataset = dataset
        self._geometry = geometry if augmentation.crop_from == "resized" else None
        self._stored = stored if augmentation.crop_from == "resized" else None
        self._kept: list[Image.Image | DataError] = []

    def image(self, position: int) -> Image.Image:
        """The RGB image of a sample; may be called from many threads, and is never written to.

        Raises:
            DataError: It cannot be read or decoded.
        """
        if not self._kept:
            return self._decoded(position)
        kept = self._kept[position]
        if isinstance(kept, DataError):
            raise kept
        return kept

    def keep(self, num_threads: int, *, skip_corrupt: bool, on_progress: Callable[[int], None] | None = None) -> None:
        """Decodes all images where they fit in memory; a second call does nothing.

        Args:
            num_threads: How many are decoded at once.
            skip_corrupt: An image that cannot be decoded is an error when it is drawn, not at once.
            on_progress: Takes how many more images are done, all of them in the end.

        Raises:
            DataError: An image cannot be decoded, and `skip_corrupt` is off.
        """
        if self._kept or self._needed_bytes() > _MEMORY_LIMIT_BYTES:
            if on_progress is not None:
                on_progress(len(self._dataset))
            return

        def attempt(position: int) -> Image.Image | DataError:
            try:
                return self._decoded(position)
            except DataError as error:
                if not skip_corrupt:
                    raise
                return error

        pool = ThreadPoolExecutor(num_threads, thread_name_prefix="bench-decode")
        kept = []
        try:
            for image in pool.map(attempt, range(len(self._dataset))):
                kept.append(image)
                if on_progress is not None:
                    on_progress(1)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        self._kept = kept

    def _decoded(self, position: int) -> Image.Image:
        if self._stored is not None and (image := self._stored.image(position)) is not None:
            return image
        sample = self._dataset.samples[position]
        image = decode(read_sample(sample), sample.shown)
        return image if self._geometry is None else resized(image, self._geometry)

    def _needed_bytes(self) -> float:
        """An estimate from the headers of a few images all over the dataset."""
        step = max(1, len(self._dataset) // _NUM_MEASURED)
        areas = []
        for sample in itertools.islice(self._dataset.samples, 0, None, step):
            try:
                size = identify(read_sample(sample), sample.shown).size
            except DataError:  # told when it is drawn
                continue
            width, height = size if self._geometry is None else resized_size(size, self._geometry)
            areas.append(width * height)
        return sum(areas) / max(1, len(areas)) * len(self._dataset) * _BYTES_A_PIXEL
