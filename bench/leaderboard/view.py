"""What board.js needs to sort, filter, draw and export the rows of a board that stand in its page."""

from __future__ import annotations

from typing import Any

from bench.leaderboard.column import Column, is_missing, values_of
from bench.leaderboard.exports import plain
from bench.leaderboard.facets import Facet, alphabetical
from bench.leaderboard.scatter import axis_columns, num_verified
from bench.leaderboard.standing import Standing
from bench.leaderboard.table import team_titles, track

__all__ = ["view_data"]


def view_data(standing: Standing, facets: list[Facet]) -> dict[str, Any]:
    """Column by column, in the order of the page: a number a cell, by which it sorts; texts are read from the page.

    Text sorts by its place in the alphabet, found here, so that every browser sorts alike. Numbers have nine
    significant digits: more would double the page and tell nothing.
    """
    axes = {column.name for column in axis_columns(standing)}
    columns = [_column(column, standing, is_axis=column.name in axes) for column in standing.loaded.columns]
    return {
        "board": standing.loaded.board.id,
        "rank_by": standing.loaded.rank_by,
        "num_verified": num_verified(standing),
        "columns": columns,
        "facets": [_facet(facet) for facet in facets],
        "entries": _entries(standing),
    }


def _column(column: Column, standing: Standing, *, is_axis: bool) -> dict[str, Any]:
    frame = standing.ranked
    data: dict[str, Any] = {
        "name": column.name,
        "label": column.label,
        "kind": column.kind,
        "group": column.group,
        "width": track(column),
        "descending": column.descending_first,
    }
    if column.kind == "rank":
        data["keys"] = _places(standing)
    elif column.kind == "interval":
        # The ends stand in the cell; more digits of them would cost a tenth of the page.
        data["keys"] = _order(values_of(frame, f"{column.source}.ci_low"))
        shown = [item.source for item in standing.loaded.columns]
        data["of"] = shown.index(f"{column.source}.value") if f"{column.source}.value" in shown else None
        data["scale"] = column.scale
    elif column.numeric:
        data["keys"] = [_short(value) for value in values_of(frame, column.source)]
        data["scale"] = column.scale
        if is_axis:
            data |= {"higher": column.higher_is_better, "digits": column.digits, "unit": column.unit}
    else:
        data["keys"] = alphabetical(values_of(frame, column.source))
    return data


def _order(values: list[Any]) -> list[int | None]:
    """The place of each number in the order of all; equal numbers share one."""
    place = {value: index for index, value in enumerate(sorted({value for value in values if not is_missing(value)}))}
    return [None if is_missing(value) else place[value] for value in values]


def _short(value: Any) -> Any:
    if is_missing(value) or isinstance(value, str):
        return plain(value)
    short = float(f"{float(value):.9g}")
    return int(short) if short.is_integer() else short


def _places(standing: Standing) -> list[int | None]:
    """By what the rank sorts: verified rows before others, never ranks of two statuses mixed."""
    places: list[int | None] = []
    before, last = 0, None
    for status, rank in zip(standing.ranked["status"], standing.ranked["rank"].tolist(), strict=True):
        if status != last:
            before, last = len(places), status
        places.append(None if is_missing(rank) else before + int(rank))
    return places


def _facet(facet: Facet) -> dict[str, Any]:
    source = {"keys": facet.keys} if facet.column is None else {"column": facet.column}
    return {"name": facet.name, **source}


def _entries(standing: Standing) -> list[str]:
    """The keys of the entries, to search in; only their ends where they begin with the team and the title shown."""
    shown = zip(team_titles(standing.ranked), standing.ranked["submission.title"], strict=True)
    starts = (f"{team}/{title}".lower() for team, title in shown)
    return [entry.removeprefix(start) for entry, start in zip(standing.ranked["entry"], starts, strict=True)]
