"""Boards of a challenge: what was not let in, penalised or withdrawn is shown as such, and never ranked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from leaderboard.made_results import BOARD, run_of

from bench.leaderboard.admission import REJECTIONS
from bench.leaderboard.board import load_board
from bench.leaderboard.facts import status_words
from bench.leaderboard.frame import frame_of
from bench.leaderboard.standing import Standing, standing
from bench.records.result import Failure, LedgerRef, Result
from bench.store import Store
from bench.stored import Stored

REF = LedgerRef(challenge="demo", phase="test", division="closed", sequence=1, head="a" * 64)


def board_of(tmp_path: Path, runs: list[Stored]) -> Standing:
    """The board of the challenge with these runs."""
    path = tmp_path / "tiny.toml"
    path.write_text(BOARD.replace('protocol = "', 'challenge = "demo"\nprotocol = "', 1))
    return standing(load_board(path), frame_of(runs))


def stored(tmp_path: Path, result: Result, **retraction: Any) -> Stored:
    """The result in a store, withdrawn if so."""
    store = Store(tmp_path / "results")
    path = store.add(result)
    return store.retract(result.run, **retraction) if retraction else Stored(result=result, path=path)


@pytest.mark.parametrize("outcome", REJECTIONS)
def test_submission_that_was_not_let_in_is_listed_with_the_reason(tmp_path: Path, outcome: str) -> None:
    """Late, over the quota, barred: shown as such and not as a failure, never dropped, never ranked."""
    failure = Failure(outcome=outcome, message="the reason of the ledger")
    refused = stored(tmp_path, run_of("net", status="failed", metrics={}, failure=failure, ledger=REF))
    ranked = stored(tmp_path, run_of("good", ledger=REF))

    found = board_of(tmp_path, [refused, ranked])

    word, _ = REJECTIONS[outcome]
    assert found.ranked["submission.name"].tolist() == ["good"]
    assert found.unranked["reason"].tolist() == [f"{word}: the reason of the ledger"]
    assert status_words(refused) == word


def test_penalised_run_is_shown_and_not_compared(tmp_path: Path) -> None:
    """A ruling of the organisers takes the rank and leaves the row."""
    run = stored(tmp_path, run_of("net", ledger=REF), reason="thirty accounts", by="E. Valuator", ruling="penalty")

    found = board_of(tmp_path, [run])

    assert len(found.ranked) == 0
    assert found.unranked["reason"].tolist() == ["penalised, not comparable: thirty accounts"]
    assert status_words(run) == "penalised"


def test_run_that_no_ledger_accounts_for_is_not_ranked(tmp_path: Path) -> None:
    """A result that somebody put beside those of the challenge stands outside of it."""
    other = REF.model_copy(update={"challenge": "other"})
    runs = [stored(tmp_path, run_of("a")), stored(tmp_path, run_of("b", ledger=other))]

    found = board_of(tmp_path, runs)

    assert len(found.ranked) == 0
    assert set(found.unranked["reason"]) == {"was not evaluated in the challenge demo"}


def test_failure_with_such_a_name_outside_of_a_challenge_is_a_failure(tmp_path: Path) -> None:
    """Only a ledger says that something was late."""
    failure = Failure(outcome="late", message="?")
    run = stored(tmp_path, run_of("net", status="failed", metrics={}, failure=failure))

    assert board_of(tmp_path, [run]).unranked["reason"].tolist() == ["failed: late"]
    assert status_words(run) == "failed"
