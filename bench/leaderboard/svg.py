"""SVG by an XML library: text stays text, whatever a name holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree as ET

__all__ = ["element", "markup", "number"]

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow (section 2.2)."""


def element(name: str, attributes: Mapping[str, str | float] | None = None, *children: ET.Element | str) -> ET.Element:
    """An element with its attributes and children; numbers are written short, `class_` is `class`.

    >>> markup(element("text", {"x": 2.50}, "a < b"))
    '<text x="2.5">a &lt; b</text>'
    """
    made = ET.Element(name, {key.rstrip("_"): _text(value) for key, value in (attributes or {}).items()})
    for child in children:
        if isinstance(child, ET.Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + _text(child)
        else:
            made.text = (made.text or "") + _text(child)
    return made


def markup(root: ET.Element) -> str:
    """An element as text, escaped, without an XML declaration."""
    return ET.tostring(root, encoding="unicode")


def number(value: float) -> str:
    """A number with at most two digits behind the point, none of them a trailing zero.

    >>> number(3.0), number(-0.001), number(12.345)
    ('3', '0', '12.35')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _text(value: str | float) -> str:
    return _FORBIDDEN.sub("", value) if isinstance(value, str) else number(value)
