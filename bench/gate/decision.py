"""From differences of pairs to verdicts: planned looks, Holm's correction over the rows, three answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bench.gate.sign_flip import decision_interval, detectable, hodges_lehmann, sign_flip_p

__all__ = ["Decision", "Levels", "Look", "RowVerdict", "decide", "looks_for", "tolerance_of"]

RowVerdict = Literal["REGRESSION", "OK", "INCONCLUSIVE"]

FLOOR_S = 20e-6
"""Seconds a step: a smaller slowdown is never a regression, whatever its share."""


@dataclass(frozen=True, kw_only=True)
class Levels:
    """How often the gate may err, in all."""

    alpha: float = 0.02
    """A false REGRESSION in any row, whatever the number of looks and rows."""
    beta: float = 0.05
    """A false OK in one row."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """The tests of one row at one planned look."""

    num_pairs: int
    p_regression: float
    """Of "slower than the tolerance"."""
    p_ok: float
    """Of "not slower than the tolerance"."""
    p_improved: float
    """Of "faster than the tolerance"."""
    estimate: float
    """ln(head / base), by Hodges and Lehmann."""
    low: float
    """Lower end of the decision interval, on the log scale."""
    high: float
    """Its upper end."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is known of one row."""

    tolerance: float
    """On the log scale."""
    looks: tuple[Look, ...] = ()
    """The planned looks taken so far; none after the verdict."""
    verdict: RowVerdict | None = None
    """None while it is open."""
    p_adjusted: float = 1.0
    """The smallest p of a regression so far, times the number of looks; Holm's correction ranks these."""
    is_improved: bool = False
    """OK, and faster by more than the tolerance."""
    is_suspect: bool = False
    """INCONCLUSIVE, where this row alone would have been a regression."""
    detectable: float = math.inf
    """How far beyond the tolerance a slowdown must lie to be found with about 80 %, on the log scale."""


def looks_for(num_rows: int) -> tuple[int, ...]:
    """After how many pairs the tests are looked at: the first is large enough that 2^-K can be significant."""
    if num_rows <= 5:
        return (10, 15, 20, 30)
    return (12, 15, 20, 30) if num_rows <= 20 else (14, 20, 30, 40)


def tolerance_of(slowdown: float, base_step_s: float) -> float:
    """The tolerated slowdown on the log scale: never less than 20 microseconds a step.

    Args:
        slowdown: The tolerated slowdown, such as 0.03.
        base_step_s: The median step time of base at the first look, in seconds.
    """
    return max(math.log1p(slowdown), math.log1p(FLOOR_S / base_step_s))


def decide(
    differences: Mapping[str, Sequence[float]],
    tolerances: Mapping[str, float],
    *,
    levels: Levels | None = None,
    looks: Sequence[int] | None = None,
    num_rows: int | None = None,
) -> dict[str, Decision]:
    """The verdicts that the planned looks give on the pairs that are there; the same data always give the same ones.

    At each look, for every open row: REGRESSION where Holm's step-down procedure over all rows rejects "not slower than
    the tolerance"; else OK where the opposite test does; after the last look INCONCLUSIVE. Splitting alpha over the
    looks and Holm over the rows bound the chance of any false REGRESSION by alpha.

    Args:
        differences: From row to its differences ln(head / base), one a pair, in the order they were measured.
        tolerances: From row to its tolerance on the log scale.
        levels: How often the gate may err.
        looks: After how many pairs it is looked; `looks_for` the number of rows by default.
        num_rows: How many rows there are in all, with those that are invalid and count with p = 1.
    """
    levels = levels or Levels()
    total = num_rows or len(differences)
    planned = tuple(looks or looks_for(total))
    rows = {name: Decision(tolerance=tolerances[name]) for name in differences}
    for number, num_pairs in enumerate(planned):
        for name, row in rows.items():
            if row.verdict is None and len(row.looks) == number and len(differences[name]) >= num_pairs:
                rows[name] = _looked(row, differences[name][:num_pairs], levels, len(planned), total)
        rejected = _holm(rows, levels.alpha, total)
        for name, row in rows.items():
            if row.verdict is None and len(row.looks) == number + 1:
                rows[name] = _judged(row, name in rejected, levels, len(planned))
    return rows


def _looked(row: Decision, differences: Sequence[float], levels: Levels, num_looks: int, num_rows: int) -> Decision:
    """The row after one more look."""
    differences_K = np.asarray(differences, dtype=np.float64)
    low, high = decision_interval(
        differences_K,
        alpha_a_look=levels.alpha / num_looks,
        beta_a_look=levels.beta / num_looks,
        num_rows=num_rows,
    )
    look = Look(
        num_pairs=len(differences_K),
        p_regression=sign_flip_p(differences_K, row.tolerance, num_rows=num_rows),
        p_ok=sign_flip_p(-differences_K, -row.tolerance, num_rows=num_rows),
        p_improved=sign_flip_p(-differences_K, row.tolerance, num_rows=num_rows),
        estimate=hodges_lehmann(differences_K),
        low=low,
        high=high,
    )
    return replace(
        row,
        looks=(*row.looks, look),
        p_adjusted=min(row.p_adjusted, num_looks * look.p_regression),
        detectable=detectable(differences_K),
    )


def _holm(rows: Mapping[str, Decision], alpha: float, num_rows: int) -> set[str]:
    """The rows whose adjusted p-values Holm's step-down procedure rejects; decided rows keep their place."""
    rejected: set[str] = set()
    for place, name in enumerate(sorted(rows, key=lambda name: (rows[name].p_adjusted, name))):
        if rows[name].p_adjusted > alpha / (num_rows - place):
            break
        rejected.add(name)
    return rejected


def _judged(row: Decision, is_rejected: bool, levels: Levels, num_looks: int) -> Decision:
    """The row with its verdict, where the last look gives one."""
    look = row.looks[-1]
    if is_rejected:
        return replace(row, verdict="REGRESSION")
    if look.p_ok <= levels.beta / num_looks:
        return replace(row, verdict="OK", is_improved=look.p_improved <= levels.alpha / num_looks)
    if len(row.looks) == num_looks:
        return replace(row, verdict="INCONCLUSIVE", is_suspect=look.p_regression <= levels.alpha / num_looks)
    return row
