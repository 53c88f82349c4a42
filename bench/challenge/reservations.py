"""Reserving, scoring and refunding: each one a transaction on the ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from bench.challenge.leases import forget, why_stuck
from bench.challenge.ledger import Ledger, Transaction
from bench.challenge.quota import Request, closings, find_equal, refusal
from bench.challenge.times import stamp
from bench.errors import ChallengeError, LedgerError, nearest
from bench.records.challenge import Challenge, Phase
from bench.records.ledger import Entry

__all__ = ["Admission", "penalise", "phase_of", "refund", "reserve", "score", "sweep", "waive", "withdraw"]


class Admission(NamedTuple):
    """What became of a request."""

    entry: Entry
    """A `reserve` entry: the evaluation may start. A `reject` entry: it may not, and why. A `score` entry: the very
    same submission was scored before, and its stored result answers."""

    @property
    def is_granted(self) -> bool:
        """The evaluation may start."""
        return self.entry.action == "reserve"


def phase_of(challenge: Challenge, name: str) -> Phase:
    """The phase of this name.

    Raises:
        ChallengeError: There is none.
    """
    for phase in challenge.phases:
        if phase.name == name:
            return phase
    known = nearest(name, [phase.name for phase in challenge.phases])
    raise ChallengeError(f"the challenge {challenge.id!r} has no phase {name!r}: {known}")


def reserve(ledger: Ledger, challenge: Challenge, request: Request) -> Admission:
    """Takes a place of the team's quota, or says why there is none; both are entries.

    The very same submission that was scored before costs nothing and adds no entry.

    Raises:
        ChallengeError: The very same submission is being evaluated now; or there is no such phase.
        LedgerError: The ledger is broken, held, or cannot be written.
    """
    phase = phase_of(challenge, request.phase)
    with ledger.transaction() as transaction:
        sweep(transaction, ledger, challenge)
        if before := find_equal(transaction.entries, request):
            end = closings(transaction.entries).get(before.sequence)
            if end is None:
                raise ChallengeError(
                    f"{request.team}/{request.name} is being evaluated by {before.actor} since {before.time} (entry "
                    f"{before.sequence}); it is scored, or refunded by {before.until} at the latest"
                )
            return Admission(end)
        fields = {
            "team": request.team,
            "account": request.account,
            "name": request.name,
            "phase": request.phase,
            "division": request.division,
            "submission": request.submission,
            "protocol": request.protocol,
            "rules": challenge.admission_digest(),
            "received": None if request.received is None else stamp(request.received),
        }
        now = transaction.now
        refused = refusal(transaction.entries, phase, request, now, transaction.seconds_behind)
        if refused is not None:
            return Admission(transaction.append(action="reject", outcome=refused.rule, reason=refused.reason, **fields))
        until = stamp(now + timedelta(hours=challenge.run_hours))
        return Admission(transaction.append(action="reserve", until=until, reason="evaluation starts", **fields))


def score(ledger: Ledger, reservation: Entry, *, outcome: str, result: str, reason: str) -> Entry:
    """Spends a reservation for good.

    Args:
        ledger: The ledger.
        reservation: The `reserve` entry.
        outcome: `ok`, or why there is no number.
        result: The digest of the record that is published.
        reason: A sentence.

    Raises:
        LedgerError: The reservation is over already: it was taken for dead and refunded, so this score does not count.
    """
    with ledger.transaction() as transaction:
        fields = _closing_fields(transaction, reservation)
        entry = transaction.append(action="score", outcome=outcome, result=result, reason=reason, **fields)
    forget(ledger.path, reservation)
    return entry


def refund(ledger: Ledger, reservation: Entry, *, outcome: str, result: str | None, reason: str) -> Entry:
    """Frees a reservation whose evaluation gave no hidden score.

    Args:
        ledger: The ledger.
        reservation: The `reserve` entry.
        outcome: Why there is no number.
        result: The digest of the record that is published, where there is one.
        reason: A sentence.

    Raises:
        LedgerError: The reservation is over already.
    """
    with ledger.transaction() as transaction:
        fields = _closing_fields(transaction, reservation)
        entry = transaction.append(action="refund", outcome=outcome, result=result, reason=reason, **fields)
    forget(ledger.path, reservation)
    return entry


def sweep(transaction: Transaction, ledger: Ledger, challenge: Challenge) -> list[Entry]:
    """Refunds the reservations that nobody works on any more; every `reserve` does it first."""
    closed = closings(transaction.entries)
    lease = timedelta(minutes=challenge.lease_minutes)
    refunds = []
    for entry in list(transaction.entries):
        if entry.action != "reserve" or entry.sequence in closed:
            continue
        reason = why_stuck(ledger.path, entry, lease=lease, now=transaction.now)
        if reason is not None:
            fields = _closing_fields(transaction, entry)
            refunds.append(transaction.append(action="refund", outcome="stuck", reason=reason, **fields))
            forget(ledger.path, entry)
    return refunds


def waive(ledger: Ledger, request: Request, *, reason: str) -> Entry:
    """Lets one submission in whatever the rules of time and number say."""
    with ledger.transaction() as transaction:
        return transaction.append(
            action="waive",
            team=request.team,
            account=request.account,
            name=request.name,
            phase=request.phase,
            division=request.division,
            submission=request.submission,
            reason=reason,
        )


def penalise(ledger: Ledger, *, team: str, until: str, reason: str) -> Entry:
    """Keeps a team from submitting until a time (a `stamp`)."""
    with ledger.transaction() as transaction:
        return transaction.append(action="penalty", team=team, until=until, reason=reason)


def withdraw(ledger: Ledger, scored: Entry, *, action: str, run: str, reason: str) -> Entry:
    """Says that the result of a `score` or `reject` entry no longer stands: `retract`, `supersede` or `penalty`.

    Raises:
        LedgerError: The ledger does not hold this entry.
    """
    with ledger.transaction() as transaction:
        _check_there(transaction, ledger, scored)
        return transaction.append(
            action=action, **_same_submission(scored), about=scored.sequence, run=run, reason=reason
        )


def _closing_fields(transaction: Transaction, reservation: Entry) -> dict[str, object]:
    """What `score` and `refund` say of their reservation, which must be open."""
    if (end := closings(transaction.entries).get(reservation.sequence)) is not None:
        raise LedgerError(
            f"the reservation {reservation.sequence} of {reservation.team}/{reservation.name} is over: entry "
            f"{end.sequence}, {end.action}, {end.time}, by {end.actor}: {end.reason}"
        )
    return {**_same_submission(reservation), "about": reservation.sequence}


def _check_there(transaction: Transaction, ledger: Ledger, entry: Entry) -> None:
    entries = transaction.entries
    if entry.sequence > len(entries) or entries[entry.sequence - 1].hash != entry.hash:
        raise LedgerError(f"does not hold the entry {entry.sequence} ({entry.hash[:12]})", path=ledger.path)


def _same_submission(entry: Entry) -> dict[str, object]:
    return {
        key: getattr(entry, key) for key in ("team", "account", "name", "phase", "division", "submission", "protocol")
    }
