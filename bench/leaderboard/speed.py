"""How fast a submission is: its own measurements and those of its architecture, and curves over batch sizes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from bench.leaderboard.column import DASH
from bench.leaderboard.facts import arithmetic_words
from bench.leaderboard.svg import element, markup, number
from bench.stored import Stored

__all__ = ["Curve", "Speed", "SpeedPoint", "curves_of", "speed_points"]

_COSTS = ("throughput_img_s", "train_throughput_img_s")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 600, 240, 62, 38, 12, 136


class SpeedPoint(NamedTuple):
    """One measured throughput."""

    what: str
    """Inference or training."""
    where: str
    """What the board calls the measurement, or the device."""
    device: str
    precision: str
    software: str
    """The version of torch."""
    batch_size: int | None
    value: float
    low: float | None
    high: float | None
    run: str
    entry: str

    @property
    def text(self) -> str:
        """Images a second."""
        return f"{self.value:,.1f}" if self.value < 100 else f"{self.value:,.0f}"

    @property
    def series(self) -> tuple[str, str, str, str]:
        """What the points of one line share."""
        return (self.what, self.device, self.precision, self.software)

    @property
    def line(self) -> str:
        """What names their line among those of its device."""
        return self.precision if self.software == DASH else f"{self.precision}, {self.software}"


class Curve(NamedTuple):
    """Throughput over batch sizes on one device, a line a precision and version of torch."""

    title: str
    summary: str
    drawing: Markup


class Speed(NamedTuple):
    """What a page shows of speed."""

    points: list[SpeedPoint]
    curves: list[Curve]


def speed_points(runs: Iterable[tuple[str, Stored]]) -> list[SpeedPoint]:
    """Every throughput that current runs hold, sorted; of equal conditions the latest.

    Args:
        runs: What the measurement is called, if anything, and the run.
    """
    found: dict[object, SpeedPoint] = {}
    for where, item in sorted(runs, key=lambda pair: pair[1].run):
        result = item.result
        if item.retraction is not None or result.failure is not None:
            continue
        for name in _COSTS:
            if (cost := result.costs.get(name)) is None:
                continue
            batch, torch = result.environment.get("batch_size"), result.environment.get("torch")
            device = cost.device or str(result.environment.get("gpu") or result.device_type or DASH)
            point = SpeedPoint(
                "inference" if name == _COSTS[0] else "training",
                where or device,
                device,
                arithmetic_words(result) or DASH,
                DASH if torch is None else f"torch {torch}",
                batch if type(batch) is int else None,
                cost.value,
                cost.ci_low,
                cost.ci_high,
                result.run,
                result.entry,
            )
            found[point.series, point.where, point.batch_size] = point
    return sorted(found.values(), key=lambda point: (point.series, point.where, point.batch_size or 0))


def curves_of(points: Sequence[SpeedPoint]) -> list[Curve]:
    """A drawing for each device of which one precision and version of torch was measured at two batch sizes or more."""
    groups: dict[tuple[str, str], dict[str, list[SpeedPoint]]] = {}
    for point in points:
        if point.batch_size is not None and point.value > 0:
            lines = groups.setdefault((point.what, point.device), {})
            lines.setdefault(point.line, []).append(point)
    curves = []
    for (what, device), lines in sorted(groups.items()):
        if any(len({point.batch_size for point in line}) > 1 for line in lines.values()):
            title = f"{what.capitalize()} on {device}"
            best = max((point for line in lines.values() for point in line), key=lambda point: point.value)
            summary = f"{title}: at most {best.text} images a second, at batch size {best.batch_size}, {best.line}"
            curves.append(Curve(title, summary, _drawing(lines, summary)))
    return curves


def _drawing(lines: dict[str, list[SpeedPoint]], summary: str) -> Markup:
    """Throughput from zero, batch sizes by their logarithm; each line is named at its end."""
    sizes = sorted({point.batch_size or 1 for line in lines.values() for point in line})
    top = max(point.high or point.value for line in lines.values() for point in line)
    wide, tall = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    spread = math.log(sizes[-1] / sizes[0]) or 1.0

    def x(size: int) -> float:
        return _LEFT + wide * math.log(size / sizes[0]) / spread

    def y(value: float) -> float:
        return _TOP + tall * (1 - value / top)

    shapes = []
    for share in (0.0, 0.5, 1.0):
        shapes += [
            element("path", {"d": f"M{_LEFT} {number(y(share * top))}H{_LEFT + wide}"}),
            element("text", {"x": _LEFT - 6, "y": y(share * top) + 4, "text-anchor": "end"}, f"{share * top:,.0f}"),
        ]
    for size in sizes:
        shapes.append(element("text", {"x": x(size), "y": _HEIGHT - 20, "text-anchor": "middle"}, str(size)))
    for index, (words, line) in enumerate(sorted(lines.items())):
        places = [(x(point.batch_size or 1), y(point.value), point) for point in line]
        path = "M" + "L".join(f"{number(left)} {number(up)}" for left, up, _ in places)
        shapes.append(element("path", {"class_": f"run run-{index % 4}", "d": path}))
        for left, up, point in places:
            if point.low is not None and point.high is not None:
                span = f"M{number(left)} {number(y(point.low))}V{number(y(point.high))}"
                shapes.append(element("path", {"d": span}))
            shapes.append(element("circle", {"cx": left, "cy": up, "r": 3}))
        shapes.append(element("text", {"x": places[-1][0] + 8, "y": places[-1][1] + 4}, words))
    label: dict[str, str | float] = {"x": _LEFT + wide / 2, "y": _HEIGHT - 3, "text-anchor": "middle"}
    shapes.append(element("text", label, "Batch size; images a second upwards"))
    size_of_it = {"viewBox": f"0 0 {_WIDTH} {_HEIGHT}", "width": str(_WIDTH), "height": str(_HEIGHT)}
    root = element("svg", {"class_": "speed", "role": "img", "aria-label": summary, **size_of_it}, *shapes)
    return Markup(markup(root))  # noqa: S704 - by an XML library
