"""torchvision's TrivialAugmentWide and ColorJitter, with a source of chance of each image's own.

The operations are torchvision's public functions on Pillow images; their ranges are those of
`torchvision.transforms.TrivialAugmentWide` (Mueller, Hutter 2021, https://arxiv.org/abs/2103.10158, table 6).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from PIL import Image

from bench.training.chance import Chance

__all__ = ["colour_jitter", "trivialaugment"]

_NUM_STRENGTHS = 31

_Apply = Callable[[Any, Image.Image, float, Any], Image.Image]
"""torchvision's functional module, an image, a magnitude and a filter, to an image."""


class _Operation(NamedTuple):
    apply: _Apply
    largest: float | None
    """The magnitude at full strength; None for an operation without one."""
    is_signed: bool = False
    """It goes in a drawn direction."""


def trivialaugment(image: Image.Image, resample: Image.Resampling, chance: Chance) -> Image.Image:
    """An image after one operation, drawn with its strength.

    Args:
        image: RGB.
        resample: The filter of operations that move pixels.
        chance: Where the chance comes from.
    """
    from torchvision.transforms import InterpolationMode, functional

    name, operation = _OPERATIONS[chance.below(len(_OPERATIONS))]
    magnitude = 0.0
    if operation.largest is not None:
        magnitude = _strengths(name)[chance.below(_NUM_STRENGTHS)]
    if operation.is_signed and chance.below(2):
        magnitude = -magnitude
    return operation.apply(functional, image, magnitude, InterpolationMode(resample.name.lower()))


def colour_jitter(image: Image.Image, most: tuple[float, float, float], chance: Chance) -> Image.Image:
    """An image whose brightness, contrast and saturation are changed in a drawn order, as ColorJitter does it.

    Args:
        image: RGB.
        most: The largest relative change of each; factors are drawn evenly from [max(0, 1 - most), 1 + most].
        chance: Where the chance comes from.
    """
    from torchvision.transforms import functional

    changes = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation)
    order = chance.order(4)  # the fourth is the hue, which is never changed here
    factors = [None if limit == 0 else 1 - limit + 2 * limit * chance.fraction() for limit in most]
    for number in order:
        if number < len(factors) and (factor := factors[number]) is not None:
            image = changes[number](image, factor)
    return image


def _shear_x(f: Any, image: Image.Image, magnitude: float, interpolation: Any) -> Image.Image:
    return _affine(f, image, interpolation, shear=[math.degrees(math.atan(magnitude)), 0.0], center=[0, 0])


def _shear_y(f: Any, image: Image.Image, magnitude: float, interpolation: Any) -> Image.Image:
    return _affine(f, image, interpolation, shear=[0.0, math.degrees(math.atan(magnitude))], center=[0, 0])


def _translate_x(f: Any, image: Image.Image, magnitude: float, interpolation: Any) -> Image.Image:
    return _affine(f, image, interpolation, translate=[int(magnitude), 0])


def _translate_y(f: Any, image: Image.Image, magnitude: float, interpolation: Any) -> Image.Image:
    return _affine(f, image, interpolation, translate=[0, int(magnitude)])


def _affine(f: Any, image: Image.Image, interpolation: Any, **moved: Any) -> Image.Image:
    still = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
    sheared: Image.Image = f.affine(image, **still | moved, interpolation=interpolation)
    return sheared


# In the order of torchvision's own table, from which an operation is drawn by its number.
_OPERATIONS: tuple[tuple[str, _Operation], ...] = (
    ("Identity", _Operation(lambda _f, image, _m, _i: image, None)),
    ("ShearX", _Operation(_shear_x, 0.99, is_signed=True)),
    ("ShearY", _Operation(_shear_y, 0.99, is_signed=True)),
    ("TranslateX", _Operation(_translate_x, 32.0, is_signed=True)),
    ("TranslateY", _Operation(_translate_y, 32.0, is_signed=True)),
    ("Rotate", _Operation(lambda f, image, m, i: f.rotate(image, m, interpolation=i), 135.0, is_signed=True)),
    ("Brightness", _Operation(lambda f, image, m, _i: f.adjust_brightness(image, 1.0 + m), 0.99, is_signed=True)),
    ("Color", _Operation(lambda f, image, m, _i: f.adjust_saturation(image, 1.0 + m), 0.99, is_signed=True)),
    ("Contrast", _Operation(lambda f, image, m, _i: f.adjust_contrast(image, 1.0 + m), 0.99, is_signed=True)),
    ("Sharpness", _Operation(lambda f, image, m, _i: f.adjust_sharpness(image, 1.0 + m), 0.99, is_signed=True)),
    ("Posterize", _Operation(lambda f, image, m, _i: f.posterize(image, int(m)), 6.0)),
    ("Solarize", _Operation(lambda f, image, m, _i: f.solarize(image, m), 255.0)),
    ("AutoContrast", _Operation(lambda f, image, _m, _i: f.autocontrast(image), None)),
    ("Equalize", _Operation(lambda f, image, _m, _i: f.equalize(image), None)),
)


@functools.cache
def _strengths(name: str) -> tuple[float, ...]:
    """The magnitudes of an operation from its weakest to its strongest."""
    import torch

    largest = dict(_OPERATIONS)[name].largest or 0.0
    if name == "Posterize":  # bits that are kept, 8 to 2
        return tuple(float(8 - round(number / ((_NUM_STRENGTHS - 1) / largest))) for number in range(_NUM_STRENGTHS))
    start, end = (largest, 0.0) if name == "Solarize" else (0.0, largest)
    # In float32, as torchvision has them: some thresholds and offsets hang on the last bit.
    return tuple(torch.linspace(start, end, _NUM_STRENGTHS).tolist())
