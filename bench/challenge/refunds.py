"""Which failures are refunded: those that gave no hidden score, and taught the team nothing about the labels."""

from __future__ import annotations

__all__ = ["ALWAYS_REFUNDED", "NEVER_REFUNDED", "is_refunded"]

ALWAYS_REFUNDED = frozenset({"data_error", "import_error", "internal_error", "lint_error", "load_error"})
"""Ours to mend (`data_error`, `internal_error`), or from before the first image."""
NEVER_REFUNDED = frozenset({"audit_fail", "nonfinite"})
"""From after answers were there: a refund would let a team try out what the audits see."""


def is_refunded(outcome: str, *, num_answered: int) -> bool:
    """Whether a failed evaluation gives the team's place back.

    A crash, a deadline or a limit is refunded when it came before the first batch of answers, and spent after it: code
    that ends itself once it has seen enough of the images must not be able to look again for nothing.

    Args:
        outcome: How the evaluation ended.
        num_answered: How many images had been answered.

    >>> is_refunded("crash", num_answered=0), is_refunded("crash", num_answered=256)
    (True, False)
    """
    if outcome in ALWAYS_REFUNDED:
        return True
    return outcome not in NEVER_REFUNDED and num_answered == 0
