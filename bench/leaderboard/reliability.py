"""The reliability diagram of a run: how often it is right, by how sure it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

from markupsafe import Markup

from bench.leaderboard.column import EN_DASH
from bench.leaderboard.svg import element, markup
from bench.records.breakdown import ReliabilityBin

__all__ = ["BinRow", "Reliability", "calibration_error", "reliability_of"]

_SIDE = 300
_LEFT, _TOP, _COUNTS = 54, 10, 64
"""Space for the labels, and the height of the bars that count images."""
_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


class BinRow(NamedTuple):
    """One bin as a row of a table."""

    confidence: str
    """The bin's ends, in percent."""
    num_samples: str
    mean: str
    """Mean confidence in percent."""
    accuracy: str
    gap: str
    """Accuracy minus confidence, in points."""


class Reliability(NamedTuple):
    """What a page shows of the bins."""

    drawing: Markup
    summary: str
    """The drawing in a sentence."""
    rows: list[BinRow]
    """The bins that hold an image."""


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """The expected calibration error that follows from the bins: the metric `ece`."""
    gaps = (abs(one.num_top1 - one.num_samples * one.confidence) for one in bins)
    return sum(gaps) / sum(one.num_samples for one in bins)


def reliability_of(bins: Sequence[ReliabilityBin]) -> Reliability | None:
    """The diagram and the table of a run's bins; None where there are none, or no image in them."""
    if not any(one.num_samples for one in bins):
        return None
    sure = sum(one.num_samples * one.confidence - one.num_top1 for one in bins)
    tendency = "too sure of itself" if sure > 0 else "less sure than it is right"
    summary = (
        f"Accuracy against confidence in {len(bins)} bins; expected calibration error "
        f"{100 * calibration_error(bins):.2f}%. On the whole the model is {tendency}."
    )
    rows = [_row(index, one, len(bins)) for index, one in enumerate(bins) if one.num_samples]
    drawing = Markup(markup(_drawing(bins, summary)))  # noqa: S704 - by an XML library
    return Reliability(drawing, summary, rows)


def _row(index: int, one: ReliabilityBin, num_bins: int) -> BinRow:
    accuracy = one.num_top1 / one.num_samples
    return BinRow(
        confidence=f"{100 * index / num_bins:.1f}{EN_DASH}{100 * (index + 1) / num_bins:.1f}",
        num_samples=f"{one.num_samples:,}",
        mean=f"{100 * one.confidence:.1f}",
        accuracy=f"{100 * accuracy:.1f}",
        gap=f"{100 * (accuracy - one.confidence):+.1f}",
    )


def _drawing(bins: Sequence[ReliabilityBin], summary: str) -> ET.Element:
    width, height = _LEFT + _SIDE + 12, _TOP + _SIDE + _COUNTS + 40
    base = _TOP + _SIDE
    step = _SIDE / len(bins)
    most = max(one.num_samples for one in bins)
    shapes = [_grid(base)]
    for index, one in enumerate(bins):
        if not one.num_samples:
            continue
        x, accuracy = _LEFT + index * step, one.num_top1 / one.num_samples
        high, low = max(accuracy, one.confidence), min(accuracy, one.confidence)
        column = {"x": x + 1, "width": step - 2}
        tall = max(1.0, (_COUNTS - 10) * one.num_samples / most)
        shapes += [
            element(
                "rect", {"class_": "bar-right", **column, "y": base - _SIDE * accuracy, "height": _SIDE * accuracy}
            ),
            element("rect", {"class_": "bar-gap", **column, "y": base - _SIDE * high, "height": _SIDE * (high - low)}),
            element("rect", {"class_": "bar-count", **column, "y": base + _COUNTS + 4 - tall, "height": tall}),
        ]
    shapes.append(element("path", {"class_": "ideal", "d": f"M{_LEFT} {base}L{_LEFT + _SIDE} {_TOP}"}))
    middle = _LEFT + _SIDE / 2
    shapes += [
        element("text", {"x": middle, "y": height - 4, "text-anchor": "middle"}, "Confidence, %"),
        element("text", {"x": 12, "y": _TOP + _SIDE / 2, "text-anchor": "middle",
                         "transform": f"rotate(-90 12 {_TOP + _SIDE // 2})"}, "Accuracy, %"),
        element("text", {"x": _LEFT - 6, "y": base + _COUNTS / 2 + 6, "text-anchor": "end"}, "Images"),
    ]  # fmt: skip
    box = {"viewBox": f"0 0 {width} {height}", "width": str(width), "height": str(height)}
    return element("svg", {"class_": "reliability", "role": "img", "aria-label": summary, **box}, *shapes)


def _grid(base: float) -> ET.Element:
    parts: list[ET.Element] = []
    for tick in _TICKS:
        x, y = _LEFT + _SIDE * tick, base - _SIDE * tick
        parts += [
            element("path", {"d": f"M{_LEFT} {y:g}H{_LEFT + _SIDE}"}),
            element("text", {"x": _LEFT - 6, "y": y + 4, "text-anchor": "end"}, f"{100 * tick:.0f}"),
            element("text", {"x": x, "y": base + _COUNTS + 20, "text-anchor": "middle"}, f"{100 * tick:.0f}"),
        ]
    return element("g", {}, *parts)
