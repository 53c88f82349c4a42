"""Which evaluated runs say how accurate the very weights and arithmetic are whose speed was measured."""

from __future__ import annotations

from bench.records.result import Result
from bench.store import Store
from bench.stored import Stored

__all__ = ["accuracy_note", "evaluated_runs"]


def evaluated_runs(store: Store, result: Result) -> list[Stored]:
    """The evaluations of the same submission, digest and precision that hold, the newest of each protocol."""
    newest: dict[str, Stored] = {}
    for item in store.of_entry(result.submission.team, result.submission.name):
        other = item.result
        if (
            other.metrics
            and item.retraction is None
            and other.dataset.complete
            and other.submission.digest == result.submission.digest
            and other.precision == result.precision
        ):
            newest[other.protocol.id] = item
    return [newest[name] for name in sorted(newest)]


def accuracy_note(evaluated: list[Stored], result: Result) -> str:
    """A sentence on how accurate what was timed is."""
    if not evaluated:
        return f"These weights were not evaluated in {result.precision} yet: speed without accuracy."
    shown = [
        f"{item.result.metrics['top1'].value:.2%} top-1 under {item.result.protocol.id} (run {item.run})"
        for item in evaluated
        if "top1" in item.result.metrics
    ]
    return f"The same weights in {result.precision}: {'; '.join(shown)}." if shown else "Evaluated without top-1."
