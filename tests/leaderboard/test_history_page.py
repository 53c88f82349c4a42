"""The page of a board's history, and the line of the best value."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path

from leaderboard.made_results import run_of, write_boards

from bench.leaderboard.board import load_board
from bench.leaderboard.columns import COLUMNS
from bench.leaderboard.frame import frame_of
from bench.leaderboard.history import Change, changes
from bench.leaderboard.history_page import NUM_DAYS, NUM_NAMED, best_line, history_json, history_page
from bench.leaderboard.standing import Standing, standing
from bench.records.result import Result
from bench.records.retraction import Retraction
from bench.stored import Stored

PATH = Path("a.json")


def _told(folder: Path, *results: Result | Stored) -> tuple[Standing, list[Change]]:
    frame = frame_of(results)
    place = standing(load_board(write_boards(folder / "boards") / "tiny.toml"), frame)
    return place, changes(place, frame)


def _change(day: str, **best: float) -> Change:
    return Change(
        day=day,
        num_ranked=1,
        best={name.replace("_", "-"): value for name, value in best.items()},
        entered=(),
        renewed=(),
        moved=(),
        left=(),
        withdrawn=(),
        records=(),
    )


def test_many_entries_of_one_day_are_one_line(tmp_path: Path) -> None:
    """How many, and the first of them; the JSON has all."""
    place, told = _told(tmp_path, *(run_of(f"net-{index}", 300 + index) for index in range(40)))

    page = history_page(place, told)

    (day,) = page["days"]
    (line,) = day["lines"]
    assert (line.label, line.note, line.more) == ("Entered", "40 entered, the first of them:", 35)
    assert [spot["title"] for spot in line.spots] == [f"Net-{index}" for index in range(39, 39 - NUM_NAMED, -1)]
    assert line.spots[0]["words"] == "rank 1, 67.80"
    whole = json.loads(history_json(place, told))
    assert len(whole["changes"][0]["entered"]) == 40
    assert whole["changes"][0]["best"] == {"self-reported": 339 / 500}


def test_a_lost_first_place_and_a_withdrawal_are_told(tmp_path: Path) -> None:
    """The newest day first; statuses are named where there is more than one."""
    first, best = run_of("first", 400), run_of("best", 450, hours=24, status="verified")
    again = run_of("again", 425, hours=48)
    words = {"run": best.run, "reason": "wrong labels", "by": "Acme", "created_at": "2026-08-05T00:00:00Z"}
    withdrawn = Stored(result=best, path=PATH, retraction=Retraction(**words))
    place, told = _told(tmp_path, first, withdrawn, again)

    page = history_page(place, told)

    assert [day["day"] for day in page["days"]] == ["2026-08-05", "2026-08-03", "2026-08-02", "2026-08-01"]
    newest, third, second, _ = page["days"]
    assert [line.label for line in newest["lines"]] == ["Left"]
    assert newest["lines"][0].spots[0]["words"] == "was rank 1 verified, 90.00"
    assert [(item["title"], item["state"], item["reason"]) for item in newest["withdrawn"]] == [
        ("Best", "retracted", "wrong labels")
    ]
    assert [line.label for line in third["lines"]] == ["New best", "Entered", "Lost first place"]
    assert third["lines"][0].note == "80.00 to 85.00, self-reported, by"
    assert third["lines"][2].spots[0]["words"] == "rank 1 to 2"
    assert [line.label for line in second["lines"]] == ["Entered"]


def test_a_long_history_is_cut_and_says_so(tmp_path: Path) -> None:
    """The page tells the newest days, the JSON all."""
    results = [run_of(f"net-{index}", 300 + index, hours=24 * index) for index in range(NUM_DAYS + 7)]
    place, told = _told(tmp_path, *results)

    page = history_page(place, told)

    assert (len(page["days"]), page["more_days"]) == (NUM_DAYS, 7)
    assert page["days"][0]["day"] == told[-1].day
    assert len(json.loads(history_json(place, told))["changes"]) == NUM_DAYS + 7


def test_the_line_has_steps_only_and_needs_three_days() -> None:
    """Horizontal and vertical, over the whole width, the best at the top; a status that comes later begins later."""
    start = date(2026, 8, 1)
    days = [(start + timedelta(days=number)).isoformat() for number in (0, 5, 10)]
    told = [
        _change(days[0], self_reported=0.6),
        _change(days[1], self_reported=0.7, verified=0.65),
        _change(days[2], self_reported=0.7, verified=0.8),
    ]

    line = best_line(told, COLUMNS["top1"])

    assert line is not None
    paths = re.findall(r'class="best ([a-z-]+)" d="([^"]*)"', str(line["svg"]))
    assert paths == [("verified", "M500 116H500H1000V8"), ("self-reported", "M0 152H0H500V80H1000")]
    assert (line["low"], line["high"], line["start"], line["end"]) == ("60.00", "80.00", days[0], days[2])
    assert "self-reported 60.00 to 70.00" in str(line["svg"])
    assert best_line(told[:2], COLUMNS["top1"]) is None


def test_the_line_stops_where_nothing_is_ranked() -> None:
    """A board that lost all its entries has no best value until the next one."""
    told = [
        _change("2026-08-01", verified=0.5),
        _change("2026-08-02"),
        _change("2026-08-04", verified=0.5),
        _change("2026-08-05", verified=0.5),
    ]

    line = best_line(told, COLUMNS["top1"])

    assert line is not None
    assert 'd="M0 80H0H250M750 80H750H1000"' in str(line["svg"])


def test_a_board_without_results_says_so(tmp_path: Path) -> None:
    """No line, no days, no facts."""
    page = history_page(*_told(tmp_path))

    assert (page["days"], page["line"], page["headline"]) == ([], None, [])
