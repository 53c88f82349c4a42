"""Results as a data frame."""

from __future__ import annotations

from pathlib import Path

from leaderboard.made_results import run_of, tiny_store

import bench
from bench.leaderboard.frame import BASE_COLUMNS, frame_of


def test_a_column_is_the_path_of_a_key() -> None:
    """Values come back as they stand in the record, fractions and whole counts."""
    frame = frame_of([run_of("resnet", 450)])

    row = frame.iloc[0]
    assert row["entry"] == "acme/resnet"
    assert row["submission.team"] == "acme"
    assert row["metrics.top1.value"] == 0.9
    assert row["metrics.top1.count"] == 450
    assert frame["metrics.top1.count"].dtype == "Int64"
    assert row["costs.num_params.value"] == 1_234_567
    assert row["environment.torch"] == "2.15.0"
    assert row["input.mean"] == "0.5 0.5 0.5"


def test_what_a_record_lacks_is_missing_in_the_frame() -> None:
    """A failed run has no top-1, and its neighbour's column stays a number."""
    failed = run_of("broken", None, status="failed", failure={"outcome": "nonfinite", "message": "NaN"})

    frame = frame_of([run_of("resnet"), failed])

    assert frame["metrics.top1.value"].isna().tolist() == [False, True]
    assert frame["metrics.top1.value"].dtype == "float64"
    assert frame["failure.outcome"].isna().tolist() == [True, False]


def test_no_results_give_an_empty_frame_with_the_base_columns() -> None:
    """Boards without results need no special case."""
    frame = frame_of([])

    assert len(frame) == 0
    assert tuple(frame.columns) == BASE_COLUMNS


def test_the_state_says_what_was_withdrawn(tmp_path: Path) -> None:
    """Stored results carry their retraction into the frame; others are current."""
    frame = frame_of(tiny_store(tmp_path).scan().stored)

    withdrawn = frame[frame["state"] == "retracted"]
    assert withdrawn["retraction.reason"].tolist() == ["wrong labels"]
    assert (frame["state"] == "current").sum() == 5


def test_load_results_reads_a_folder(tmp_path: Path) -> None:
    """The public function gives one row a run."""
    store = tiny_store(tmp_path)

    frame = bench.load_results(store.results)

    assert len(frame) == 6
    assert set(frame["status"]) == {"verified", "self-reported", "failed"}
