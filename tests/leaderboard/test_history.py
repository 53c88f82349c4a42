"""A board's changes over time, against ranking the board anew at the end of each day."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from leaderboard.made_results import BOARD, proportion, run_of, write_boards

from bench.leaderboard.board import LoadedBoard, load_board
from bench.leaderboard.frame import frame_of
from bench.leaderboard.history import NUM_TOP, Change, changes
from bench.leaderboard.standing import Standing, standing
from bench.records.result import DatasetRef, Failure, Result
from bench.records.retraction import Retraction
from bench.stored import Stored

if TYPE_CHECKING:
    import pandas as pd


@pytest.fixture
def board(tmp_path: Path) -> LoadedBoard:
    """The board of the made results."""
    return load_board(write_boards(tmp_path / "boards") / "tiny.toml")


def _stored(result: Result, day: str | None = None, by: str | None = None) -> Stored:
    """A result, withdrawn on a day or never."""
    if day is None:
        return Stored(result=result, path=Path("a.json"))
    words = {"run": result.run, "reason": "wrong labels", "by": "Acme", "created_at": f"{day}T12:00:00Z"}
    return Stored(result=result, path=Path("a.json"), retraction=Retraction(**words, superseded_by=by))


def _standing(board: LoadedBoard, frame: pd.DataFrame) -> Standing:
    return standing(board, frame)


def _at_end_of(frame: pd.DataFrame, day: str) -> pd.DataFrame:
    """The results as they were then."""
    known = frame[(frame["created_at"].str[:10] <= day).to_numpy()]
    later = known["retraction.created_at"].map(lambda text: isinstance(text, str) and text[:10] > day)
    return known.assign(state=known["state"].where(~later.astype(bool), "current"))


def _ranks(board: LoadedBoard, frame: pd.DataFrame) -> dict[str, tuple[str, str, int, float]]:
    """From entry to run, status, rank and value, by the board itself."""
    ranked = standing(board, frame).ranked
    names = ("entry", "run", "status", "rank", "metrics.top1.value")
    return {row[0]: (row[1], row[2], int(row[3]), row[4]) for row in ranked[list(names)].itertuples(index=False)}


def _random_results(seed: int) -> list[Stored]:
    """Runs of few entries with few values on a few days, of every status, many of them withdrawn or not rankable."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    results = []
    for number in range(90):
        hours, status = draw.randrange(24 * 25), draw.choice(["verified", "self-reported"])
        fields: dict[str, Any] = {"status": status, "seeds": {"bootstrap": number}}
        if draw.random() < 0.1:
            fields["dataset"] = DatasetRef(name="shapes10", split="val", digest="d" * 64, num_samples=9, complete=False)
        count: int | None = draw.randrange(300, 320)
        if draw.random() < 0.1:
            fields |= {"status": "failed", "failure": Failure(outcome="nonfinite", message="NaN")}
            count = None
        result = run_of(f"net-{draw.randrange(30)}", count, hours=hours, **fields)
        day = f"2026-08-{draw.randrange(int(result.created_at[8:10]), 30):02d}" if draw.random() < 0.4 else None
        results.append(_stored(result, day, results[0].run if results and draw.random() < 0.5 else None))
    return results


@pytest.mark.parametrize("seed", range(6))
def test_changes_equal_ranking_the_board_anew_each_day(board: LoadedBoard, seed: int) -> None:
    """Entered, renewed, moved among the first ten, left, withdrawn and records, day by day."""
    frame = frame_of(_random_results(seed))
    found = {change.day: change for change in changes(_standing(board, frame), frame)}
    days = {text[:10] for name in ("created_at", "retraction.created_at") for text in frame[name] if _is_text(text)}
    before: dict[str, tuple[str, str, int, float]] = {}
    for day in sorted(days):
        after = _ranks(board, _at_end_of(frame, day))
        gone = {run for run, text in zip(frame["run"], frame["retraction.created_at"], strict=True)
                if _is_text(text) and text[:10] == day}  # fmt: skip
        if day not in found:
            assert (after, gone) == (before, set())
            continue
        _agree(found[day], before, after)
        assert {item.run for item in found[day].withdrawn} == gone
        before = after
    assert set(found) <= days
    assert list(found) == sorted(found)
    assert before == _ranks(board, frame)  # the last day is the board of today


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _agree(
    change: Change, before: Mapping[str, tuple[str, str, int, float]], after: Mapping[str, tuple[str, str, int, float]]
) -> None:
    """Whether a change is the difference of two boards."""
    both = before.keys() & after.keys()
    assert change.num_ranked == len(after)
    assert {spot.entry: spot[3:] for spot in change.entered} == {k: after[k] for k in after.keys() - before.keys()}
    assert {spot.entry: spot[3:] for spot in change.left} == {k: before[k] for k in before.keys() - after.keys()}
    assert {move.after.entry: (move.before[3:], move.after[3:]) for move in change.renewed} == {
        key: (before[key], after[key]) for key in both if before[key][0] != after[key][0]
    }
    assert {move.after.entry: (move.before[3:], move.after[3:]) for move in change.moved} == {
        key: (before[key], after[key])
        for key in both
        if before[key][0] == after[key][0]
        and before[key][2] != after[key][2]
        and min(before[key][2], after[key][2]) <= NUM_TOP
    }
    bests = [
        {status: max(row[3] for row in rows.values() if row[1] == status) for status in {r[1] for r in rows.values()}}
        for rows in (before, after)
    ]
    assert change.best == bests[1]
    assert {record.status: (record.before, record.after) for record in change.records} == {
        status: (bests[0][status], value)
        for status, value in bests[1].items()
        if status in bests[0] and value > bests[0][status]
    }
    for record in change.records:
        holders = {key for key, row in after.items() if row[1] == record.status and row[2] == 1}
        assert {spot.entry for spot in record.holders} == holders


def test_a_new_best_takes_the_first_place(board: LoadedBoard) -> None:
    """The one that lost it is named; of the eleventh place nothing is said."""
    results = [run_of(f"net-{index:02}", 400 - index) for index in range(12)] + [run_of("best", 450, hours=24)]
    frame = frame_of(results)

    first, second = changes(_standing(board, frame), frame)

    assert (len(first.entered), first.records, first.moved) == (12, (), ())
    assert [(spot.entry, spot.rank) for spot in second.entered] == [("acme/best", 1)]
    assert [(move.before.rank, move.after.rank) for move in second.moved] == [(n, n + 1) for n in range(1, 11)]
    assert [(record.before, record.after) for record in second.records] == [(0.8, 0.9)]


def test_what_is_withdrawn_on_its_first_day_never_entered(board: LoadedBoard) -> None:
    """But it is told that it was withdrawn, by whom and why."""
    good, bad = run_of("good", 300), run_of("bad", 450, hours=1)
    frame = frame_of([_stored(good), _stored(bad, bad.created_at[:10], by=good.run)])

    (change,) = changes(_standing(board, frame), frame)

    assert [spot.entry for spot in change.entered] == ["acme/good"]
    (item,) = change.withdrawn
    assert (item.entry, item.state, item.by, item.superseded_by) == ("acme/bad", "superseded", "Acme", good.run)


def test_small_is_good_where_the_metric_says_so(tmp_path: Path) -> None:
    """A board ranked by an error: the smaller one is the record."""
    loaded = load_board(write_boards(tmp_path / "boards", BOARD) / "tiny.toml")
    metrics = loaded.protocol.metrics.model_copy(update={"rank_by": "top1_error"})
    protocol = loaded.protocol.model_copy(update={"metrics": metrics})
    by_error = LoadedBoard(
        board=loaded.board, protocol=protocol, columns=loaded.columns, protocol_digest=loaded.protocol_digest
    )
    results = [
        run_of(f"net-{day}", 400, hours=24 * day, metrics={"top1_error": proportion(count)})
        for day, count in enumerate((100, 120, 80))
    ]
    frame = frame_of(results)

    found = changes(_standing(by_error, frame), frame)

    assert [len(change.records) for change in found] == [0, 0, 1]
    assert [change.entered[0].rank for change in found] == [1, 2, 1]


def test_a_board_without_results_has_no_history(board: LoadedBoard) -> None:
    """Nor does one whose runs all failed."""
    failed = run_of("net", None, status="failed", failure=Failure(outcome="nonfinite", message="NaN"))

    assert changes(_standing(board, frame_of([])), frame_of([])) == []
    assert changes(_standing(board, frame_of([failed])), frame_of([failed])) == []
