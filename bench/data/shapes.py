"""The classes of the synthetic ILSVRC: a form drawn with a pattern, under an invented WNID.

Everything is integer arithmetic on coordinates u, v of the object: one radius is `UNIT`.
Shape letters: H rows, W columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["FORMS", "PATTERNS", "UNIT", "Shape", "shape_of", "shapes_table"]

UNIT = 1024
"""The radius of every form, in object coordinates."""

Plane = npt.NDArray[np.int32]
"""int32 (H, W): a coordinate, a distance or a choice per pixel."""

_NUM_CLASSES_MAX = 100


class Shape(NamedTuple):
    """What is drawn for one class."""

    form: str
    """A name in `FORMS`."""
    pattern: str
    """A name in `PATTERNS`."""


def shape_of(index: int) -> Shape:
    """The form and the pattern of a class.

    Ten neighbours differ in both, so a network that sees only one of them gets somewhere; among more than ten classes
    both must be seen.

    Args:
        index: The class index, 0 to 99; it means the same for any number of classes.
    """
    forms, patterns = list(FORMS), list(PATTERNS)
    round_, place = divmod(index, len(forms))
    return Shape(forms[place], patterns[(place + round_) % len(patterns)])


def shapes_table(num_classes: int) -> tuple[list[str], list[str], list[int]]:
    """WNIDs, names and ILSVRC ids of the classes, in the order of their indices.

    No WordNet has the WNIDs. As in ILSVRC2012 the ids are in no order, and here no id is its index plus one: who
    takes one for the other gets nothing right, never a little.

    Args:
        num_classes: 2 to 100.

    Raises:
        ValueError: The number is out of range.

    >>> shapes_table(2)
    (['n99000001', 'n99000002'], ['striped circle', 'checked square'], [2, 1])
    """
    if not 2 <= num_classes <= _NUM_CLASSES_MAX:
        raise ValueError(f"num_classes is {num_classes}, expected 2 to {_NUM_CLASSES_MAX}")
    wnids = [f"n9900{index + 1:04d}" for index in range(num_classes)]
    names = [f"{shape.pattern} {shape.form}" for shape in map(shape_of, range(num_classes))]
    # Each class takes the place of the next one on a ring in scrambled order: one cycle, so no class keeps its own.
    ring = sorted(range(num_classes), key=lambda index: hashlib.sha256(wnids[index].encode()).digest())
    ids = dict(zip(ring, [*ring[1:], ring[0]], strict=True))
    return wnids, names, [ids[index] + 1 for index in range(num_classes)]


def _abs(plane: Plane) -> Plane:
    result: Plane = np.abs(plane)
    return result


def _max(first: Plane, second: Plane) -> Plane:
    result: Plane = np.maximum(first, second)
    return result


def _min(first: Plane, second: Plane) -> Plane:
    result: Plane = np.minimum(first, second)
    return result


def _circle(u: Plane, v: Plane) -> Plane:
    return (u * u + v * v - UNIT * UNIT) >> 11  # distance times (radius + distance) / 2: right at the edge


def _square(u: Plane, v: Plane) -> Plane:
    return _max(_abs(u), _abs(v)) - 840


def _triangle(u: Plane, v: Plane) -> Plane:
    return _max(v, (887 * _abs(u) - 512 * v) >> 10) - 560


def _cross(u: Plane, v: Plane) -> Plane:
    return _min(_max(_abs(u) - 990, _abs(v) - 330), _max(_abs(v) - 990, _abs(u) - 330))


def _star(u: Plane, v: Plane) -> Plane:
    return (_min(_abs(u) + 3 * _abs(v), 3 * _abs(u) + _abs(v)) - 1150) // 3


def _ring(u: Plane, v: Plane) -> Plane:
    return _abs(_circle(u, v) + 230) - 230


def _hexagon(u: Plane, v: Plane) -> Plane:
    return _max(_abs(v), (887 * _abs(u) + 512 * _abs(v)) >> 10) - 900


def _crescent(u: Plane, v: Plane) -> Plane:
    return _max(_circle(u, v), -_circle(u - 520, v))


def _rhombus(u: Plane, v: Plane) -> Plane:
    return (_abs(u) + 2 * _abs(v) - UNIT) >> 1


def _dome(u: Plane, v: Plane) -> Plane:
    return _max(_circle(u, v - 400), v - 400)


FORMS: dict[str, Callable[[Plane, Plane], Plane]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "star": _star,
    "ring": _ring,
    "hexagon": _hexagon,
    "crescent": _crescent,
    "rhombus": _rhombus,
    "dome": _dome,
}
"""From u, v in -8 * UNIT .. 8 * UNIT to about the distance from the edge, negative inside, in object coordinates."""


def _striped(u: Plane, v: Plane) -> Plane:  # noqa: ARG001 - every pattern takes both
    return (v >> 8) & 1


def _checked(u: Plane, v: Plane) -> Plane:
    return ((u >> 8) ^ (v >> 8)) & 1


def _dotted(u: Plane, v: Plane) -> Plane:
    x, y = (u & 511) - 256, (v & 511) - 256
    return (x * x + y * y < 170 * 170).astype(np.int32)


def _plain(u: Plane, v: Plane) -> Plane:  # noqa: ARG001 - every pattern takes both
    return np.zeros_like(u)


def _halved(u: Plane, v: Plane) -> Plane:  # noqa: ARG001 - every pattern takes both
    return (u > 0).astype(np.int32)


def _quartered(u: Plane, v: Plane) -> Plane:
    return ((u > 0) ^ (v > 0)).astype(np.int32)


def _rippled(u: Plane, v: Plane) -> Plane:
    return ((u * u + v * v) >> 18) & 1


def _zigzag(u: Plane, v: Plane) -> Plane:
    return ((v + _abs((u & 511) - 256)) >> 8) & 1


def _barred(u: Plane, v: Plane) -> Plane:  # noqa: ARG001 - every pattern takes both
    return (_abs(u) < 250).astype(np.int32)


def _cored(u: Plane, v: Plane) -> Plane:
    return (u * u + v * v < 450 * 450).astype(np.int32)


PATTERNS: dict[str, Callable[[Plane, Plane], Plane]] = {
    "striped": _striped,
    "checked": _checked,
    "dotted": _dotted,
    "plain": _plain,
    "halved": _halved,
    "quartered": _quartered,
    "rippled": _rippled,
    "zigzag": _zigzag,
    "barred": _barred,
    "cored": _cored,
}
"""From u, v to which of two colours a point of the object has, 0 or 1."""
