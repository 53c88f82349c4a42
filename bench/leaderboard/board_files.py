"""The whole boards as files to take away: Markdown, LaTeX and Parquet; and every run as one Parquet table."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.files import canonical_json
from bench.leaderboard.column import EN_DASH, Column, is_missing, values_of
from bench.leaderboard.exports import latex_text, markdown_text
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page
from bench.leaderboard.standing import Standing
from bench.leaderboard.table import exported_names, rank_texts, team_titles

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TextTable", "board_file_pages", "board_frame", "board_text", "parquet_bytes", "standing_inputs", "typed"]


class TextTable(NamedTuple):
    """The table of a board as its page shows it, as text; rates in percent."""

    headers: list[str]
    rows: list[list[str]]
    numeric: list[bool]
    """For each column whether it holds numbers."""


def board_file_pages(material: Material) -> Iterator[Page]:
    """Each board as Markdown, LaTeX and Parquet beside its page, and all runs as `table.parquet`."""
    for place in material.standings:
        yield from _files_of_board(place)
    frame = material.frame
    names = ["run", "state", *(name for name in frame.columns if name.startswith("retraction."))]
    inputs = [frame[name].tolist() for name in names]
    yield Page.lazy("table.parquet", inputs, lambda: parquet_bytes(typed(frame)))


def _files_of_board(place: Standing) -> Iterator[Page]:
    stem, inputs = f"boards/{place.loaded.board.id}", standing_inputs(place)
    table = cache(partial(board_text, place))
    yield Page.lazy(f"{stem}.md", inputs, lambda: markdown_text(table().headers, table().rows, numeric=table().numeric))
    yield Page.lazy(f"{stem}.tex", inputs, lambda: _latex(place, table()))
    yield Page.lazy(f"{stem}.parquet", inputs, lambda: parquet_bytes(board_frame(place)))


def standing_inputs(place: Standing) -> tuple[Any, ...]:
    """What decides every number of a standing: the board, the runs and their ranks; a run's id covers its record."""
    joined = [f"{join.name}.run" for join in place.loaded.board.joins]
    ranked, unranked = place.ranked, place.unranked
    return (
        canonical_json(place.loaded.board.as_json()),
        place.loaded.protocol_digest,
        place.rank_rule,
        [ranked[name].tolist() for name in ("run", "rank", "rank_low", "rank_high", *joined)],
        [unranked[name].tolist() for name in ("run", "state", "reason")],
    )


def _latex(place: Standing, table: TextTable) -> str:
    board = place.loaded.board
    caption = f"{board.title}: all {len(table.rows):,} rows of the board {board.id}, protocol {board.protocol}"
    return latex_text(caption, table.headers, table.rows, numeric=table.numeric)


def board_text(place: Standing) -> TextTable:
    """The rows of a board's page as text, in its columns, with the team behind the model."""
    headers, numeric, cells = list[str](), list[bool](), list[list[str]]()
    for column in place.loaded.columns:
        headers.append(column.label)
        numeric.append(column.numeric or column.kind == "interval")
        cells.append(_texts(column, place))
        if column.kind == "model":
            headers.append("Team")
            numeric.append(False)
            cells.append(team_titles(place.ranked))
    return TextTable(headers, [list(row) for row in zip(*cells, strict=True)], numeric)


def _texts(column: Column, place: Standing) -> list[str]:
    frame = place.ranked
    if column.kind == "interval":
        ends = (values_of(frame, f"{column.source}.{end}") for end in ("ci_low", "ci_high"))
        return [column.interval(low, high) for low, high in zip(*ends, strict=True)]
    if column.kind == "rank":
        spans = zip(rank_texts(place), values_of(frame, "rank_low"), values_of(frame, "rank_high"), strict=True)
        return [rank if is_missing(low) else f"{rank} ({low}{EN_DASH}{high})" for rank, low, high in spans]
    return [column.text(value) for value in values_of(frame, column.source)]


def board_frame(place: Standing) -> pd.DataFrame:
    """All rows of a board, ranked ones first, with the columns of its CSV file in the types of the data frame."""
    import pandas as pd

    parts = (place.ranked, place.unranked)
    columns: dict[str, pd.Series[Any]] = {}
    for name in exported_names(place.loaded):
        # Joined by hand: `concat` would guess a type where one of the frames lacks the column.
        kinds = [part[name].dtype for part in parts if name in part.columns]
        values = [value for part in parts for value in values_of(part, name)]
        columns[name] = pd.Series(values, dtype=kinds[0] if kinds else "object")
    return typed(pd.DataFrame(columns))


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with one type a column: where values of several types are mixed, all become text."""
    return frame.assign(**{name: _of_one_type(frame[name]) for name in frame.columns[frame.dtypes == "object"]})


def _of_one_type(column: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    values = [None if is_missing(value) else value for value in column.tolist()]
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1:
        return pd.Series([None if value is None else str(value) for value in values], index=column.index)
    return pd.Series(values, index=column.index, dtype="boolean" if kinds == {bool} else "object")


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """A frame as a Parquet file; equal frames give equal bytes under one version of pyarrow."""
    out = io.BytesIO()
    frame.to_parquet(out, engine="pyarrow", compression="zstd", index=False)
    return out.getvalue()
