"""Labels of points in a drawing: placed where there is room, left out where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
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
    steps: Sequence[tuple[float, float]],
    texts: Sequence[str],
    room: Box,
    *,
    size: float,
    leftwards: bool,
    others: Sequence[tuple[float, float]] = (),
) -> list[Label]:
    """The labels of a staircase that fit beside its points: they touch no line, no point and no other label.

    Ends are tried before the middle, for the extremes are what a reader looks for first.

    Args:
        steps: The points of the staircase in order, in CSS pixels; y grows downwards.
        texts: A label a point.
        room: Where labels may lie.
        size: The font size, in CSS pixels.
        leftwards: The side with nothing better is the left one; it is tried first.
        others: All other points.
    """
    taken = [Box(x - 3, y - 3, x + 3, y + 3) for x, y in (*steps, *others)] + _stairs(steps)
    labels = []
    for index in _ends_first(len(steps)):
        for label in _candidates(texts[index], steps[index], size, leftwards=leftwards):
            box = _box(label, size)
            if room.holds(box) and not any(map(box.meets, taken)):
                taken.append(box)
                labels.append(label)
                break
    return labels


def _candidates(text: str, point: tuple[float, float], size: float, *, leftwards: bool) -> Iterator[Label]:
    """Above, level with and below a point, on the one side and then on the other."""
    x, y = point
    for is_left in (leftwards, not leftwards):
        for shift in (-0.45, 0.36, 1.2):
            yield Label(text, x - _GAP if is_left else x + _GAP, y + shift * size, "end" if is_left else "start")


def _box(label: Label, size: float) -> Box:
    width = text_width(label.text, size)
    left = label.x if label.anchor == "start" else label.x - width
    return Box(left, label.y - 0.8 * size, left + width, label.y + 0.25 * size)


def _stairs(steps: Sequence[tuple[float, float]]) -> list[Box]:
    """The lines of a staircase: along x to the next point's x, then along y to that point."""
    lines = []
    for (x, y), (next_x, next_y) in pairwise(steps):
        lines.append(Box(min(x, next_x), y - 1, max(x, next_x), y + 1))
        lines.append(Box(next_x - 1, min(y, next_y), next_x + 1, max(y, next_y)))
    return lines


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
