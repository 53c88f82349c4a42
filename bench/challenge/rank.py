"""The rank of a scored run among those before it, by numbers that are not rounded and stay with the evaluator."""

from __future__ import annotations

from collections.abc import Sequence

from bench.challenge.private import PrivateStore
from bench.challenge.quota import closings
from bench.metrics import METRICS
from bench.records.ledger import Entry
from bench.records.protocol import Protocol
from bench.records.result import Result

__all__ = ["rank_of"]


def rank_of(
    result: Result, protocol: Protocol, reservation: Entry, entries: Sequence[Entry], private: PrivateStore
) -> int | None:
    """One more than the number of runs in the same phase and division that score better and stand.

    Args:
        result: The whole result.
        protocol: Its protocol.
        reservation: Its reservation.
        entries: The ledger's entries.
        private: The evaluator's private store.

    Returns:
        The rank; None where the whole result of a run before it is not on this machine.
    """
    assert protocol.metrics is not None, "protocols of kind evaluate have metrics"  # noqa: S101 - our own invariant
    rank_by = protocol.metrics.rank_by
    better = METRICS[rank_by].higher_is_better
    mine = result.metrics[rank_by].value
    withdrawn = {entry.about for entry in entries if entry.action in ("retract", "supersede", "penalty")}
    ends = closings(entries)
    rank = 1
    for entry in entries:
        end = ends.get(entry.sequence)
        if (
            entry.action != "reserve"
            or (entry.phase, entry.division) != (reservation.phase, reservation.division)
            or end is None
            or (end.action, end.outcome) != ("score", "ok")
            or end.sequence in withdrawn
        ):
            continue
        other = private.whole(entry)
        if other is None:
            return None
        value = other.metrics[rank_by].value
        rank += value > mine if better else value < mine
    return rank
