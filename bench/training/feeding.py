"""From training images to shuffled, randomly cropped and mirrored uint8 batches.

The chance of each image belongs to (seed, epoch, sample id): the batches depend on nothing else, not on the number of
threads and not on what was drawn before, so an epoch can be repeated or continued anywhere.

Shape letters: N images, H height, W width, C = 3 colours.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.data.dataset import Dataset, Sample, read_sample
from bench.data.dice import Dice
from bench.data.transforms import decode
from bench.records.protocol import Augmentation, Geometry, Protocol

__all__ = ["CropBox", "TrainingBatch", "TrainingImages", "crop_box"]

_MEMORY_LIMIT_BYTES = 2 << 30
"""Images that need less are decoded once and kept."""
_LOOK_AHEAD = 2
_NUM_TRIES = 10


class CropBox(NamedTuple):
    """A part of an image, in pixels."""

    left: int
    top: int
    width: int
    height: int


class TrainingBatch(NamedTuple):
    """What one optimizer step sees."""

    images_NHWC: npt.NDArray[np.uint8]
    """uint8, 0 to 255, (N, crop, crop, 3)."""
    labels_N: npt.NDArray[np.int64]
    """Class indices, int64."""


class TrainingImages:
    """The images of a dataset, resized once to the shorter side of the geometry, and kept where they fit in memory.

    Args:
        dataset: The training images.
        protocol: Its geometry and its recipe.
        num_threads: How many images are decoded, and how many batches are cropped, at once.
    """

    def __init__(self, dataset: Dataset, protocol: Protocol, num_threads: int) -> None:
        assert protocol.geometry is not None, "kind 'train' has a geometry"  # noqa: S101 - checked by the record
        assert protocol.recipe is not None, "kind 'train' has a recipe"  # noqa: S101 - checked by the record
        self._dataset = dataset
        self._geometry: Geometry = protocol.geometry
        self._recipe = protocol.recipe
        self._num_threads = num_threads
        side = protocol.geometry.resize
        # 4 to 3 is the usual shape of a photograph.
        self.fits = len(dataset) * side * side * 3 * 4 // 3 <= _MEMORY_LIMIT_BYTES
        self._kept: list[Image.Image] = []

    def __len__(self) -> int:
        return len(self._dataset)

    def prepare(self, on_progress: Callable[[int], None] | None = None) -> None:
        """Decodes the images that are kept.

        Args:
            on_progress: Takes how many more images are done.

        Raises:
            DataError: An image cannot be read or decoded.
        """
        if not self.fits or self._kept:
            return
        pool = ThreadPoolExecutor(self._num_threads, thread_name_prefix="bench-decode")
        kept = []
        try:
            for image in pool.map(self._decoded, self._dataset.samples):
                kept.append(image)
                if on_progress is not None:
                    on_progress(1)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        self._kept = kept

    def epoch(self, epoch: int, steps: int) -> Iterator[TrainingBatch]:
        """The batches of one pass, in the order of (seed, epoch).

        Args:
            epoch: The number of the pass, from 0.
            steps: How many batches.

        Raises:
            DataError: An image cannot be read or decoded.
        """
        size, seed = self._recipe.batch_size, self._recipe.seed
        order = Dice(f"{seed}/{epoch}/order").order(len(self._dataset))
        batches = iter([order[step * size : (step + 1) * size] for step in range(steps)])
        pool = ThreadPoolExecutor(self._num_threads, thread_name_prefix="bench-crop")
        pending: deque[Future[TrainingBatch]] = deque()
        try:
            while True:
                while len(pending) < self._num_threads + _LOOK_AHEAD and (batch := next(batches, None)) is not None:
                    pending.append(pool.submit(self._batch, batch.tolist(), epoch))
                if not pending:
                    return
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _decoded(self, sample: Sample) -> Image.Image:
        """The image, its shorter side as the geometry says."""
        image = decode(read_sample(sample), sample.shown)
        scale = self._geometry.resize / min(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        return image.resize(size, Image.Resampling.BILINEAR)

    def _batch(self, positions: list[int], epoch: int) -> TrainingBatch:
        crop = self._geometry.crop
        images_NHWC = np.empty((len(positions), crop, crop, 3), dtype=np.uint8)
        for row, position in enumerate(positions):
            sample = self._dataset.samples[position]
            image = self._kept[position] if self._kept else self._decoded(sample)
            dice = Dice(f"{self._recipe.seed}/{epoch}/{sample.id}")
            images_NHWC[row] = _augmented(image, crop, self._recipe.augmentation, dice)
        return TrainingBatch(images_NHWC, self._dataset.labels_N[positions])


def _augmented(image: Image.Image, crop: int, augmentation: Augmentation, dice: Dice) -> npt.NDArray[np.uint8]:
    left, top, width, height = crop_box(*image.size, augmentation, dice)
    box = (left, top, left + width, top + height)
    pixels_HWC = np.asarray(image.resize((crop, crop), Image.Resampling.BILINEAR, box=box))
    return pixels_HWC[:, ::-1] if dice.fraction() < augmentation.horizontal_flip else pixels_HWC


def crop_box(width: int, height: int, augmentation: Augmentation, dice: Dice) -> CropBox:
    """A random part of an image (Szegedy et al. 2014, section 6; the steps of torchvision's RandomResizedCrop).

    Area and aspect ratio are drawn up to ten times until the part fits, the ratio evenly on a logarithmic scale;
    then the centre is taken, with the nearest ratio that is allowed.

    Args:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        augmentation: The ranges of area and ratio.
        dice: Where the chance comes from.
    """
    low, high = augmentation.crop_scale
    narrow, wide = augmentation.crop_ratio
    for _ in range(_NUM_TRIES):
        area = width * height * (low + (high - low) * dice.fraction())
        ratio = math.exp(math.log(narrow) + (math.log(wide) - math.log(narrow)) * dice.fraction())
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return CropBox(dice.below(width - w + 1), dice.below(height - h + 1), w, h)
    if width / height < narrow:
        w, h = width, min(height, round(width / narrow))
    elif width / height > wide:
        w, h = min(width, round(height * wide)), height
    else:
        w, h = width, height
    return CropBox((width - w) // 2, (height - h) // 2, w, h)
