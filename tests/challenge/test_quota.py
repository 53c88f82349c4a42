"""Quotas, deadlines and leases, as pure functions of a ledger's entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.challenge.leases import beat, beating
from bench.challenge.ledger import Ledger
from bench.challenge.quota import Request, usage
from bench.challenge.refunds import ALWAYS_REFUNDED, NEVER_REFUNDED, is_refunded
from bench.challenge.reservations import penalise, refund, reserve, score, waive
from bench.challenge.times import moment_of, stamp
from bench.errors import ChallengeError, LedgerError, RecordError
from bench.records.challenge import Challenge, Quota
from bench.records.ledger import Entry
from bench.signing import SecretKey

START = datetime(2026, 10, 1, tzinfo=UTC)
RULES = {
    "format_version": 1,
    "id": "demo",
    "title": "Demo",
    "lease_minutes": 30,
    "run_hours": 5,
    "evaluators": [{"name": "E. Valuator", "key": SecretKey(b"e" * 32).public}],
    "teams": [{"team": "acme", "key": SecretKey(b"t" * 32).public, "accounts": ["ann"]}],
    "phases": [
        {
            "name": "test",
            "start": "2026-10-01T00:00:00Z",
            "end": "2026-10-31T23:59:59-12:00",
            "quota": {"scored": 2, "attempts": 4},
            "tracks": [
                {"division": "closed", "protocol": "p", "board": "b"},
                {"division": "open", "protocol": "q", "board": "c"},
            ],
        }
    ],
}
CHALLENGE = Challenge.parse(RULES)
REQUEST = Request(
    team="acme",
    account="ann",
    name="net",
    phase="test",
    division="closed",
    submission="1" * 64,
    protocol="a" * 64,
)


class Desk:
    """An evaluator with a clock that is set by hand."""

    def __init__(self, path: Path) -> None:
        self.now = START
        self.ledger = Ledger(path, "demo", actor="E. Valuator", clock=lambda: self.now)

    def reserve(self, number: int, **change: object) -> Entry:
        """Asks for a place for submission `number`."""
        request = replace(REQUEST, submission=f"{number:064x}", **change)
        return reserve(self.ledger, CHALLENGE, request).entry

    def score(self, number: int, **change: object) -> Entry:
        """Asks for a place, and spends it."""
        return score(self.ledger, self.reserve(number, **change), outcome="ok", result="f" * 64, reason="scored")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An evaluator at the beginning of the phase."""
    return Desk(tmp_path / "ledger.jsonl")


def test_window_rolls_with_the_clock(desk: Desk) -> None:
    """A place is free again exactly 7 x 24 hours after it was taken, whatever the calendar says."""
    desk.score(1)
    desk.now += timedelta(days=3)
    desk.score(2)
    desk.now = START + timedelta(days=7, seconds=-1)
    refused = desk.reserve(3)
    assert (refused.action, refused.outcome) == ("reject", "over_quota")
    assert "the next place is free at 2026-10-08T00:00:00Z" in refused.reason
    desk.now += timedelta(seconds=1)
    assert desk.reserve(3).action == "reserve"
    assert desk.reserve(4).outcome == "over_quota"


def test_running_evaluations_hold_their_places(desk: Desk) -> None:
    """Two at once are two: a third waits for a refund, not for a score."""
    first = desk.reserve(1)
    desk.reserve(2)
    assert desk.reserve(3).outcome == "over_quota"
    refund(desk.ledger, first, outcome="load_error", result=None, reason="no weights")
    assert desk.reserve(3).action == "reserve"


def test_divisions_and_accounts_share_the_quota(desk: Desk) -> None:
    """The quota is the team's: neither another division nor another account is a second one."""
    desk.score(1)
    desk.score(2, division="open", account="bob")
    assert desk.reserve(3, account="carl").outcome == "over_quota"


def test_same_submission_twice_at_once_is_one(desk: Desk) -> None:
    """The second evaluator is told who has it."""
    desk.reserve(1)
    with pytest.raises(ChallengeError, match=r"is being evaluated by E\. Valuator"):
        desk.reserve(1)


def test_same_submission_again_is_free(desk: Desk) -> None:
    """What was scored answers, with no new entry, after the deadline too."""
    scored = desk.score(1)
    desk.now += timedelta(days=60)
    assert desk.reserve(1) == scored
    assert len(desk.ledger.read().entries) == 2


def test_attempts_are_counted_refunded_ones_too(desk: Desk) -> None:
    """Hostile row 43: refunds, then the cap."""
    for number in range(4):
        refund(desk.ledger, desk.reserve(number), outcome="crash", result=None, reason="crashed")
    assert desk.reserve(9).outcome == "attempt_cap"


def test_dead_evaluator_refunds_itself(desk: Desk) -> None:
    """Half an hour without a sign of life frees the place; the dead one cannot score any more."""
    dead = desk.reserve(1)
    desk.now += timedelta(minutes=29)
    desk.reserve(2)
    assert desk.reserve(3).outcome == "over_quota"
    desk.now += timedelta(minutes=1)
    assert desk.reserve(3).action == "reserve"
    (freed,) = [entry for entry in desk.ledger.read().entries if entry.action == "refund"]
    assert (freed.about, freed.outcome) == (dead.sequence, "stuck")
    with pytest.raises(LedgerError, match="is over"):
        score(desk.ledger, dead, outcome="ok", result="f" * 64, reason="scored")


def test_signs_of_life_keep_a_place_until_the_deadline(desk: Desk) -> None:
    """A heartbeat prolongs the lease, but not beyond the hours that a run may take."""
    alive = desk.reserve(1)
    for number in range(9):
        desk.now += timedelta(minutes=29)
        beat(desk.ledger.path, alive, desk.now)
        desk.reserve(number, team=f"team{number}")  # everybody's request sweeps
    with pytest.raises(ChallengeError, match="being evaluated"):
        desk.reserve(1)
    desk.now = START + timedelta(hours=5)
    beat(desk.ledger.path, alive, desk.now)
    assert desk.reserve(1).action == "reserve"


def test_beating_thread_ends_with_the_evaluation(desk: Desk) -> None:
    """The sign of life is written at once, and no thread is left."""
    import threading

    entry = desk.reserve(1)
    before = threading.active_count()
    with beating(desk.ledger.path, entry, every_s=3600.0, clock=lambda: desk.now):
        (sign,) = desk.ledger.path.with_name("ledger.jsonl.leases").iterdir()
        assert sign.read_text() == stamp(desk.now)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("moment", "rule"),
    [
        ("2026-09-30T23:59:59Z", "early"),
        ("2026-10-01T00:00:00Z", None),
        ("2026-11-01T11:59:58Z", None),
        ("2026-11-01T11:59:59Z", "late"),
    ],
)
def test_phase_begins_and_ends_at_a_moment(desk: Desk, moment: str, rule: str | None) -> None:
    """The end of October anywhere on earth (UTC-12) is noon of 1 November in UTC."""
    desk.now = moment_of(moment)
    assert desk.reserve(1).outcome == rule


def test_received_in_time_counts_when_it_is_evaluated_late(desk: Desk) -> None:
    """A queue of evaluations costs no team its deadline."""
    desk.now = START + timedelta(days=60)
    assert desk.reserve(1).outcome == "late"
    assert desk.reserve(1, received=START + timedelta(days=2)).action == "reserve"


def test_penalty_bars_a_team_for_a_time(desk: Desk) -> None:
    """The team is refused with the entry that says so; other teams are not."""
    penalise(desk.ledger, team="acme", until=stamp(START + timedelta(days=3)), reason="thirty accounts")
    refused = desk.reserve(1)
    assert (refused.outcome, "entry 1" in refused.reason) == ("penalised", True)
    assert desk.reserve(1, team="bell").action == "reserve"
    desk.now += timedelta(days=3)
    assert desk.reserve(1).action == "reserve"


def test_waiver_lets_one_submission_in(desk: Desk) -> None:
    """It sets aside deadline, quota and penalty for that very submission, and for no other."""
    desk.score(1)
    desk.score(2)
    waive(desk.ledger, replace(REQUEST, submission=f"{3:064x}"), reason="the server was down")
    desk.now = START + timedelta(days=60)
    assert desk.reserve(4).action == "reject"
    assert desk.reserve(3).action == "reserve"


def test_clock_set_back_lets_nobody_in_and_forward_again_does(desk: Desk) -> None:
    """A minute is tolerated, as clocks differ; more is refused with the reason."""
    desk.now = START + timedelta(days=2)
    desk.score(1)
    desk.now = START + timedelta(days=2, seconds=-60)
    assert desk.reserve(2).action == "reserve"
    desk.now = START + timedelta(days=2, seconds=-61)
    refused = desk.reserve(3)
    assert (refused.outcome, "61 s behind" in refused.reason) == ("clock", True)


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(("score", "refund", "abandon")), st.integers(0, 5 * 86400)),
        max_size=12,
    )
)
def test_no_window_ever_holds_more_than_the_quota(
    steps: list[tuple[int, str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever teams and evaluators do, at most two places are kept in any 7 x 24 hours."""
    desk = Desk(tmp_path_factory.mktemp("quota") / "ledger.jsonl")
    for number, what, wait in steps:
        desk.now += timedelta(seconds=wait)
        try:
            entry = desk.reserve(number)
        except ChallengeError:
            continue
        if entry.action == "reserve" and what == "score":
            score(desk.ledger, entry, outcome="ok", result="f" * 64, reason="scored")
        elif entry.action == "reserve" and what == "refund":
            refund(desk.ledger, entry, outcome="crash", result=None, reason="crashed")
    entries = desk.ledger.read().entries
    for entry in entries:
        used = usage(entries[: entry.sequence], "acme", "test", Quota(scored=2, attempts=4), moment_of(entry.time))
        assert len(used.taken) <= 2
        assert len(used.attempts) <= 4


def test_refunds_follow_their_table() -> None:
    """Ours and what fails before the first image: always. What saw answers: never. The rest: before the first batch."""
    assert all(is_refunded(outcome, num_answered=512) for outcome in ALWAYS_REFUNDED)
    assert not any(is_refunded(outcome, num_answered=0) for outcome in NEVER_REFUNDED)
    for outcome in (
        "import_error",
        "load_error",
        "crash",
        "timeout",
        "limit",
        "oom_device",
        "protocol_error",
        "shape_error",
    ):
        assert is_refunded(outcome, num_answered=0)
        assert not is_refunded(outcome, num_answered=1)


def edited(change: Callable[[dict[str, object]], object]) -> dict[str, object]:
    """The rules with a change."""
    import copy

    rules = copy.deepcopy(RULES)
    change(rules)
    return rules


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rules: rules["phases"][0].update(start="2026-10-01T00:00:00"), "has no time zone"),
        (lambda rules: rules["phases"][0].update(start="soon"), "valid datetime"),
        (lambda rules: rules["phases"][0].update(end="2026-01-01T00:00:00Z"), "ends"),
        (lambda rules: rules["phases"][0].update(quota={"scored": 3, "attempts": 2}), "attempts"),
        (lambda rules: rules["phases"][0]["tracks"][1].update(protocol="p"), "protocol 'p' is there twice"),
        (lambda rules: rules["phases"][0]["tracks"][1].update(board="b"), "board 'b' is there twice"),
        (lambda rules: rules["phases"][0]["tracks"][1].update(division="closed"), "division 'closed' is there twice"),
        (lambda rules: rules["phases"][0]["tracks"][1].update(labels="x"), "names the labels 'x'"),
        (lambda rules: rules["teams"].append({**rules["teams"][0], "team": "bell"}), "twice of two teams"),
        (lambda rules: rules["teams"][0].update(key="ssh-ed25519 AAAA"), "teams.0.key"),
        (lambda rules: rules.update(phases=rules["phases"] * 2), "phase 'test' is there twice"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(
    change: Callable[[dict[str, object]], object], message: str
) -> None:
    """Each contradiction has its sentence: an account of two teams, a time without a zone, a board of two tracks."""
    with pytest.raises(RecordError, match=message):
        Challenge.parse(edited(change))
