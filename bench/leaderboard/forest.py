"""A forest plot: the first entries of a board, each with its interval on one scale, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from bench.leaderboard.column import Column, is_missing, values_of
from bench.leaderboard.columns import column_of
from bench.leaderboard.scales import Scale, tick_text
from bench.leaderboard.standing import Standing
from bench.leaderboard.svg import element, number
from bench.leaderboard.text_width import fitted

__all__ = ["NUM_ENTRIES", "ForestRow", "ends_of", "forest", "forest_rows"]

NUM_ENTRIES = 20
"""As many rows as a reader compares at a glance."""
_ROW, _TOP, _BOTTOM = 24.0, 6.0, 40.0
_RANK, _NAME, _LINES, _VALUES = 28.0, 38.0, 392.0, 156.0
"""Where ranks end and names begin, where the lines begin, and how wide the values are at the right."""
_SIZE = 12.0


class ForestRow(NamedTuple):
    """An entry and its interval, in the unit that the column shows."""

    rank: int
    name: str
    """Title, and the status where the entries differ in it."""
    low: float | None
    value: float
    high: float | None
    text: str
    """Value and interval in words."""


def forest_rows(place: Standing, most: int = NUM_ENTRIES) -> tuple[Column, list[ForestRow]]:
    """The column that decides the rank, and the first entries of a board.

    Args:
        place: The board.
        most: How many entries at most.
    """
    column, stem, rows = column_of(place.loaded.rank_by), f"metrics.{place.loaded.rank_by}", []
    names = ("rank", "submission.title", "status", f"{stem}.value", f"{stem}.ci_low", f"{stem}.ci_high")
    top = place.ranked.head(min(most, place.num_ranked))
    is_mixed = len(set(top["status"])) > 1
    for rank, title, status, value, low, high in zip(*(values_of(top, name) for name in names), strict=True):
        has_interval = not (is_missing(low) or is_missing(high))
        rows.append(
            ForestRow(
                rank=int(rank),
                name=f"{title} ({status})" if is_mixed else title,
                low=column.shown(low) if has_interval else None,
                value=column.shown(value) or 0.0,
                high=column.shown(high) if has_interval else None,
                text=f"{column.text(value)} ({column.interval(low, high)})" if has_interval else column.text(value),
            )
        )
    return column, rows


def ends_of(rows: Sequence[ForestRow]) -> list[float]:
    """All numbers that a scale must hold."""
    return [end for row in rows for end in (row.low, row.value, row.high) if end is not None]


def forest(column: Column, rows: Sequence[ForestRow], width: float = 860) -> Element:
    """The drawing of at least one row.

    Args:
        column: What is drawn.
        rows: From `forest_rows`.
        width: In CSS pixels; the height follows from the rows.
    """
    floor = _TOP + _ROW * len(rows)
    start, end = _LINES, width - _VALUES
    scale = Scale.over(ends_of(rows), start + 10, end - 10, may_be_log=False)
    root = element("svg", {"class_": "forest", "viewBox": f"0 0 {number(width)} {number(floor + _BOTTOM)}"})
    root.append(_axis(column, scale, (start, end), floor))
    for index, row in enumerate(rows):
        root.append(_row(row, scale, _TOP + _ROW * (index + 0.5), width))
    return root


def _axis(column: Column, scale: Scale, ends: tuple[float, float], floor: float) -> Element:
    axes = element("g", {"class_": "axes"})
    for tick in scale.ticks(6):
        at = scale.at(tick)
        axes.append(element("path", {"d": f"M{number(at)} {number(_TOP)}V{number(floor)}"}))
        axes.append(element("text", {"x": at, "y": floor + 16, "text-anchor": "middle"}, tick_text(tick)))
    middle = sum(ends) / 2
    axes.append(element("text", {"x": middle, "y": floor + 33, "text-anchor": "middle"}, column.label))
    return axes


def _row(row: ForestRow, scale: Scale, y: float, width: float) -> Element:
    base = y + 4
    drawn = element(
        "g",
        {},
        element("text", {"class_": "muted", "x": _RANK, "y": base, "text-anchor": "end"}, str(row.rank)),
        element("text", {"x": _NAME, "y": base}, fitted(row.name, _SIZE, _LINES - _NAME - 8)),
        element("text", {"class_": "muted", "x": width - _VALUES + 6, "y": base}, row.text),
    )
    if row.low is not None and row.high is not None:
        low, high = number(scale.at(row.low)), number(scale.at(row.high))
        drawn.append(element("path", {"class_": "span", "d": f"M{low} {number(y)}H{high}"}))
    drawn.append(element("circle", {"class_": "dot", "cx": scale.at(row.value), "cy": y, "r": 3.5}))
    return drawn
