"""How wide a text will be in a drawing whose reader has fonts that nobody knows: rather too wide than too narrow."""

from __future__ import annotations

import unicodedata

__all__ = ["FONTS", "fitted", "is_measured", "text_width"]

FONTS = "Verdana, 'DejaVu Sans', Geneva, 'Noto Sans', Arial, sans-serif"
"""Widest first: the table below holds for the first two, the others are narrower."""
_ADVANCES = {
    27: "'", 28: "ijl", 29: "IJ", 32: " ,.", 34: "/:;\\|", 35: "f", 36: "-", 39: "()[]t", 40: "!", 41: "r", 46: '"',
    50: "*_`\N{EN DASH}", 52: "sz", 53: "?", 55: "c", 56: "L", 58: "Fk", 59: "vxy", 60: "P", 61: "TYao", 62: "e",
    63: "ESbdghnpqu", 64: "$0123456789{}", 66: "K", 68: "AV", 69: "BRXZ", 70: "C", 73: "U", 75: "HN", 77: "DG",
    78: "&", 79: "OQ", 82: "w", 84: "#+<=>^~", 86: "M", 95: "%", 97: "m", 99: "W", 100: "@\N{HORIZONTAL ELLIPSIS}",
}  # fmt: skip
"""Advance widths of DejaVu Sans in hundredths of the font size, measured with Pillow; Verdana's differ by 2 or less."""
_KNOWN = {character: advance / 100 for advance, characters in _ADVANCES.items() for character in characters}
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_MARKS = ("Mn", "Me", "Cf")


def text_width(text: str, size: float) -> float:
    """The width of a text in CSS pixels, at a font size in CSS pixels.

    >>> text_width("top-1", 10.0), text_width("\N{CJK UNIFIED IDEOGRAPH-6A21}", 10.0)
    (26.3, 10.5)
    """
    return round(size * sum(_KNOWN.get(character) or _unknown(character) for character in text), 2)


def is_measured(text: str) -> bool:
    """Whether the widths of all its characters are known."""
    return all(character in _KNOWN for character in text)


def fitted(text: str, size: float, width: float) -> str:
    r"""The text, or as much of it as fits into a width, with an ellipsis behind it.

    >>> ascii(fitted("a very long name", 10.0, 60.0))
    "'a very lon\\u2026'"
    """
    if text_width(text, size) <= width:
        return text
    kept, room = 0, width - text_width(_ELLIPSIS, size)
    while kept < len(text) and text_width(text[: kept + 1], size) <= room:
        kept += 1
    return text[:kept].rstrip() + _ELLIPSIS


def _unknown(character: str) -> float:
    """Of a character that is not in the table: nothing for marks that combine, a full em for all others."""
    if unicodedata.category(character) in _MARKS:
        return 0.0
    return 1.05 if unicodedata.east_asian_width(character) in "WF" else 1.0
