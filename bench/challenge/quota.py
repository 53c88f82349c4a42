"""Who may submit now: the rules of time and number, as pure functions of a ledger's entries.

A team's quota counts over a window that rolls with the clock (7 x 24 hours, UTC). A reservation holds a place of the
quota from its first moment; it is spent by its `score` entry and freed by its `refund` entry, and nothing else decides.
So two evaluators can never both believe in the last place, however long either of them takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from bench.challenge.envelope import Envelope
from bench.challenge.times import moment_of, stamp
from bench.records.challenge import Division, Phase, Quota
from bench.records.ledger import Entry

__all__ = [
    "CLOCK_TOLERANCE_S",
    "Refusal",
    "Request",
    "Usage",
    "closings",
    "find_equal",
    "refusal",
    "request_of",
    "usage",
]

CLOCK_TOLERANCE_S = 60.0
"""How far an evaluator's clock may be behind the ledger's last entry; under NTP clocks differ by less than a second."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A submission that wants to be evaluated."""

    team: str
    """The team."""
    account: str
    """Who submitted it."""
    name: str
    """The submission's name."""
    phase: str
    """The phase."""
    division: Division
    """The division."""
    submission: str
    """The digest of its archive."""
    protocol: str
    """The digest of the protocol."""
    received: datetime | None = None
    """When it came in, where that was earlier than now."""

    def same_as(self, entry: Entry) -> bool:
        """Whether an entry is about this very submission."""
        mine = (self.team, self.phase, self.division, self.submission)
        return (entry.team, entry.phase, entry.division, entry.submission) == mine


def request_of(envelope: Envelope, protocol: str, received: datetime | None = None) -> Request:
    """What an archive asks for.

    Args:
        envelope: Its envelope.
        protocol: The digest of its track's protocol.
        received: When it came in, where that was earlier than now.
    """
    return Request(
        team=envelope.team,
        account=envelope.account,
        name=envelope.name,
        phase=envelope.phase,
        division=envelope.division,
        submission=envelope.archive_digest,
        protocol=protocol,
        received=received,
    )


class Refusal(NamedTuple):
    """Why a submission is not let in."""

    rule: str
    """The rule, as `outcome` of the entry: `late`, `early`, `over_quota`, `attempt_cap`, `penalised` or `clock`."""
    reason: str
    """The sentence that the team reads."""


class Usage(NamedTuple):
    """What a team has used of a phase's quota, in the window that ends now."""

    taken: tuple[Entry, ...]
    """The reservations that are scored or may still be, in order."""
    attempts: tuple[Entry, ...]
    """All reservations, refunded ones too, in order."""


def closings(entries: Iterable[Entry]) -> dict[int, Entry]:
    """From the number of each reservation that is over to the `score` or `refund` entry that ended it."""
    return {entry.about: entry for entry in entries if entry.action in ("score", "refund") and entry.about is not None}


def find_equal(entries: Sequence[Entry], request: Request) -> Entry | None:
    """The reservation of the very same submission that is running, or was scored; the latest one."""
    closed = closings(entries)
    for entry in reversed(entries):
        if entry.action == "reserve" and request.same_as(entry):
            end = closed.get(entry.sequence)
            if end is None or end.action == "score":
                return entry
    return None


def usage(entries: Sequence[Entry], team: str, phase: str, quota: Quota, now: datetime) -> Usage:
    """What a team has used of a phase's quota.

    Args:
        entries: The ledger's entries.
        team: The team.
        phase: The phase.
        quota: The quota; its window is open at its old end: what was reserved exactly a window ago no longer counts.
        now: The end of the window.
    """
    old = stamp(now - timedelta(hours=quota.window_hours))
    refunded = {number for number, end in closings(entries).items() if end.action == "refund"}
    attempts = tuple(
        entry
        for entry in entries
        if entry.action == "reserve" and (entry.team, entry.phase) == (team, phase) and entry.time > old
    )
    return Usage(tuple(entry for entry in attempts if entry.sequence not in refunded), attempts)


def refusal(
    entries: Sequence[Entry], phase: Phase, request: Request, now: datetime, seconds_behind: float
) -> Refusal | None:
    """Why a submission may not be evaluated now, or None; the first rule that applies.

    A `waive` entry for this submission sets aside all rules but that of the clock.

    Args:
        entries: The ledger's entries.
        phase: The phase of the request.
        request: What is asked for.
        now: The time that the entry would have.
        seconds_behind: How far the evaluator's clock is behind the last entry.
    """
    if seconds_behind > CLOCK_TOLERANCE_S:
        return Refusal(
            "clock", f"the evaluator's clock is {seconds_behind:,.0f} s behind the ledger's last entry; set the clock"
        )
    if any(entry.action == "waive" and request.same_as(entry) for entry in entries):
        return None
    return (
        _out_of_time(phase, request.received or now)
        or _banned(entries, request.team, now)
        or _too_many(entries, phase, request.team, now)
    )


def _out_of_time(phase: Phase, moment: datetime) -> Refusal | None:
    if moment < phase.start:
        return Refusal("early", f"the phase {phase.name} starts at {phase.start.isoformat()}")
    if moment >= phase.end:
        return Refusal("late", f"came in at {stamp(moment)}, the phase {phase.name} ended at {phase.end.isoformat()}")
    return None


def _banned(entries: Sequence[Entry], team: str, now: datetime) -> Refusal | None:
    text = stamp(now)
    for entry in entries:
        if entry.action == "penalty" and entry.team == team and entry.until is not None and text < entry.until:
            return Refusal("penalised", f"the team may not submit until {entry.until} (entry {entry.sequence})")
    return None


def _too_many(entries: Sequence[Entry], phase: Phase, team: str, now: datetime) -> Refusal | None:
    quota = phase.quota
    used = usage(entries, team, phase.name, quota, now)
    for rule, limit, counted, noun in (
        ("attempt_cap", quota.attempts, used.attempts, "started"),
        ("over_quota", quota.scored, used.taken, "scored"),
    ):
        if len(counted) >= limit:
            free = moment_of(counted[len(counted) - limit].time) + timedelta(hours=quota.window_hours)
            numbers = ", ".join(str(entry.sequence) for entry in counted[-limit:])
            return Refusal(
                rule,
                f"{len(counted)} of {limit} {noun} submissions of {team} within {quota.window_hours} h are used "
                f"(entries {numbers}); the next place is free at {stamp(free)}",
            )
    return None
