"""A series as a small drawing: a step line over its runs, bands for intervals, ticks where the software changed.

`templates/throughput.js` draws the same elements for the series that a reader looks for; a browser test compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import NamedTuple
from xml.etree.ElementTree import Element

from bench.leaderboard.series import TICKS, Change, Series, changes_of, events
from bench.leaderboard.svg import element, number

__all__ = ["Mark", "change_words", "drawing", "marks_of", "throughput_words", "tick_words"]

WIDTH, HEIGHT = 300, 128
LEFT, TOP, BASE = 6, 22, 104
"""The plot lies between LEFT and WIDTH - LEFT, TOP and BASE; the base line is 0 images a second."""
MANY = 4
"""From this many runs on only the first and the last one carry their value, and ticks no words."""
_ARROW = "\N{RIGHTWARDS ARROW}"


class Mark(NamedTuple):
    """What is drawn of one run."""

    value: float
    low: float | None
    high: float | None
    direction: int
    """-1 or 1 where the run is slower or faster than the one before it, by an event; else 0."""
    tick: str
    """What changed in torch, driver or CUDA since the run before it; empty for nothing."""


def marks_of(series: Series) -> list[Mark]:
    """What is drawn of a series."""
    direction = {event.after.run: 1 if event.change > 0 else -1 for event in events(series)}
    ticks = ["", *(tick_words(changes_of(before, after)) for before, after in pairwise(series.points))]
    return [
        Mark(point.value, point.low, point.high, direction.get(point.run, 0), tick)
        for point, tick in zip(series.points, ticks, strict=True)
    ]


def tick_words(changes: Sequence[Change]) -> str:
    """The new versions where torch, driver or CUDA changed; empty where none of them did.

    >>> tick_words((Change("torch", "2.4.0", "2.9.1"), Change("batch size", "256", "1024")))
    'torch 2.9.1'
    """
    return ", ".join(f"{change.name} {change.after or 'not recorded'}" for change in changes if change.name in TICKS)


def change_words(changes: Sequence[Change]) -> list[str]:
    """All that changed, from what to what."""
    return [
        f"{change.name} {change.before or 'not recorded'} {_ARROW} {change.after or 'not recorded'}"
        for change in changes
    ]


def throughput_words(value: float) -> str:
    """Images a second: whole ones, below 100 with one digit; halves go up, as scripts round them.

    >>> throughput_words(43218.5), throughput_words(9.96)
    ('43,219', '10.0')
    """
    digit = Decimal(1) if value >= 100 else Decimal("0.1")
    return f"{Decimal(value).quantize(digit, rounding=ROUND_HALF_UP):,}"


def drawing(marks: Sequence[Mark], sentence: str) -> Element:
    """The drawing of a series.

    Args:
        marks: Its runs, at least one.
        sentence: What somebody who does not see it is told.
    """
    width = (WIDTH - 2 * LEFT) / len(marks)
    top = max(max(mark.value, mark.high or 0.0) for mark in marks)
    x = [LEFT + (index + 0.5) * width for index in range(len(marks))]
    y = [_y(mark.value, top) for mark in marks]
    edges = [LEFT + index * width for index in range(len(marks) + 1)]
    parts = [element("path", {"class_": "base", "d": f"M{LEFT} {BASE}H{WIDTH - LEFT}"})]
    parts += [part for index, mark in enumerate(marks) for part in _tick(mark, edges[index], len(marks))]
    for index, mark in enumerate(marks):
        if mark.low is not None and mark.high is not None:
            high, low = _y(mark.high, top), _y(mark.low, top)
            band = {"x": edges[index], "y": high, "width": width, "height": low - high}
            parts.append(element("rect", {"class_": "band", **band}))
    if len(marks) > 1:
        line = f"M{number(x[0])} {number(y[0])}"
        line += "".join(f"H{number(edges[index])}V{number(y[index])}" for index in range(1, len(marks)))
        parts.append(element("path", {"class_": "step", "d": f"{line}H{number(x[-1])}"}))
    for index, mark in enumerate(marks):
        parts.append(_run(mark, x[index], y[index]))
        if len(marks) < MANY or index in (0, len(marks) - 1):
            words: dict[str, str | float] = {"class_": "value", "x": x[index], "y": y[index] - 9}
            parts.append(element("text", words, throughput_words(mark.value)))
    box = {"class_": "multiple", "viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img", "aria-label": sentence}
    return element("svg", box, *parts)


def _y(value: float, top: float) -> float:
    return BASE - (BASE - TOP) * value / top


def _tick(mark: Mark, x: float, num_marks: int) -> list[Element]:
    if not mark.tick:
        return []
    path = {"class_": "tick", "d": f"M{number(x)} {TOP - 16}V{BASE + 5}"}
    parts = [element("path", path, element("title", {}, mark.tick))]
    if num_marks < MANY:
        parts.append(element("text", {"class_": "what", "x": x, "y": HEIGHT - 5}, mark.tick))
    return parts


def _run(mark: Mark, x: float, y: float) -> Element:
    """A dot; a triangle that points down where the run is slower, up where it is faster."""
    if mark.direction == 0:
        return element("circle", {"class_": "run", "cx": x, "cy": y, "r": 3.5})
    tip, back = (y - 5, y + 4) if mark.direction > 0 else (y + 5, y - 4)
    corners = f"M{number(x - 5.5)} {number(back)}H{number(x + 5.5)}L{number(x)} {number(tip)}Z"
    return element("path", {"class_": "faster" if mark.direction > 0 else "slower", "d": corners})
