"""The table of a board: what its cells show, what its script sorts by, and the same rows as CSV and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.leaderboard.board import LoadedBoard
from bench.leaderboard.columns import DASH, EN_DASH, Column, is_missing
from bench.leaderboard.exports import csv_text, plain
from bench.leaderboard.slugs import slug
from bench.leaderboard.standing import Standing

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CHUNK",
    "Cell",
    "Row",
    "board_csv",
    "board_records",
    "chunks",
    "exported_names",
    "script_data",
    "table_rows",
    "tracks_css",
]

CHUNK = 50
"""Rows of one table body, which a browser lays out together; the same number is in board.js and board.css."""


class Cell(NamedTuple):
    """One cell."""

    kind: str
    text: str
    css: str
    """Its classes."""
    note: str = ""
    """What stands small behind it: the rank interval, the team."""


class Row(NamedTuple):
    """One row."""

    slug: str
    """The file name of the submission's page."""
    cells: list[Cell]


def table_rows(standing: Standing) -> list[Row]:
    """The rows of a board in order of rank, as text."""
    frame = standing.ranked
    slugs = [slug(entry) for entry in frame["entry"]]
    columns = [_cells(column, frame) for column in standing.loaded.columns]
    return [Row(name, list(cells)) for name, *cells in zip(slugs, *columns, strict=True)]


def _cells(column: Column, frame: pd.DataFrame) -> list[Cell]:
    css = {"rank": "n rank", "model": "model", "interval": "ci", "percent": "n", "number": "n"}.get(column.kind, "")
    if column.kind == "interval":
        lows, highs = _values(frame, f"{column.source}.ci_low"), _values(frame, f"{column.source}.ci_high")
        texts = [column.interval(low, high) for low, high in zip(lows, highs, strict=True)]
    else:
        texts = [column.text(value) for value in _values(frame, column.source)]
    notes = [""] * len(texts)
    if column.kind == "rank":
        notes = [_span(low, high) for low, high in zip(frame["rank_low"], frame["rank_high"], strict=True)]
    elif column.kind == "model":
        notes = _teams(frame)
    missing = f"{css} nil".strip()
    return [
        Cell(column.kind, text, missing if text == DASH else css, note) for text, note in zip(texts, notes, strict=True)
    ]


def _values(frame: pd.DataFrame, name: str) -> list[Any]:
    return frame[name].tolist() if name in frame.columns else [None] * len(frame)


def _span(low: Any, high: Any) -> str:
    return "" if is_missing(low) else f"{low}{EN_DASH}{high}"


def _teams(frame: pd.DataFrame) -> list[str]:
    titles, names = _values(frame, "submission.team_title"), _values(frame, "submission.team")
    return [name if is_missing(title) else title for title, name in zip(titles, names, strict=True)]


def chunks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The rows in groups of `CHUNK`."""
    iterator = iter(rows)
    while group := list(islice(iterator, CHUNK)):
        yield group


def script_data(standing: Standing) -> dict[str, Any]:
    """What board.js needs: a number a cell to sort by, the text to search in, the ends of the intervals.

    Text sorts by its place in the alphabet, found here, so that every browser sorts alike.
    """
    frame = standing.ranked
    columns = []
    for column in standing.loaded.columns:
        entry: dict[str, Any] = {"name": column.name, "descending": column.descending_first}
        if column.kind == "interval":
            ends = {end: _values(frame, f"{column.source}.{end}") for end in ("ci_low", "value", "ci_high")}
            shown = {end: [column.shown(value) for value in values] for end, values in ends.items()}
            entry |= {"keys": shown["ci_low"], "value": shown["value"], "high": shown["ci_high"]}
        elif column.numeric:
            entry["keys"] = [plain(value) for value in _values(frame, column.source)]
        else:
            entry["keys"] = _alphabetical(_values(frame, column.source))
        columns.append(entry)
    return {"columns": columns, "search": _search_texts(standing.loaded, frame)}


def _alphabetical(values: list[Any]) -> list[int | None]:
    """The place of each text in the order of all, upper and lower case alike; equal texts share one."""
    known = sorted({value for value in values if not is_missing(value)}, key=lambda text: (text.casefold(), text))
    place = {value: index for index, value in enumerate(known)}
    return [None if is_missing(value) else place[value] for value in values]


def _search_texts(loaded: LoadedBoard, frame: pd.DataFrame) -> list[str]:
    """For each row the text that the search looks at, in lower case: title, team, entry and the columns of text."""
    sources = [column.source for column in loaded.columns if column.kind == "text"]
    parts = [_values(frame, name) for name in ("submission.title", "entry", *sources)]
    return [
        " ".join(str(part) for part in row if not is_missing(part)).lower()
        for row in zip(*parts[:1], _teams(frame), *parts[1:], strict=True)
    ]


def tracks_css(boards: Sequence[LoadedBoard]) -> str:
    """The widths of each board's columns: a grid track a column, the model's takes the rest."""
    special = {"rank": "var(--w-rank)", "model": "minmax(var(--w-model), 1fr)", "interval": "var(--w-interval)"}
    named = {"rank": "var(--w-rank)", "model": "var(--w-model)", "interval": "var(--w-interval)"}
    rules = []
    for loaded in boards:
        widths = [(column.kind, _track(column)) for column in loaded.columns]
        tracks = " ".join(special.get(kind, width) for kind, width in widths)
        least = " + ".join(named.get(kind, width) for kind, width in widths)
        rules.append(f'[data-board="{loaded.board.id}"] {{ --tracks: {tracks}; --least: calc({least}); }}\n')
    return "".join(rules)


def _track(column: Column) -> str:
    return "var(--w-first)" if column.name == "top1" else f"{column.width}px"


def board_records(standing: Standing) -> list[dict[str, Any]]:
    """All rows of a board as plain records, ranked ones first; keys are those of the data frame."""
    names = exported_names(standing.loaded)
    records = []
    for frame in (standing.ranked, standing.unranked):
        columns = [_values(frame, name) for name in names]
        records += [
            {name: plain(value) for name, value in zip(names, row, strict=True)} for row in zip(*columns, strict=True)
        ]
    return records


def board_csv(standing: Standing, records: list[dict[str, Any]]) -> str:
    """The records of a board as CSV."""
    names = exported_names(standing.loaded)
    return csv_text(names, ([record[name] for name in names] for record in records))


def exported_names(loaded: LoadedBoard) -> list[str]:
    """The columns of the data frame that a board's files hold, in order."""
    names = ["rank", "rank_low", "rank_high", "submission.team", "submission.name", "submission.title", "run"]
    for column in loaded.columns:
        if column.kind == "interval":
            names += [f"{column.source}.{key}" for key in ("value", "ci_low", "ci_high", "count", "num_samples")]
        else:
            names.append(column.source)
    names += ["status", "state", "created_at", "reason"]
    return list(dict.fromkeys(names))
