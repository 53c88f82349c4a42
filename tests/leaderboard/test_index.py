"""What the index page shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from leaderboard.made_results import BOARD, PROTOCOL, run_of, tiny_store, write_boards

from bench.leaderboard.board import load_board
from bench.leaderboard.cards import board_card, fill_command
from bench.leaderboard.frame import frame_of
from bench.leaderboard.headline import last_change
from bench.leaderboard.index import index_page
from bench.leaderboard.material import Material
from bench.leaderboard.recent import newest_version, problems, recent
from bench.leaderboard.standing import Standing, standing
from bench.records.result import Cost, Failure, Result
from bench.records.retraction import Retraction
from bench.resources import resource_folder
from bench.stored import Stored

RANK_BY = {PROTOCOL: "top1"}


def _stored(*results: Result, retraction: Retraction | None = None) -> list[Stored]:
    """Results as a store gives them, newest first."""
    return [Stored(result=result, path=Path("a.json"), retraction=retraction) for result in reversed(results)]


def _standing(folder: Path, *results: Result | Stored) -> Standing:
    return standing(load_board(write_boards(folder / "boards") / "tiny.toml"), frame_of(results))


def test_each_status_has_its_own_leaders(tmp_path: Path) -> None:
    """Verified ones first, at most three in all, with their own ranks and intervals on one scale."""
    results = [run_of("checked", 300, status="verified")] + [run_of(f"net-{i}", 450 - i, hours=i) for i in range(3)]

    card = board_card(_standing(tmp_path, *results))

    shown = [(status, [(leader.rank, leader.title) for leader in leaders]) for status, leaders in card["groups"]]
    assert shown == [("verified", [(1, "Checked")]), ("self-reported", [(1, "Net-0"), (2, "Net-1")])]
    first = card["groups"][0][1][0]
    assert (first.value, first.interval) == ("60.00", "55.65\N{EN DASH}64.20")
    assert 'd="M4 7H' in first.glyph  # the worst of the three begins at the left end
    assert card["num_ranked"] == 4


def test_a_card_has_a_plot_where_there_is_something_to_plot(tmp_path: Path) -> None:
    """Three entries with a cost and an accuracy; else the card stands without."""
    costs = [{"num_params": Cost(value=1e6 * (index + 1), unit="parameters")} for index in range(3)]
    results = [run_of(f"net-{index}", 300 + index, costs=cost) for index, cost in enumerate(costs)]

    card = board_card(_standing(tmp_path, *results))

    assert card["plot"].startswith("<svg")
    assert card["axes"] == "Top-1 against Params, M"
    assert board_card(_standing(tmp_path, results[0]))["plot"] is None


def test_the_last_change_is_the_newest_run_or_withdrawal(tmp_path: Path) -> None:
    """What was withdrawn changed the board on that day."""
    old, new = run_of("old"), run_of("new", hours=48)
    words = {"run": old.run, "reason": "labels", "by": "Acme", "created_at": "2026-09-09T10:00:00Z"}
    withdrawn = Stored(result=old, path=Path("a.json"), retraction=Retraction(**words))

    assert last_change(_standing(tmp_path, old, new)) == "2026-08-03"
    assert last_change(_standing(tmp_path, withdrawn, new)) == "2026-09-09"
    assert last_change(_standing(tmp_path)) == ""


def test_an_import_is_one_line_and_the_newest_lines_are_kept() -> None:
    """However many results it brought; runs of the same day stand beside it."""
    imported = [
        run_of(f"net-{index}", 300, hours=30, team="timm", status="imported", seeds={"bootstrap": index})
        for index in range(20)
    ]
    measured = [run_of(f"own-{index}", 300, hours=index + 10 * (index > 5)) for index in range(15)]
    ordered = sorted([*imported, *measured], key=lambda result: result.run)

    lines = recent(_stored(*ordered), RANK_BY)

    assert len(lines) == 10
    (line,) = [line for line in lines if not line["slug"]]
    assert (line["words"], line["team"], line["of"]) == ("20 results imported from", "timm", "20 submissions")
    assert line["protocols"] == [PROTOCOL]
    assert [item["title"] for item in lines if item["slug"]] == [f"Own-{index}" for index in range(14, 5, -1)]


def test_problems_are_counted_by_kind_with_the_reason() -> None:
    """The first twelve are listed, the others counted."""
    failure = Failure(outcome="nonfinite", message="NaN")
    failed = _stored(*(run_of(f"net-{i}", None, hours=i, status="failed", failure=failure) for i in range(14)))
    words = {"run": "20260101T000000Z-0123456789ab", "reason": "x", "by": "y", "created_at": "2026-08-02T00:00:00Z"}
    gone = _stored(run_of("gone"), retraction=Retraction(**words))
    reasons = {item.run: f"because of {item.run}" for item in [*failed, *gone]}

    found = problems([*failed, *gone, *_stored(run_of("fine"))], reasons, RANK_BY)

    assert (found["num"], found["num_more"]) == (15, 3)
    assert found["kinds"] == [("failed", 14), ("retracted", 1)]
    assert found["lines"][0]["reason"] == f"because of {failed[0].run}"


def test_the_release_is_the_highest_version_that_measured() -> None:
    """By numbers, not by letters; imports and failures measured nothing."""
    versions = ["0.9.0", "0.10.0", "0.10.0", "0.2.0"]
    results = [run_of(f"net-{i}", bench_version=version) for i, version in enumerate(versions)]
    imported = run_of("other", status="imported", bench_version="0.99.0")

    assert newest_version(_stored(*results, imported)) == ("0.10.0", 2)
    assert newest_version(_stored(imported)) is None


@pytest.mark.parametrize(
    ("board", "command"),
    [
        ("imagenet-closed", "bench evaluate SUBMISSION --protocol imagenet-val-closed --data DIR"),
        ("torchvision-reported", "bench import torchvision"),
        ("timm-imagenet", "bench import timm FILE..."),
    ],
)
def test_an_empty_board_names_the_command_that_fills_it(board: str, command: str) -> None:
    """Measured boards by an evaluation, reported ones by their importer."""
    loaded = load_board(resource_folder("boards") / f"{board}.toml")

    assert fill_command(standing(loaded, frame_of([]))) == command


def test_the_index_leads_from_facts_to_boards(tmp_path: Path) -> None:
    """Boards without results come last and have no card; who waits to be verified is counted once."""
    empty = BOARD.replace('"tiny"', '"empty"').replace("shapes10-val", "imagenet-val-open")
    twice = BOARD.replace('"tiny"', '"twice"')
    material = Material(tiny_store(tmp_path), write_boards(tmp_path / "boards", BOARD, empty, twice))

    page: dict[str, Any] = index_page(material)

    assert [card["id"] for card in page["cards"]] == ["tiny", "twice"]
    assert [board["id"] for board in page["empty"]] == ["empty"]
    assert page["num_unverified"] == 2
    facts = {label: (value, small) for label, value, small in page["headline"]}
    assert facts["Submissions"] == ("5", "")
    assert facts["Boards"] == ("2", "with results")
    assert facts["Measured"] == ("5", "1 verified")
    assert facts["Last change"] == ("2026-08-02", "")
