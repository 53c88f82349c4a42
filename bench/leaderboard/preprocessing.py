"""How an image becomes what a model sees, step by step: a small drawing and a sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from markupsafe import Markup

from bench.leaderboard.svg import element, markup, number
from bench.records.protocol import Geometry, Views
from bench.records.result import ResultInput

__all__ = ["EXAMPLE", "Step", "resized", "steps_of"]

EXAMPLE = (500, 375)
"""Width and height of the photograph that is drawn, in pixels: a usual size in ImageNet."""
WIDTH, HEIGHT = 168, 128
_MARGIN = 11
_TIMES = "\N{MULTIPLICATION SIGN}"


class Step(NamedTuple):
    """One step."""

    title: str
    words: str
    drawing: Markup
    """An SVG element."""


def resized(geometry: Geometry) -> tuple[float, float]:
    """Width and height of the example after resizing, whole pixels as `bench/data/transforms.py` rounds them.

    >>> resized(Geometry(resize=256, crop=224))
    (341, 256)
    """
    width, height = EXAMPLE
    side = geometry.resize
    if geometry.crop_mode == "squash":
        return side, side
    if geometry.crop_mode == "border":
        ratio = max(width / side, height / side)
        return round(width / ratio), round(height / ratio)
    return int(side * width / height), side


def steps_of(geometry: Geometry, views: Views | None, inputs: Sequence[tuple[ResultInput, int]]) -> tuple[Step, ...]:
    """Original, resize, crop, normalise, with the numbers of a geometry.

    Args:
        geometry: Resize, crop and filter.
        views: How many crops; None for one.
        inputs: What models saw under it and how often, most frequent first; for the colours.
    """
    width, height = resized(geometry)
    crop = geometry.crop
    scale = min(
        (WIDTH - 2 * _MARGIN) / max(EXAMPLE[0], width, crop), (HEIGHT - 2 * _MARGIN) / max(EXAMPLE[1], height, crop)
    )
    ten = views is not None and views.kind == "ten-crop"
    image = _rect((width, height), scale, "image")
    original = _drawing(_rect(EXAMPLE, scale, "image filled"))
    crops = _ten_crops(geometry, scale) if ten else [_rect((crop, crop), scale, "crop")]
    planes = [_rect((crop, crop), scale, "plane", shift=shift) for shift in (-6.0, 0.0, 6.0)]
    ratio = {"center": "its shape stays", "squash": "its shape is lost", "border": "its shape stays"}
    sides = {"center": "shorter side", "squash": "both sides", "border": "longer side"}
    mode = geometry.crop_mode
    resize = (
        f"{sides[mode]} to {geometry.resize} px: {width:g} {_TIMES} {height:g}; {ratio[mode]}; "
        f"{geometry.interpolation} filter of Pillow, widened when it shrinks (antialias)"
    )
    return (
        Step(
            "Original",
            f"decoded by {geometry.decoder.title()} as RGB; here {EXAMPLE[0]} {_TIMES} {EXAMPLE[1]} px",
            original,
        ),
        Step("Resize", resize, _drawing(_rect((width, height), scale, "image filled"))),
        Step("Crop", _crop_words(geometry, ten=ten), _drawing(image, *crops)),
        Step("Normalise", _colour_words(inputs), _drawing(*planes)),
    )


def _crop_words(geometry: Geometry, *, ten: bool) -> str:
    size = f"{geometry.crop} {_TIMES} {geometry.crop} px"
    if ten:
        return (
            f"ten times {size}: corners and centre of the central {geometry.resize} px square, "
            "and their mirror images; the softmax is averaged"
        )
    width, height = resized(geometry)
    padded = min(width, height) < geometry.crop
    fill = "the entry's mean colour" if geometry.fill else "black"
    return f"central {size}" + (f"; what is missing is {fill}" if padded else "")


def _colour_words(inputs: Sequence[tuple[ResultInput, int]]) -> str:
    words = "each value divided by 255, minus the mean, divided by the standard deviation of its colour"
    known = [(used.mean, used.std, count) for used, count in inputs if used.mean is not None and used.std is not None]
    if not known:
        return f"{words}; each entry brings its own"
    *colours, count = known[0]
    mean, std = (" ".join(f"{value:g}" for value in values) for values in colours)
    total = sum(count for _, count in inputs)
    return f"{words}; each entry brings its own, most often mean {mean}, std {std} ({count:,} of {total:,} results)"


def _drawing(*shapes: Element) -> Markup:
    root = element("svg", {"class_": "step", "viewBox": f"0 0 {WIDTH} {HEIGHT}", "aria-hidden": "true"}, *shapes)
    return Markup(markup(root))  # noqa: S704 - by an XML library


def _rect(size: tuple[float, float], scale: float, name: str, *, shift: float = 0.0) -> Element:
    """A centred rectangle of a size in pixels of the image."""
    width, height = size[0] * scale, size[1] * scale
    place = {"x": (WIDTH - width) / 2 + shift, "y": (HEIGHT - height) / 2 + shift}
    return element("rect", {"class_": name, **place, "width": width, "height": height})


def _ten_crops(geometry: Geometry, scale: float) -> list[Element]:
    """The five places of the ten crops; the mirror images lie on the same ones."""
    margin = (geometry.resize - geometry.crop) * scale
    side = number(geometry.crop * scale)
    left, top = ((whole - geometry.resize * scale) / 2 for whole in (WIDTH, HEIGHT))
    corners = [(0.0, 0.0), (margin, 0.0), (0.0, margin), (margin, margin), (margin / 2, margin / 2)]
    return [
        element("rect", {"class_": "crop", "x": left + x, "y": top + y, "width": side, "height": side})
        for x, y in corners
    ]
