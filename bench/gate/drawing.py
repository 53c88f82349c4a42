"""Drawings of a gate: the pairs of a row as dots with what was concluded from them, and the runs of a series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from bench.gate.raw import difference_of
from bench.gate.screen import Series, segments
from bench.gate.suite import RowReport
from bench.leaderboard.scales import Scale, tick_text
from bench.leaderboard.svg import element, number
from bench.stats.changes import Change

__all__ = ["pair_dots", "run_dots"]

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BASE = 64, 708, 14, 192
"""The plot lies between them."""


def pair_dots(report: RowReport) -> Element | None:
    """The slowdown of each valid pair in percent, in order, with estimate, interval and tolerance; None without pairs.

    A full dot is a pair of which base started first, a ring one of which head did: side by side they would show that
    the order matters.
    """
    pairs, decision = report.valid_pairs, report.decision
    if not pairs or decision is None:
        return None
    look = decision.looks[-1] if decision.looks else None
    values = [_percent(difference_of(pair)) for pair in pairs]
    lines = [0.0, _percent(decision.tolerance), *([] if look is None else [_percent(look.estimate)])]
    scale, parts = _axis([*values, *lines], "%")
    if look is not None:
        low, high = (scale.at(_percent(end)) for end in (look.low, look.high))
        parts.append(_rectangle("interval", LEFT, high, RIGHT - LEFT, low - high))
    for name, value in zip(("zero", "tolerance", "estimate"), lines, strict=False):
        parts.append(_level(name, scale.at(value), LEFT, RIGHT))
    parts.append(_words(f"tolerance {_signed(lines[1])}", RIGHT - 4, scale.at(lines[1]) - 5))
    for x, pair, value in zip(_places(len(pairs)), pairs, values, strict=True):
        css, first = ("dot ring", "head") if pair.head_started_first else ("dot", "base")
        parts.append(_dot(css, x, scale.at(value), f"pair {pair.number + 1}: {_signed(value)}, {first} started first"))
    sentence = f"{len(pairs)} pairs from {_signed(min(values))} to {_signed(max(values))}"
    if look is not None:
        sentence += f", estimate {_signed(lines[2])}"
    return _svg(sentence, parts)


def run_dots(series: Series, changes: Sequence[Change]) -> Element:
    """The time of a step or an image of every run in milliseconds, in order, and the medians between the changes.

    Args:
        series: The runs, at least one.
        changes: Where they change.
    """
    values = [1e3 * point.seconds for point in series.points]
    x = _places(len(values))
    scale, parts = _axis(values, "ms")
    for start, end, seconds in segments(series, changes):
        parts.append(_level("estimate", scale.at(1e3 * seconds), x[start] - 6, x[end - 1] + 6))
    for change in changes:
        middle = (x[change.place - 1] + x[change.place]) / 2
        parts.append(element("path", {"class_": "change", "d": f"M{number(middle)} {TOP}V{BASE}"}))
        parts.append(_words(_signed(_percent(change.step)), middle - 5, TOP + 9))
    for place, point, value in zip(x, series.points, values, strict=True):
        parts.append(_dot("dot", place, scale.at(value), f"{point.at} {(point.commit or '')[:12]}: {value:,.4g} ms"))
    ends = [point.at[:10] for point in (series.points[0], series.points[-1])]
    parts.append(element("text", {"x": LEFT, "y": HEIGHT - 8}, ends[0]))
    parts.append(_words(ends[1], RIGHT, HEIGHT - 8))
    sentence = f"{len(values)} runs from {min(values):,.4g} to {max(values):,.4g} ms; {len(changes)} may be changes"
    return _svg(sentence, parts)


def _percent(log_ratio: float) -> float:
    return 100 * math.expm1(log_ratio) if log_ratio < math.inf else math.inf


def _signed(percent: float) -> str:
    return f"{percent:+.1f} %"


def _axis(values: Sequence[float], unit: str) -> tuple[Scale, list[Element]]:
    """A scale over values with a margin, and its ticks."""
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    scale = Scale.over([low - margin, high + margin], BASE, TOP, may_be_log=False)
    parts = []
    for tick in scale.ticks(5):
        y = scale.at(tick)
        parts.append(_level("grid", y, LEFT, RIGHT))
        parts.append(_words(f"{tick_text(tick)} {unit}", LEFT - 8, y + 4))
    return scale, parts


def _places(count: int) -> list[float]:
    width = (RIGHT - LEFT) / count
    return [LEFT + (index + 0.5) * width for index in range(count)]


def _level(css: str, y: float, start: float, end: float) -> Element:
    return element("path", {"class_": css, "d": f"M{number(start)} {number(y)}H{number(end)}"})


def _rectangle(css: str, x: float, y: float, width: float, height: float) -> Element:
    return element("rect", {"class_": css, "x": x, "y": y, "width": width, "height": height})


def _words(text: str, x: float, y: float) -> Element:
    return element("text", {"class_": "end", "x": x, "y": y}, text)


def _dot(css: str, x: float, y: float, said: str) -> Element:
    return element("circle", {"class_": css, "cx": x, "cy": y, "r": 4}, element("title", {}, said))


def _svg(sentence: str, parts: Sequence[Element]) -> Element:
    box = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img", "aria-label": sentence}
    return element("svg", box, *parts)
