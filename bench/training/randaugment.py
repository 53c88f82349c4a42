"""timm's RandAugment, with its operations on pixels and a source of chance of each image's own.

Cubuk et al. 2019 (https://arxiv.org/abs/1909.13719) as `rand_augment_transform("rand-mM-nN-mstdS-inc1")` of timm 1.0
does it: operations that grow stronger with the magnitude, each applied with probability one half.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from PIL import Image

from bench.records.recipe import Augmentation
from bench.training.chance import Chance
from bench.training.crops import drawn_filter

__all__ = ["randaugment"]

_PROBABILITY = 0.5
"""With which each drawn operation is applied: timm's default."""
_STRONGEST = 10.0
"""Magnitudes are clipped to 0 and this."""
_FILL = (124, 116, 104)
"""What comes in from outside the image: timm takes the mean of the normalisation, here always ImageNet's
(0.485, 0.456, 0.406), so that the pixels do not depend on the network."""

Arguments = tuple[float, ...]


class _Operation(NamedTuple):
    name: str
    """Its key in timm's `NAME_TO_OP`."""
    arguments: Callable[[float, Chance], Arguments]
    """From a magnitude to the arguments of timm's function: those of `LEVEL_TO_ARG`, which draw from a shared
    generator."""
    takes_filter: bool = False
    """It moves pixels, and so needs a filter."""


def randaugment(image: Image.Image, augmentation: Augmentation, chance: Chance) -> Image.Image:
    """An image after `auto_ops` drawn operations of magnitude `auto_magnitude`.

    Args:
        image: RGB.
        augmentation: How many operations, how strong, and their filter.
        chance: Where the chance comes from.
    """
    from timm.data.auto_augment import NAME_TO_OP

    drawn = [_OPERATIONS[chance.below(len(_OPERATIONS))] for _ in range(augmentation.auto_ops)]
    for operation in drawn:
        if chance.fraction() > _PROBABILITY:
            continue
        magnitude = augmentation.auto_magnitude
        if augmentation.auto_magnitude_sd > 0:
            magnitude += augmentation.auto_magnitude_sd * chance.normal()
        arguments = operation.arguments(max(0.0, min(magnitude, _STRONGEST)), chance)
        options = (
            {"resample": drawn_filter(augmentation.interpolation, chance), "fillcolor": _FILL}
            if operation.takes_filter
            else {}
        )
        if operation.name == "PosterizeIncreasing" and arguments == (0,):
            # What Pillow gave for no bits at all; 13.0 refuses it, and timm's function fails there.
            image = Image.new("RGB", image.size)
        else:
            image = NAME_TO_OP[operation.name](image, *arguments, **options)
    return image


def _signed(value: float, chance: Chance) -> float:
    return -value if chance.fraction() > 0.5 else value


def _nothing(_magnitude: float, _chance: Chance) -> Arguments:
    return ()


def _scaled(largest: float) -> Callable[[float, Chance], Arguments]:
    """A share of the largest value, in a drawn direction."""
    return lambda magnitude, chance: (_signed(magnitude / _STRONGEST * largest, chance),)


def _factor(magnitude: float, chance: Chance) -> Arguments:
    """What ImageEnhance multiplies with: 1 changes nothing."""
    return (max(0.1, 1.0 + _signed(magnitude / _STRONGEST * 0.9, chance)),)


def _bits(magnitude: float, _chance: Chance) -> Arguments:
    return (4 - int(magnitude / _STRONGEST * 4),)


def _threshold(magnitude: float, _chance: Chance) -> Arguments:
    return (256 - min(256, int(magnitude / _STRONGEST * 256)),)


def _added(magnitude: float, _chance: Chance) -> Arguments:
    return (min(128, int(magnitude / _STRONGEST * 110)),)


# The order is timm's `_RAND_INCREASING_TRANSFORMS`.
_OPERATIONS = (
    _Operation("AutoContrast", _nothing),
    _Operation("Equalize", _nothing),
    _Operation("Invert", _nothing),
    _Operation("Rotate", _scaled(30.0), takes_filter=True),
    _Operation("PosterizeIncreasing", _bits),
    _Operation("SolarizeIncreasing", _threshold),
    _Operation("SolarizeAdd", _added),
    _Operation("ColorIncreasing", _factor),
    _Operation("ContrastIncreasing", _factor),
    _Operation("BrightnessIncreasing", _factor),
    _Operation("SharpnessIncreasing", _factor),
    _Operation("ShearX", _scaled(0.3), takes_filter=True),
    _Operation("ShearY", _scaled(0.3), takes_filter=True),
    _Operation("TranslateXRel", _scaled(0.45), takes_filter=True),
    _Operation("TranslateYRel", _scaled(0.45), takes_filter=True),
)
