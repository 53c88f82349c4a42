"""Which part of a training image the network sees, and by which filter it is resized."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from PIL import Image

from bench.records.recipe import Augmentation
from bench.training.chance import Chance

__all__ = ["CropBox", "crop_box", "drawn_filter", "square_box"]

_NUM_TRIES = 10
_FILTERS = {
    "bilinear": (Image.Resampling.BILINEAR,),
    "bicubic": (Image.Resampling.BICUBIC,),
    "bilinear-or-bicubic": (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC),
}


class CropBox(NamedTuple):
    """A part of an image, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, as Pillow takes them."""
        return self.left, self.top, self.left + self.width, self.top + self.height


def crop_box(width: int, height: int, augmentation: Augmentation, chance: Chance) -> CropBox:
    """A part of random area and shape (Szegedy et al. 2014, section 6).

    The steps of torchvision's RandomResizedCrop and of timm's RandomResizedCropAndInterpolation: area and aspect ratio
    are drawn up to ten times until the part fits, the ratio evenly on a logarithmic scale; then the centre is taken,
    with the nearest ratio that is allowed.

    Args:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        augmentation: The ranges of area and ratio.
        chance: Where the chance comes from.
    """
    low, high = augmentation.crop_scale
    narrow, wide = augmentation.crop_ratio
    for _ in range(_NUM_TRIES):
        area = width * height * (low + (high - low) * chance.fraction())
        ratio = math.exp(math.log(narrow) + (math.log(wide) - math.log(narrow)) * chance.fraction())
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top = chance.below(height - h + 1)
            return CropBox(chance.below(width - w + 1), top, w, h)
    if width / height < narrow:
        w, h = width, min(height, round(width / narrow))
    elif width / height > wide:
        w, h = min(width, round(height * wide)), height
    else:
        w, h = width, height
    return CropBox((width - w) // 2, (height - h) // 2, w, h)


def square_box(width: int, height: int, side: int, chance: Chance | None) -> CropBox:
    """A square of a fixed side, at a random place (Krizhevsky et al. 2012, section 4.1) or in the middle.

    Args:
        width: Of the image, at least `side` pixels.
        height: Of the image, at least `side` pixels.
        side: Of the square, in pixels.
        chance: Where the chance comes from; None for the middle, its offsets rounded half to even as in
            `bench.data.transforms`.
    """
    if chance is None:
        return CropBox(round((width - side) / 2), round((height - side) / 2), side, side)
    top = chance.below(height - side + 1)
    return CropBox(chance.below(width - side + 1), top, side, side)


def drawn_filter(
    interpolation: Literal["bilinear", "bicubic", "bilinear-or-bicubic"], chance: Chance
) -> Image.Resampling:
    """Pillow's filter of that name; of two, one is drawn."""
    filters = _FILTERS[interpolation]
    return filters[chance.below(len(filters))] if len(filters) > 1 else filters[0]
