"""Which failures are refunded: those that gave no hidden score, and taught the team nothing about the labels."""

from __future__ import annotations

__all__ = ["ALWAYS_REFUNDED", "NEVER_REFUNDED", "is_refunded"]

ALWAYS_REFUNDED = frozenset({"data_error", "internal_error"})
"""Ours to mend, whenever it happens."""
NEVER_REFUNDED = frozenset({"audit_fail", "nonfinite"})
"""From after answers were there: a refund would let a team try out what the audits see."""


def is_refunded(outcome: str, *, num_answered: int) -> bool:
    """Whether a failed evaluation gives the team's place back.

    What fails before the first batch of answers is refunded: a manifest, an import, weights, a crash at the start.
    What fails after it is spent: code that ends itself once it has seen enough of the images must not be able to look
    again for nothing.

    Args:
        outcome: How the evaluation ended.
        num_answered: How many images had been answered.

    >>> is_refunded("load_error", num_answered=0), is_refunded("crash", num_answered=256)
    (True, False)
    """
    if outcome in ALWAYS_REFUNDED:
        return True
    return outcome not in NEVER_REFUNDED and num_answered == 0
