"""A drawing as an SVG file that needs nothing beside it: own ground, own fonts, own colours, light and dark."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from xml.etree.ElementTree import Element

from bench.leaderboard.svg import element, markup
from bench.leaderboard.text_width import FONTS, fitted
from bench.resources import resource_folder

__all__ = ["Caption", "standalone", "tokens"]

_MARGIN, _HEAD, _FOOT = 20.0, 62.0, 34.0
_TOKEN = re.compile(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")
_RULES = """text {{ fill: {ink}; }}
.ground {{ fill: {card}; }}
.muted, .axes text {{ fill: {muted}; }}
.axes path {{ fill: none; stroke: {line}; }}
.points path, .span {{ fill: none; stroke: {accent}; }}
.edge {{ fill: none; stroke: {accent}; }}
.frontier {{ fill: none; stroke: {bad}; }}
.dot {{ fill: {accent}; }}
.label {{ stroke: {card}; }}
"""
_SHAPES = """.title { font-size: 17px; font-weight: 600; }
.points path { stroke-width: 6px; stroke-linecap: round; stroke-opacity: 0.5; }
.span { stroke-width: 2px; }
.frontier { stroke-width: 1.5px; }
.label { font-size: 11px; paint-order: stroke; stroke-width: 3px; stroke-linejoin: round; }
"""


class Caption(NamedTuple):
    """The words around a drawing."""

    title: str
    subtitle: str
    note: str = ""
    """What stands below it."""


@lru_cache(maxsize=1)
def tokens() -> dict[str, tuple[str, str]]:
    """The colours of the site by name, light and dark, as its style sheet declares them."""
    sheet = (resource_folder("templates") / "site.css").read_text(encoding="utf-8")
    return {name: (light, dark) for name, light, dark in _TOKEN.findall(sheet)}


def standalone(caption: Caption, drawing: Element) -> str:
    """A drawing with a heading as an SVG file.

    It follows `prefers-color-scheme`, also as an image in a README. Colours are written out: many programs that draw
    SVG know neither `var()` nor `light-dark()`.

    Args:
        caption: The words around it.
        drawing: An `svg` element with a view box that starts at 0 0, in CSS pixels.
    """
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    foot = _FOOT if caption.note else _MARGIN / 2
    size = {"width": width + 2 * _MARGIN, "height": _HEAD + height + foot}
    view = f"0 0 {size['width']:g} {size['height']:g}"
    for name, value in (("x", _MARGIN), ("y", _HEAD), ("width", width), ("height", height)):
        drawing.set(name, f"{value:g}")
    drawing.attrib.pop("role", None)
    said = f"{caption.title}: {caption.subtitle}"
    root = element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": view, "role": "img", "font-family": FONTS}
        | {"font-size": 12, **size},
        element("title", {}, said),
        element("style", {}, _style()),
        element("rect", {"class_": "ground", **size, "rx": 8}),
        element("text", {"class_": "title", "x": _MARGIN, "y": 30}, fitted(caption.title, 17, width)),
        element("text", {"class_": "muted", "x": _MARGIN, "y": 50}, fitted(caption.subtitle, 12, width)),
        drawing,
    )
    if caption.note:
        y = size["height"] - 14
        root.append(element("text", {"class_": "muted", "x": _MARGIN, "y": y}, fitted(caption.note, 12, width)))
    return markup(root) + "\n"


def _style() -> str:
    light, dark = ({name: pair[scheme] for name, pair in tokens().items()} for scheme in (0, 1))
    scheme = "@media (prefers-color-scheme: dark)"
    return f"\n{_SHAPES}{_RULES.format(**light)}{scheme} {{\n{_RULES.format(**dark)}}}\n"
