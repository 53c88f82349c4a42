"""The table of a board: cells, sort keys, search texts, exports."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from leaderboard.made_results import run_of, tiny_store, write_boards

from bench.leaderboard.board import load_boards
from bench.leaderboard.column import DASH, EN_DASH
from bench.leaderboard.facets import facets_of
from bench.leaderboard.frame import frame_of
from bench.leaderboard.standing import Standing, standing
from bench.leaderboard.table import CHUNK, board_csv, board_records, chunks, column_groups, table_rows, tracks_css
from bench.leaderboard.view import view_data
from bench.stats.intervals import wilson


def _standing(tmp_path: Path, results: list[Any]) -> Standing:
    boards, _ = load_boards(write_boards(tmp_path / "boards"))
    return standing(boards[0], frame_of(results))


def _cell(place: Standing, row: int, column: str) -> str:
    names = [item.name for item in place.loaded.columns]
    return table_rows(place)[row].cells[names.index(column)].text


def test_cells_show_percent_intervals_and_rank_intervals(tmp_path: Path) -> None:
    """The numbers come from counts, not from rounded percent."""
    place = _standing(tmp_path, tiny_store(tmp_path).scan().stored)

    low, high = wilson(450, 500)
    rank, model = table_rows(place)[0].cells[:2]
    assert (rank.text, rank.note) == ("1", f"1{EN_DASH}1")
    assert (model.text, model.note) == ("Tiny ResNet", "Acme Labs")
    assert _cell(place, 0, "top1") == "90.00"
    assert _cell(place, 0, "top1_interval") == f"{100 * low:.2f}{EN_DASH}{100 * high:.2f}"
    assert _cell(place, 0, "num_params") == "1.23"
    assert _cell(place, 1, "license") == DASH


def test_self_reported_rows_are_marked_where_verified_ones_stand_too(tmp_path: Path) -> None:
    """Each status is ranked on its own: `S1` is no rival of `1`; a claim outside the interval is named in the row."""
    rows = table_rows(_standing(tmp_path, tiny_store(tmp_path).scan().stored))

    assert [row.cells[0].text for row in rows] == ["1", "S1", "S1"]
    assert [[badge.text for badge in row.cells[1].badges] for row in rows] == [
        ["claim differs"],
        ["self-reported"],
        ["self-reported"],
    ]


def test_rows_come_in_chunks(tmp_path: Path) -> None:
    """The last chunk has the rest."""
    rows = table_rows(_standing(tmp_path, [run_of(f"net{index}", 300 + index) for index in range(120)]))

    assert [len(group) for group in chunks(rows)] == [CHUNK, CHUNK, 20]
    assert [row for group in chunks(rows) for row in group] == rows


def test_sort_keys_are_numbers_and_missing_ones_are_null(tmp_path: Path) -> None:
    """Text sorts by its place in the alphabet, upper and lower case alike."""
    results = [
        run_of("a", 450, words={"title": "beta", "license": "MIT"}),
        run_of("b", 400, words={"title": "Alpha"}),
        run_of("c", 300, words={"title": "alpha", "license": "MIT"}),
    ]

    place = _standing(tmp_path, results)
    data = view_data(place, facets_of(place))

    keys = {column["name"]: column["keys"] for column in data["columns"]}
    assert keys["model"] == [2, 0, 1]
    assert keys["license"] == [0, None, 0]
    assert keys["top1"] == [0.9, 0.8, 0.6]
    assert keys["top1_interval"] == [2, 1, 0]
    # Team and title stand in the row; an entry is sent as far as it does not follow from them.
    assert data["entries"] == ["acme/a", "acme/b", "acme/c"]


def test_ranks_of_two_statuses_never_mix(tmp_path: Path) -> None:
    """Sorted by rank, verified rows come before self-reported ones; a row without a rank has no key."""
    words = {"a": (300, "verified"), "b": (450, "self-reported"), "c": (460, "self-reported"), "d": (310, "verified")}
    results = [run_of(name, count, status=status) for name, (count, status) in words.items()]
    place = _standing(tmp_path, results)

    (rank,) = [column["keys"] for column in view_data(place, [])["columns"] if column["name"] == "rank"]

    assert place.ranked["submission.name"].tolist() == ["d", "a", "c", "b"]
    assert rank == [1, 2, 3, 4]


def test_columns_stand_in_groups(tmp_path: Path) -> None:
    """Neighbours of one group share a header; its spans cover all columns."""
    groups = column_groups(_standing(tmp_path, []).loaded.columns)

    assert [(group.name, group.span) for group in groups][:3] == [("result", 2), ("accuracy", 3), ("calibration", 1)]
    assert sum(group.span for group in groups) == 15


def test_records_and_csv_hold_every_row_in_fractions(tmp_path: Path) -> None:
    """Ranked rows first, then the others with their reasons; names are those of the data frame."""
    place = _standing(tmp_path, tiny_store(tmp_path).scan().stored)
    records = board_records(place)

    read = list(csv.DictReader(io.StringIO(board_csv(place, records), newline="")))

    assert [row["rank"] for row in read] == ["1", "1", "1", "", "", ""]
    assert read[0]["metrics.top1.value"] == "0.9"
    assert float(read[0]["metrics.top1.ci_low"]) == wilson(450, 500).low
    assert [row["reason"] for row in read][-3:] == [record["reason"] for record in records][-3:]
    assert all(row["reason"] for row in read[3:])


def test_every_board_has_its_widths(tmp_path: Path) -> None:
    """A track a column: a table without script does not collapse."""
    place = _standing(tmp_path, [])

    css = tracks_css([place.loaded])

    tracks = css.split("--tracks: ")[1].split(";")[0].replace(", ", ",").split()
    assert css.startswith('[data-board="tiny"]')
    assert len(tracks) == 1 + len(place.loaded.columns)  # the tick boxes
