"""The table of a board: cells, groups and widths of columns; the same rows as CSV and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.leaderboard.board import LoadedBoard
from bench.leaderboard.column import DASH, EN_DASH, GROUP_TITLES, Column, Group, is_missing, values_of
from bench.leaderboard.exports import csv_text, plain
from bench.leaderboard.facets import claim_differs
from bench.leaderboard.slugs import slug
from bench.leaderboard.standing import Standing
from bench.leaderboard.trust import signature_badge

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CHUNK",
    "Badge",
    "Cell",
    "ColumnGroup",
    "Row",
    "board_csv",
    "board_records",
    "chunks",
    "column_groups",
    "exported_names",
    "is_mixed",
    "rank_texts",
    "table_rows",
    "team_titles",
    "track",
    "tracks_css",
]

CHUNK = 50
"""Rows of one table body, which a browser lays out together; the same number is in board.js and board.css."""
PAGE_WIDTH = 1040
"""CSS pixels of a landscape page of A4 between its margins."""


class Badge(NamedTuple):
    """A word about a row, in a frame."""

    text: str
    css: str
    note: str
    """What it means, for a tool tip."""


class Cell(NamedTuple):
    """One cell."""

    kind: str
    text: str
    css: str
    """Its classes."""
    note: str = ""
    """What stands small behind it: the rank interval, the team."""
    badges: tuple[Badge, ...] = ()


class Row(NamedTuple):
    """One row."""

    slug: str
    """The file name of the submission's page."""
    cells: list[Cell]


class ColumnGroup(NamedTuple):
    """Neighbouring columns of one group."""

    name: Group
    title: str
    span: int
    """How many columns."""


def table_rows(standing: Standing) -> list[Row]:
    """The rows of a board in order of rank, as text."""
    frame = standing.ranked
    slugs = [slug(entry) for entry in frame["entry"]]
    columns = [_cells(column, standing) for column in standing.loaded.columns]
    return [Row(name, list(cells)) for name, *cells in zip(slugs, *columns, strict=True)]


def _cells(column: Column, standing: Standing) -> list[Cell]:
    frame = standing.ranked
    css = {"rank": "n rank", "model": "model", "interval": "ci", "percent": "n", "number": "n"}.get(column.kind, "")
    if column.kind == "interval":
        lows, highs = (values_of(frame, f"{column.source}.{end}") for end in ("ci_low", "ci_high"))
        texts = [column.interval(low, high) for low, high in zip(lows, highs, strict=True)]
    elif column.kind == "rank":
        texts = rank_texts(standing)
    else:
        texts = [column.text(value) for value in values_of(frame, column.source)]
    notes = [""] * len(texts)
    badges: list[tuple[Badge, ...]] = [()] * len(texts)
    if column.kind == "rank":
        notes = [_span(low, high) for low, high in zip(frame["rank_low"], frame["rank_high"], strict=True)]
    elif column.kind == "model":
        notes, badges = team_titles(frame), _badges(standing)
    missing = f"{css} nil".strip()
    return [
        Cell(column.kind, text, missing if text == DASH else css, note, marks)
        for text, note, marks in zip(texts, notes, badges, strict=True)
    ]


def is_mixed(standing: Standing) -> bool:
    """Whether a board ranks results of several statuses, each on its own."""
    return len(standing.loaded.board.statuses) > 1


def rank_texts(standing: Standing) -> list[str]:
    """The ranks as a page shows them: `S1` is the first of the self-reported ones on a board that has both."""
    frame, mixed = standing.ranked, is_mixed(standing)
    return [
        DASH if is_missing(rank) else f"S{rank}" if mixed and status == "self-reported" else str(rank)
        for rank, status in zip(frame["rank"].tolist(), frame["status"].tolist(), strict=True)
    ]


def _badges(standing: Standing) -> list[tuple[Badge, ...]]:
    mixed = is_mixed(standing)
    claim = Badge("claim differs", "failed", "The authors claim an accuracy outside the 95% interval of this one.")
    statuses = standing.ranked["status"].tolist()
    states = [None if is_missing(state) else state for state in values_of(standing.ranked, "signature")]
    return [
        (*((Badge(status, status, "Not verified by a maintainer."),) if mixed and status != "verified" else ()),
         *((Badge(*signed),) if (signed := signature_badge(state)) else ()),
         *((claim,) if differs else ()))
        for status, state, differs in zip(statuses, states, claim_differs(standing), strict=True)
    ]  # fmt: skip


def _span(low: Any, high: Any) -> str:
    return "" if is_missing(low) else f"{low}{EN_DASH}{high}"


def team_titles(frame: pd.DataFrame) -> list[str]:
    """The teams as a page shows them."""
    titles, names = (values_of(frame, f"submission.{name}") for name in ("team_title", "team"))
    return [name if is_missing(title) else title for title, name in zip(titles, names, strict=True)]


def chunks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The rows in groups of `CHUNK`."""
    iterator = iter(rows)
    while group := list(islice(iterator, CHUNK)):
        yield group


def column_groups(columns: Sequence[Column]) -> list[ColumnGroup]:
    """The columns of a board in runs of one group; a group that is interrupted comes again."""
    runs = [(name, len(list(run))) for name, run in groupby(columns, key=lambda column: column.group)]
    return [ColumnGroup(name, GROUP_TITLES[name], span) for name, span in runs]


def tracks_css(boards: Sequence[LoadedBoard]) -> str:
    """The widths of each board's columns, so that a table without a script does not collapse: a grid track a column.

    The first track is that of the tick boxes; the model's takes what is left. On paper the whole table fits one page.
    """
    rules = []
    for loaded in boards:
        board, columns = f'[data-board="{loaded.board.id}"]', loaded.columns
        widths = [track(column) for column in columns]
        tracks = " ".join(
            f"minmax({width}, 1fr)" if column.kind == "model" else width
            for column, width in zip(columns, widths, strict=True)
        )
        rules.append(
            f"{board} {{ --tracks: var(--w-pick) {tracks}; --least: calc(var(--w-pick) + {' + '.join(widths)}); }}\n"
        )
        first = 1
        for number, group in enumerate(column_groups(columns), 1):
            rules.append(f"{board} .groups > :nth-child({number}) {{ grid-column: span {group.span + first}; }}\n")
            first = 0
        wide = sum(116 if column.kind == "interval" else column.width for column in columns)
        if wide > PAGE_WIDTH:
            rules.append(f"@media print {{ {board} {{ zoom: {PAGE_WIDTH / wide:.3f}; }} }}\n")
    return "".join(rules)


def track(column: Column) -> str:
    """The width of a column as CSS; that of some depends on the width of the window."""
    special = {"rank": "var(--w-rank)", "model": "var(--w-model)", "interval": "var(--w-interval)"}
    return "var(--w-first)" if column.name == "top1" else special.get(column.kind, f"{column.width}px")


def board_records(standing: Standing) -> list[dict[str, Any]]:
    """All rows of a board as plain records, ranked ones first; keys are those of the data frame."""
    names = exported_names(standing.loaded)
    records = []
    for frame in (standing.ranked, standing.unranked):
        columns = [values_of(frame, name) for name in names]
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
