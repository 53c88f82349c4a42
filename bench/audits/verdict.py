"""What the function of one audit returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from bench.records.result import Scalar

__all__ = ["Verdict", "median", "verdict"]


class Verdict(NamedTuple):
    """An audit's outcome with its figures, before it has an id and a title."""

    outcome: Literal["passed", "failed", "not-run"]
    figures: Mapping[str, Scalar]
    threshold: str
    """When it fails, as a clause."""
    sentence: str
    """What the figures say, as a clause."""


def verdict(*, ok: bool, figures: Mapping[str, Scalar], threshold: str, sentence: str) -> Verdict:
    """The verdict of an audit that was run."""
    return Verdict("passed" if ok else "failed", figures, threshold, sentence)


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return float(np.median(values))
