"""Results that no longer stand: first an entry in the ledger, then the record beside the result."""

from __future__ import annotations

from typing import Literal

from bench.challenge.ledger import Ledger
from bench.challenge.reservations import withdraw
from bench.errors import ChallengeError, UsageError
from bench.records.ledger import Action, Entry
from bench.store import Store
from bench.stored import Stored

__all__ = ["withdraw_run"]


def withdraw_run(
    ledger: Ledger,
    store: Store,
    run: str,
    *,
    reason: str,
    by: str,
    superseded_by: str | None = None,
    ruling: Literal["penalty"] | None = None,
) -> Stored:
    """Withdraws a result of a challenge; the ledger says so, and the board shows it as such.

    When the entry is there and the record beside the result is not, only the record is written.

    Args:
        ledger: The challenge's ledger, as an evaluator writes it.
        store: The store of the result.
        run: The run's id, or the beginning of it.
        reason: Why, in one sentence.
        by: Who says so.
        superseded_by: The run that takes its place.
        ruling: `penalty` for a breach of the rules.

    Raises:
        UsageError: There is no such run, or it is withdrawn already.
        ChallengeError: The run is not of this ledger's challenge.
        LedgerError: The ledger is broken or cannot be written.
    """
    stored = store.get(run)
    ref = stored.result.ledger
    if ref is None or ref.challenge != ledger.challenge:
        raise ChallengeError(f"the run {stored.run} is not of the challenge {ledger.challenge!r}")
    if stored.retraction is not None:
        raise UsageError(f"the run {stored.run} was already retracted by {stored.retraction.by}")
    better = store.get(superseded_by).run if superseded_by else None
    action: Action = "penalty" if ruling else "supersede" if better else "retract"
    entries = ledger.read().entries
    entry = _before(entries, action, stored.run)
    if entry is None:
        if ref.sequence > len(entries):
            raise ChallengeError(f"the ledger ends before entry {ref.sequence}, which accounts for {stored.run}")
        entry = withdraw(ledger, entries[ref.sequence - 1], action=action, run=stored.run, reason=reason)
    return store.retract(
        stored.run, reason=reason, by=by, superseded_by=better, ruling=ruling, ledger_entry=entry.sequence
    )


def _before(entries: tuple[Entry, ...], action: Action, run: str) -> Entry | None:
    """The entry that was written before a crash kept the record from being written."""
    return next((entry for entry in entries if entry.action == action and entry.run == run), None)
