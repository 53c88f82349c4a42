"""Submissions that a challenge did not let in: what a board calls them, and what that means."""

from __future__ import annotations

from bench.records.result import Result

__all__ = ["REJECTIONS", "rejection_word"]

REJECTIONS = {
    "late": ("late", "Came in after the deadline; it was not scored"),
    "early": ("early", "Came in before the phase began; it was not scored"),
    "over_quota": ("over-quota", "Over the team's quota; it was not scored"),
    "attempt_cap": ("over-quota", "Over the team's number of attempts; it was not scored"),
    "penalised": ("barred", "The team was barred for a time; it was not scored"),
    "clock": ("postponed", "The evaluator's clock was wrong; it was not scored"),
}
"""From the rule of a ledger's `reject` entry to the status that pages show, and what it means."""


def rejection_word(result: Result) -> str | None:
    """The status of a run that a challenge did not let in; None for every other run."""
    if result.failure is None or result.ledger is None or result.failure.outcome not in REJECTIONS:
        return None
    return REJECTIONS[result.failure.outcome][0]
