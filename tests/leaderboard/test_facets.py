"""Facets: values, counts, and which columns have one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from leaderboard.made_results import BOARD, run_of, write_boards

from bench.leaderboard.board import load_boards
from bench.leaderboard.facets import alphabetical, claim_differs, facets_of
from bench.leaderboard.frame import frame_of
from bench.leaderboard.standing import Standing, standing
from bench.records.submission import Claims
from bench.stats.intervals import wilson


def _standing(tmp_path: Path, results: list[Any], board: str = BOARD) -> Standing:
    boards, _ = load_boards(write_boards(tmp_path / "boards", board))
    return standing(boards[0], frame_of(results))


def _licensed(tmp_path: Path, board: str = BOARD) -> Standing:
    licences = ["MIT", "Apache-2.0", None, "MIT", "apache", None, "MIT"]
    return _standing(
        tmp_path,
        [
            run_of(f"net{index}", 300 + index, words={"license": name}, status="verified" if index else "self-reported")
            for index, name in enumerate(licences)
        ],
        board,
    )


def test_counts_equal_pandas_and_no_row_is_without_a_box(tmp_path: Path) -> None:
    """The most frequent value first, rows that state nothing last."""
    place = _licensed(tmp_path)
    facets = {facet.name: facet for facet in facets_of(place)}

    counts = place.ranked["submission.license"].value_counts(dropna=False)
    assert [(value.text, value.num_rows) for value in facets["license"].boxes] == [
        ("MIT", 3),
        ("apache", 1),
        ("Apache-2.0", 1),
        ("not stated", 2),
    ]
    assert counts.sum() == sum(value.num_rows for value in facets["license"].boxes) == 7
    for value in facets["license"].boxes:
        wanted = None if value.key == -1 else value.key
        assert facets["license"].keys.count(wanted) == value.num_rows


def test_a_column_of_one_value_is_no_facet(tmp_path: Path) -> None:
    """All ran on the same device; the status stands there though the board has no such column."""
    board = BOARD.replace('"status", ', "")
    facets = {facet.name: facet for facet in facets_of(_licensed(tmp_path, board))}

    assert set(facets) == {"license", "isolation", "status"}
    assert facets["status"].column is None
    assert [(value.text, value.num_rows) for value in facets["status"].boxes] == [
        ("verified", 6),
        ("self-reported", 1),
    ]


def test_a_claim_differs_when_the_interval_does_not_hold_it(tmp_path: Path) -> None:
    """By the definition; such rows can be filtered by."""
    low, high = wilson(400, 500)
    claims = [low - 1e-6, low, 0.8, high, high + 1e-6]
    results = [run_of(f"net{index}", words={"claims": Claims(top1=claim)}) for index, claim in enumerate(claims)]
    place = _standing(tmp_path, [*results, run_of("silent")])

    differs = dict(zip(place.ranked["submission.name"], claim_differs(place), strict=True))

    assert [name for name, flag in sorted(differs.items()) if flag] == ["net0", "net4"]
    (claim,) = [facet for facet in facets_of(place) if facet.name == "claim"]
    assert [(value.text, value.num_rows) for value in claim.boxes] == [("differs", 2)]


def test_text_sorts_by_the_alphabet() -> None:
    """Upper and lower case alike, equal texts equal, missing ones nowhere."""
    assert alphabetical(["beta", None, "Alpha", "alpha", pd.NA, "beta"]) == [2, None, 0, 1, None, 2]
