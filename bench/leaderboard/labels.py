"""Labels of points in a drawing: placed where there is room, left out where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from bench.leaderboard.text_width import text_width

__all__ = ["Box", "Label", "placed_labels"]

_GAP = 7.0
"""Between a point and its label, in CSS pixels."""


class Box(NamedTuple):
    """A rectangle, in CSS pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether two rectangles share a point."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )  # fmt: skip

    def holds(self, other: Box) -> bool:
        """Whether the other rectangle lies inside this one."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )  # fmt: skip


class Label(NamedTuple):
    """A text beside a point: where its anchor lies, and which end of the text that is."""

    text: str
    x: float
    y: float
    """The base line."""
    anchor: Literal["start", "end"]


def placed_labels(
    points: Sequence[tuple[float, float]], texts: Sequence[str], room: Box, *, size: float, leftwards: bool
) -> list[Label]:
    """The labels that fit beside their points without touching another label or labelled point.

    Ends are tried before the middle, for the extremes are what a reader looks for first.

    Args:
        points: In CSS pixels; y grows downwards.
        texts: A label a point.
        room: Where labels may lie.
        size: The font size, in CSS pixels.
        leftwards: The free side of the points is the left one; there is nothing better, so no other point is there.
    """
    taken = [Box(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    labels = []
    for index in _ends_first(len(points)):
        (x, y), text = points[index], texts[index]
        width = text_width(text, size)
        start = x - _GAP - width if leftwards else x + _GAP
        for shift in (-0.45, 0.36, 1.2):  # above, level, below
            base = y + shift * size
            box = Box(start, base - 0.8 * size, start + width, base + 0.25 * size)
            if room.holds(box) and not any(box.meets(other) for other in taken):
                taken.append(box)
                labels.append(Label(text, x - _GAP if leftwards else x + _GAP, base, "end" if leftwards else "start"))
                break
    return labels


def _ends_first(count: int) -> list[int]:
    """The numbers below `count`: both ends, then what halves the largest gap.

    >>> _ends_first(6)
    [0, 5, 2, 1, 3, 4]
    """
    order, gaps = ([0, count - 1] if count > 1 else list(range(count))), [(0, count - 1)]
    while gaps:
        low, high = gaps.pop(0)
        if high - low > 1:
            middle = (low + high) // 2
            order.append(middle)
            gaps += [(low, middle), (middle, high)]
    return order
