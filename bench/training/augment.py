"""From a decoded image to the uint8 square that the network sees, everything about it drawn.

All of it works on Pillow images and uint8, as both libraries do it; a crop is cut out before it is resized, as they do
it (Pillow's `resize(box=...)` is one call for both, but lets pixels from beyond the crop into its border: every one of
300 photographs differed). Normalising, erasing and mixing happen on the device.

Shape letters: H height, W width, C = 3 colours.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.records.recipe import Augmentation
from bench.training.chance import Chance
from bench.training.crops import CropBox, crop_box, drawn_filter, square_box
from bench.training.pca_noise import add_pca_noise
from bench.training.randaugment import randaugment
from bench.training.trivialaugment import colour_jitter, trivialaugment

__all__ = ["augment"]


def augment(image: Image.Image, augmentation: Augmentation, side: int, chance: Chance) -> npt.NDArray[np.uint8]:
    """The pixels of one draw of an image, in the order of the recipe's keys.

    Args:
        image: RGB: the whole photograph, or the resized one, as `crop_from` says.
        augmentation: What is drawn.
        side: Of the square, in pixels.
        chance: Where the chance comes from.

    Returns:
        uint8 (H, W, C), H = W = side, 0 to 255.
    """
    image = _cropped(image, augmentation, side, chance)
    if chance.fraction() < augmentation.horizontal_flip:
        # Pillow's mirror, not numpy's view: copying that into the batch takes a tenth of an image's whole time.
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if augmentation.auto == "randaugment":
        image = randaugment(image, augmentation, chance)
    elif augmentation.auto == "trivialaugment":
        image = trivialaugment(image, drawn_filter(augmentation.interpolation, chance), chance)
    if any(augmentation.colour_jitter):
        image = colour_jitter(image, augmentation.colour_jitter, chance)
    pixels_HWC = np.asarray(image)
    if augmentation.pca_noise > 0:
        normals_K = (chance.normal(), chance.normal(), chance.normal())
        return add_pca_noise(pixels_HWC, normals_K, augmentation.pca_noise)
    return pixels_HWC


def _cropped(image: Image.Image, augmentation: Augmentation, side: int, chance: Chance) -> Image.Image:
    if augmentation.crop != "random-resized":
        box = square_box(*image.size, side, chance if augmentation.crop == "random" else None)
        return image.crop(box.corners)
    box = crop_box(*image.size, augmentation, chance)
    resample = drawn_filter(augmentation.interpolation, chance)
    part = image if box == CropBox(0, 0, *image.size) else image.crop(box.corners)
    return part.resize((side, side), resample)
