"""One picture of the synthetic ILSVRC: a patterned form on a textured ground, among distractors, partly covered.

Only integers reach a pixel (no floating point, no trigonometry of the platform), and all chance comes from one stream
of random integers per picture: the same picture everywhere.
It is drawn at half size and enlarged, which is quick and, with the grain that follows, as soft as a photograph.

Shape letters: H rows, W columns, C = 3 colours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.data.dice import Dice
from bench.data.shapes import FORMS, PATTERNS, UNIT, Plane, Shape

__all__ = ["Box", "Picture", "draw"]

Canvas = npt.NDArray[np.int16]
"""int16 (C, H, W): colours from 0 to 255, or differences of colours."""

_SIZES = (
    (11, (500, 375)),
    (5, (375, 500)),
    (4, (500, 333)),
    (2, (333, 500)),
    (3, (640, 480)),
    (1, (480, 640)),
    (1, (500, 500)),
    (1, (320, 240)),
    (1, (256, 192)),
)
"""Sizes of pictures (width, height) and how often they are drawn: like ILSVRC, about 500 x 375 on average."""
_ONE = 4096
"""A sine of 1."""


class Box(NamedTuple):
    """Where the object is, in pixels: the first and the last column and row that show it."""

    xmin: int
    ymin: int
    xmax: int
    ymax: int


class Picture(NamedTuple):
    """A picture and where its object is."""

    image_HWC: npt.NDArray[np.uint8]
    """uint8, RGB, 0 to 255."""
    box: Box
    """The object, as far as it is inside the picture."""


class _Pose(NamedTuple):
    """Where and how a form lies on the canvas, in pixels."""

    x: int
    y: int
    radius: int
    degrees: int


def draw(shape: Shape, dice: Dice) -> Picture:
    """A picture of a class.

    Args:
        shape: What is drawn.
        dice: Where all chance comes from.
    """
    width, height = _draw_size(dice)
    # Half size, rounded up: an odd last column or row is cut off again.
    canvas_CHW = _ground(dice, (height + 1) // 2, (width + 1) // 2)
    pose = _object_pose(dice, *canvas_CHW.shape[1:])
    for _ in range(dice.between(1, 4)):
        _distractor(dice, canvas_CHW, pose)
    colours = _two_colours(dice)
    box = _stamp(canvas_CHW, pose, shape, colours)
    if dice.below(2):
        _cover(dice, canvas_CHW, pose)
    image_HWC = _grain(dice, _enlarge(canvas_CHW)[:, :height, :width])
    edges = (2 * box.xmin, 2 * box.ymin, min(2 * box.xmax + 1, width - 1), min(2 * box.ymax + 1, height - 1))
    return Picture(image_HWC, Box(*edges))


def _draw_size(dice: Dice) -> tuple[int, int]:
    """(width, height) of a picture."""
    sizes = [size for weight, size in _SIZES for _ in range(weight)]
    width, height = sizes[dice.below(len(sizes))]
    return width - dice.below(8), height - dice.below(8)


def _ground(dice: Dice, height: int, width: int) -> Canvas:
    """A gradient between four corner colours with blotches, and a fine grey texture over it."""
    corners = dice.bytes(3, 2, 2).astype(np.int16) // 2 + 64
    blotches = dice.bytes(3, dice.between(4, 7), dice.between(4, 9)).astype(np.int16) - 128
    texture = dice.bytes(1, height // dice.between(3, 8) + 2, width // dice.between(3, 8) + 2).astype(np.int16) - 128
    lattice = _stretch(corners, *blotches.shape[1:]) + (blotches * dice.between(16, 48) >> 6)
    canvas_CHW = _stretch(lattice, height, width)
    canvas_CHW += _stretch(texture * dice.between(4, 24) >> 6, height, width)
    return canvas_CHW.clip(0, 255)


def _stretch(lattice: Canvas, height: int, width: int) -> Canvas:
    """A small array enlarged to (height, width) by linear interpolation with weights of 1/64."""
    rows, row_weights = _positions(lattice.shape[1], height)
    columns, column_weights = _positions(lattice.shape[2], width)
    wide: Canvas = lattice[:, :, columns] + (np.diff(lattice, axis=2)[:, :, columns] * column_weights >> 6)
    high: Canvas = wide[:, rows] + (np.diff(wide, axis=1)[:, rows] * row_weights[:, None] >> 6)
    return high


def _positions(num_cells: int, num_pixels: int) -> tuple[npt.NDArray[np.intp], Canvas]:
    """Per pixel the cell before it and the weight of the next one, 0 to 63."""
    at = np.arange(num_pixels, dtype=np.int64) * ((num_cells - 1) * 64) // num_pixels
    return (at >> 6).astype(np.intp), (at & 63).astype(np.int16)


def _object_pose(dice: Dice, height: int, width: int) -> _Pose:
    """Near the middle, so that the centre crop of a protocol holds most of the object."""
    side = min(height, width)
    reach = side // 8
    return _Pose(
        x=width // 2 + dice.between(-reach, reach),
        y=height // 2 + dice.between(-reach, reach),
        radius=side * dice.between(25, 40) // 100,
        degrees=dice.between(-45, 45),
    )


def _distractor(dice: Dice, canvas_CHW: Canvas, pose: _Pose) -> None:
    """A small plain form somewhere, under the object."""
    height, width = canvas_CHW.shape[1:]
    form = list(FORMS)[dice.below(len(FORMS))]
    radius = pose.radius * dice.between(20, 50) // 100 + 1
    small = _Pose(dice.below(width), dice.below(height), radius, dice.below(360))
    _stamp(canvas_CHW, small, Shape(form, "plain"), _two_colours(dice))


def _cover(dice: Dice, canvas_CHW: Canvas, pose: _Pose) -> None:
    """Something that hides a part of the object: a small form over its edge."""
    form = ("square", "circle", "rhombus")[dice.below(3)]
    x, y = _turn(dice.below(360), pose.radius * dice.between(40, 100) // 100)
    radius = pose.radius * dice.between(25, 45) // 100 + 1
    _stamp(
        canvas_CHW,
        _Pose(pose.x + x, pose.y + y, radius, dice.below(360)),
        Shape(form, "plain"),
        _two_colours(dice),
    )


def _two_colours(dice: Dice) -> Canvas:
    """A light and a dark colour in either order, int16 (C, 2)."""
    light, dark = dice.bytes(3).astype(np.int16) // 2 + 128, dice.bytes(3).astype(np.int16) // 2
    return np.stack([light, dark] if dice.below(2) else [dark, light], axis=1)


def _stamp(canvas_CHW: Canvas, pose: _Pose, shape: Shape, colours: Canvas) -> Box:
    """Draws a form with a pattern, with a soft edge of two pixels, and says where it is."""
    height, width = canvas_CHW.shape[1:]
    reach = pose.radius * 3 // 2 + 2
    left, right = max(0, pose.x - reach), min(width, pose.x + reach + 1)
    top, bottom = max(0, pose.y - reach), min(height, pose.y + reach + 1)
    if left >= right or top >= bottom:
        return Box(0, 0, 0, 0)
    u, v = _object_coordinates(pose, np.arange(left, right), np.arange(top, bottom))
    distance = FORMS[shape.form](u, v) * pose.radius >> 2  # in 1/256 of a pixel
    alpha = (32 - (distance >> 3)).clip(0, 64).astype(np.int16)
    light = (48 + (v.clip(-UNIT, UNIT) >> 6)).astype(np.int16)  # it falls off along the object
    paint = colours[:, PATTERNS[shape.pattern](u, v)] * light >> 6
    region = canvas_CHW[:, top:bottom, left:right]
    region += (paint - region) * alpha >> 6
    inside = alpha >= 32
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return Box(0, 0, 0, 0)
    return Box(left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]), top + int(rows[-1]))


def _object_coordinates(pose: _Pose, xs: npt.NDArray[np.int64], ys: npt.NDArray[np.int64]) -> tuple[Plane, Plane]:
    """Pixels of the canvas in coordinates of the object: moved, turned, one radius is `UNIT`."""
    sine, cosine = _sine(pose.degrees), _sine(pose.degrees + 90)
    x, y = (xs - pose.x) * UNIT // pose.radius, (ys - pose.y) * UNIT // pose.radius
    u = (x * cosine)[None, :] + (y * sine)[:, None]
    v = (y * cosine)[:, None] - (x * sine)[None, :]
    return (u // _ONE).astype(np.int32), (v // _ONE).astype(np.int32)


def _turn(degrees: int, length: int) -> tuple[int, int]:
    """The vector of a length in a direction."""
    return length * _sine(degrees + 90) // _ONE, length * _sine(degrees) // _ONE


def _sine(degrees: int) -> int:
    """`_ONE` times the sine, by Bhaskara I's rational formula (7th century): integers only, wrong by 0.2% at most."""
    half, angle = divmod(degrees % 360, 180)
    product = angle * (180 - angle)
    value = _ONE * 4 * product // (40_500 - product)
    return -value if half else value


def _enlarge(small_CHW: Canvas) -> Canvas:
    """Twice the size, by linear interpolation with weights 3/4 and 1/4."""
    num_colours, height, width = small_CHW.shape
    padded = np.pad(small_CHW, ((0, 0), (1, 1), (0, 0)), mode="edge")
    tall = np.empty((num_colours, 2 * height, width), dtype=np.int16)
    tall[:, 0::2] = 3 * small_CHW + padded[:, :-2]
    tall[:, 1::2] = 3 * small_CHW + padded[:, 2:]
    padded = np.pad(tall, ((0, 0), (0, 0), (1, 1)), mode="edge")
    large_CHW = np.empty((num_colours, 2 * height, 2 * width), dtype=np.int16)
    large_CHW[:, :, 0::2] = (3 * tall + padded[:, :, :-2] + 8) >> 4
    large_CHW[:, :, 1::2] = (3 * tall + padded[:, :, 2:] + 8) >> 4
    return large_CHW


def _grain(dice: Dice, image_CHW: Canvas) -> npt.NDArray[np.uint8]:
    """Adds the noise of a sensor, strong or weak and the same to all three colours; returns (H, W, C)."""
    height, width = image_CHW.shape[1:]
    mask = (7, 15, 31)[dice.below(3)]
    noise = (dice.bytes(height, width) & mask).astype(np.int16) - mask // 2
    image_CHW += noise
    return np.ascontiguousarray(image_CHW.clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
