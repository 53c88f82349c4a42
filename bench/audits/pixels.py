"""Copies of an image that a model must answer nearly as well as the image, and a table of known images cannot.

Shape letters: V views of an image, H and W pixels, three colours.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["KINDS", "Pixels", "perturbed"]

Pixels = npt.NDArray[np.uint8]
"""The views of one image, shape (V, H, W, 3), 0 to 255."""

KINDS = ("mirrored", "shifted")
"""The copies: left and right changed over; and moved by one pixel in both directions, with faint noise."""

_NOISE = 2
"""Noise in levels of 255, each way: not seen, and every byte may differ."""


def perturbed(image_VHWC: Pixels, kind: str, random: np.random.Generator) -> Pixels:
    """A slightly changed copy of an image.

    Args:
        image_VHWC: The image's views.
        kind: One of `KINDS`.
        random: Draws the direction and the noise.
    """
    if kind == "mirrored":
        return np.ascontiguousarray(image_VHWC[:, :, ::-1])
    down, right = random.choice((-1, 1), size=2)
    moved_VHWC = _moved(_moved(image_VHWC, int(down), axis=1), int(right), axis=2).astype(np.int16)
    moved_VHWC += random.integers(-_NOISE, _NOISE + 1, size=moved_VHWC.shape, dtype=np.int16)
    return moved_VHWC.clip(0, 255).astype(np.uint8)


def _moved(image_VHWC: Pixels, by: int, *, axis: int) -> Pixels:
    """Moved by one pixel along an axis; the edge that comes free repeats the one beside it."""
    size = image_VHWC.shape[axis]
    moved: Pixels = image_VHWC.take((np.arange(size) + by).clip(0, size - 1), axis=axis)
    return moved
