"""The plot of a board: one number against another, and the staircase of the frontier, as SVG.

board.js draws the same plot again for the view and the width of the window; this one is for readers without a script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from xml.etree.ElementTree import Element

from bench.leaderboard.column import Column, values_of
from bench.leaderboard.columns import column_of
from bench.leaderboard.frontier import frontier
from bench.leaderboard.scales import Scale, fence, tick_text
from bench.leaderboard.standing import Standing
from bench.leaderboard.svg import element, number

__all__ = ["Axes", "Plot", "axes_of", "axis_columns", "mini_scatter", "num_verified", "scatter"]

LAYERS = 4
"""Points are spread over paths, each a little transparent: where many lie, it is darker, with four elements in all."""


class Axes(NamedTuple):
    """What a plot shows."""

    x: Column
    y: Column


class Plot(NamedTuple):
    """A plot and what is said about it."""

    svg: Element
    note: str
    """How many entries lie beyond its edge, in words; empty where none does."""
    frontier: list[int]
    """The rows on the frontier, from the best x to the worst."""
    scales: tuple[Scale, Scale] | None = None
    """Where values lie, along x and along y, in the units that the columns show; None without any point."""


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """The size of a plot and the room around its points, in CSS pixels."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float

    @property
    def floor(self) -> float:
        return self.height - self.bottom

    @property
    def wall(self) -> float:
        return self.width - self.right


def axis_columns(standing: Standing) -> list[Column]:
    """The columns of a board that the plot can lay along an axis: numbers with a better end that some row has."""
    frame = standing.ranked
    return [
        column
        for column in standing.loaded.columns
        if column.is_axis and column.source in frame.columns and bool(frame[column.source].notna().any())
    ]


def axes_of(standing: Standing) -> Axes | None:
    """The axes that a board's plot opens with, or None where there are no two numbers to plot.

    What the board ranks by (or else its first accuracy) against `plot_against`, or else the first throughput or cost.
    """
    columns = axis_columns(standing)
    rank_by = column_of(standing.loaded.rank_by)
    y = rank_by if rank_by in columns else next((item for item in columns if item.group == "accuracy"), None)
    wanted = standing.loaded.board.plot_against
    others = [item for item in columns if item != y]
    x = next((item for item in others if item.name == wanted), None)
    x = x or next((item for item in others if item.group in ("throughput", "cost")), None) or next(iter(others), None)
    return None if x is None or y is None else Axes(x, y)


def num_verified(standing: Standing) -> int:
    """How many of the first rows of a board are verified; all of them where it ranks results of one status only."""
    if len(standing.loaded.board.statuses) == 1:
        return len(standing.ranked)
    return int((standing.ranked["status"] == "verified").sum())


def scatter(standing: Standing, axes: Axes, width: float = 1080, height: float = 400) -> Plot:
    """The plot of all rows that have both values.

    Args:
        standing: The board.
        axes: Its axes, as from `axes_of`.
        width: In CSS pixels.
        height: In CSS pixels.
    """
    frame = _Frame(width=width, height=height, left=52, right=18, top=26, bottom=46)
    xs, ys = _shown(standing, axes)
    on_frontier = _frontier(axes, xs, ys)
    label = f"{axes.y.label} against {axes.x.label}, a dot an entry"
    root = element("svg", {"class_": "scatter", "viewBox": f"0 0 {number(width)} {number(height)}", "role": "img"})
    points = _points(xs, ys)
    if not points:
        root.set("aria-label", f"{label}: no entry has both values")
        return Plot(root, "", [])
    root.set("aria-label", f"{label}, and the frontier of {len(on_frontier)}, which is listed below the plot")
    x_scale, y_scale = _scales(axes, points, frame, gap=10)
    root.append(_grid(axes, x_scale, y_scale, frame))
    root.extend(_drawing(axes, xs, ys, on_frontier, (x_scale, y_scale), frame, num_verified(standing)))
    hidden = sum(not y_scale.low <= y <= y_scale.high for _, y in points)
    return Plot(root, _note(axes.y, y_scale, hidden), on_frontier, (x_scale, y_scale))


def mini_scatter(standing: Standing, width: float = 220, height: float = 90) -> Element | None:
    """A small plot without numbers, for a card; None where fewer than three rows have both values."""
    axes = axes_of(standing)
    if axes is None:
        return None
    frame = _Frame(width=width, height=height, left=2, right=2, top=2, bottom=2)
    xs, ys = _shown(standing, axes)
    points = _points(xs, ys)
    if len(points) < 3:
        return None
    label = f"{axes.y.label} against {axes.x.label}: {len(points):,} entries and their frontier"
    view = f"0 0 {number(width)} {number(height)}"
    root = element("svg", {"class_": "scatter mini", "viewBox": view, "role": "img", "aria-label": label})
    root.attrib |= {"width": number(width), "height": number(height)}
    root.extend(_drawing(axes, xs, ys, _frontier(axes, xs, ys), _scales(axes, points, frame, gap=3), frame, len(xs)))
    return root


def _shown(standing: Standing, axes: Axes) -> tuple[list[float | None], list[float | None]]:
    xs, ys = ([column.shown(value) for value in values_of(standing.ranked, column.source)] for column in axes)
    return xs, ys


def _points(xs: Sequence[float | None], ys: Sequence[float | None]) -> list[tuple[float, float]]:
    return [(x, y) for x, y in zip(xs, ys, strict=True) if x is not None and y is not None and x > 0]


def _frontier(axes: Axes, xs: Sequence[float | None], ys: Sequence[float | None]) -> list[int]:
    x, y = axes
    return frontier(xs, ys, x_higher_is_better=bool(x.higher_is_better), y_higher_is_better=bool(y.higher_is_better))


def _scales(axes: Axes, points: Sequence[tuple[float, float]], frame: _Frame, *, gap: float) -> tuple[Scale, Scale]:
    """The scales of both axes; the y axis ends at the fence."""
    xs, ys = ([point[index] for point in points] for index in (0, 1))
    x_scale = Scale.over(xs, frame.left + gap, frame.wall - gap, may_be_log=axes.x.kind == "number")
    y_ends = (frame.floor - gap, frame.top + gap)
    y_scale = Scale.over(ys, *y_ends, may_be_log=axes.y.kind == "number")
    if not y_scale.is_log:
        end = fence(ys, higher_is_better=bool(axes.y.higher_is_better))
        inside = [y for y in ys if (y >= end if axes.y.higher_is_better else y <= end)]
        y_scale = Scale.over([end, *inside], *y_ends, may_be_log=False)
    return x_scale, y_scale


def _grid(axes: Axes, x_scale: Scale, y_scale: Scale, frame: _Frame) -> Element:
    grid = element("g", {"class_": "axes"})
    for tick in x_scale.ticks(int((frame.wall - frame.left) / 70)):
        at = number(x_scale.at(tick))
        grid.append(element("path", {"d": f"M{at} {number(frame.top)}V{number(frame.floor)}"}))
        grid.append(element("text", {"x": at, "y": frame.floor + 17, "text-anchor": "middle"}, tick_text(tick)))
    for tick in y_scale.ticks(6):
        at = number(y_scale.at(tick))
        grid.append(element("path", {"d": f"M{number(frame.left)} {at}H{number(frame.wall)}"}))
        y = y_scale.at(tick) + 4
        grid.append(element("text", {"x": frame.left - 8, "y": y, "text-anchor": "end"}, tick_text(tick)))
    grid.append(element("text", {"x": 0, "y": 13}, axes.y.label))
    grid.append(element("text", {"x": frame.wall, "y": frame.height - 8, "text-anchor": "end"}, axes.x.label))
    return grid


def _drawing(
    axes: Axes,
    xs: Sequence[float | None],
    ys: Sequence[float | None],
    on_frontier: Sequence[int],
    scales: tuple[Scale, Scale],
    frame: _Frame,
    num_verified: int,
) -> list[Element]:
    """The points, those beyond the edge hollow, and the staircase of the frontier; verified rows come first."""
    x_scale, y_scale = scales
    layers: list[list[str]] = [[] for _ in range(2 * LAYERS)]
    edge = []
    for index, (x, y) in enumerate(zip(xs, ys, strict=True)):
        if x is None or y is None or x <= 0:
            continue
        place = f"M{number(x_scale.at(x))} {number(y_scale.at(y))}"
        if y_scale.low <= y <= y_scale.high:
            layers[index % LAYERS + (LAYERS if index >= num_verified else 0)].append(f"{place}h0")
        else:
            edge.append(f"{place}m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0")
    drawn = [
        element("path", {"d": "".join(layer)} | ({"class_": "other"} if place >= LAYERS else {}))
        for place, layer in enumerate(layers)
        if layer
    ]
    steps = [
        (x_scale.at(x), y_scale.at(y))
        for x, y in ((xs[index], ys[index]) for index in on_frontier)
        if x is not None and y is not None and y_scale.low <= y <= y_scale.high
    ]
    return [
        element("g", {"class_": "points"}, *drawn),
        element("path", {"class_": "edge", "d": "".join(edge)}),
        element("path", {"class_": "frontier", "d": _staircase(axes, steps, frame)}),
    ]


def _staircase(axes: Axes, steps: Sequence[tuple[float, float]], frame: _Frame) -> str:
    """A staircase, for between two entries nothing better is known: from the worst y at the best x to the worst x."""
    if not steps:
        return ""
    worst_y = frame.floor if axes.y.higher_is_better else frame.top
    worst_x = frame.left if axes.x.higher_is_better else frame.wall
    path = [f"M{number(steps[0][0])} {number(worst_y)}"]
    path += [f"H{number(x)}V{number(y)}" for x, y in steps]
    return "".join(path) + f"H{number(worst_x)}"


def _note(column: Column, scale: Scale, hidden: int) -> str:
    if not hidden:
        return ""
    side, edge, end = ("below", "lower", scale.low) if column.higher_is_better else ("above", "upper", scale.high)
    entries, are = ("entry", "is") if hidden == 1 else ("entries", "are")
    return f"{hidden:,} {entries} {side} {tick_text(round(end, 1))} {column.unit}".rstrip() + (
        f" {are} drawn hollow at the {edge} edge."
    )
