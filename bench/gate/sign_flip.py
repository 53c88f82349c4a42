"""The sign-flip randomisation test on differences of pairs, its decision interval and its estimate.

One difference is one pair of processes: d = ln(time of head / time of base), the median over the pair's blocks. Start
order and block order are drawn at random, so under equal code each difference is as likely as its negative.

Shape letters: K pairs, V sign vectors.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Interval", "decision_interval", "detectable", "hodges_lehmann", "sign_flip_p"]

Floats = npt.NDArray[np.float64]
_MOST_EXACT = 14
"""Up to so many pairs all 2^K sign vectors are looked at."""
_TOLERANCE = 1e-12
"""Sums that differ by rounding only are equal."""


class Interval(NamedTuple):
    """Ends of an interval on the log scale; infinite where there are too few pairs."""

    low: float
    high: float


def sign_flip_p(differences_K: Floats, threshold: float, *, num_rows: int = 1) -> float:
    """The one-sided p-value of "the true difference is above the threshold".

    With y = d - threshold: the share of sign vectors s in {-1, +1}^K with sum(s y) >= sum(y) (Fisher 1935, The Design
    of Experiments, section 21). All vectors up to 14 pairs, else max(20,000, 4,000 rows) drawn ones, the first of them
    all +1, from a generator seeded with K, so that equal data give equal p-values.

    Args:
        differences_K: One difference a pair.
        threshold: The value that is tested against.
        num_rows: How many rows are tested together; more rows need smaller p-values, hence more vectors.

    >>> sign_flip_p(np.array([0.1, 0.2, 0.3]), 0.0)
    0.125
    """
    shifted_K = differences_K - threshold
    sums_V = _sign_vectors(len(shifted_K), num_rows) @ shifted_K
    return float(np.mean(sums_V >= shifted_K.sum() - _TOLERANCE))


def decision_interval(differences_K: Floats, *, alpha_a_look: float, beta_a_look: float, num_rows: int = 1) -> Interval:
    """The interval that agrees with the test: p of "above c" <= alpha exactly where its low end is above c.

    P(d, c) = (1 + number of non-empty subsets of the pairs whose mean is <= c) / 2^K, so the ends are order statistics
    of the means of subsets.

    Args:
        differences_K: One difference a pair.
        alpha_a_look: Level of "above" at one look.
        beta_a_look: Level of "below" at one look.
        num_rows: As in `sign_flip_p`.
    """
    flipped_VK = _sign_vectors(len(differences_K), num_rows) < 0
    sizes_V = flipped_VK.sum(axis=1)
    some_V = sizes_V > 0
    means_V = np.sort(flipped_VK[some_V] @ differences_K / sizes_V[some_V])
    # An empty subset beside the first is a drawn vector equal to it: it counts against every threshold.
    num_equal = int((~some_V).sum()) - 1
    num_low = math.floor(len(flipped_VK) * alpha_a_look + _TOLERANCE) - num_equal
    num_high = math.floor(len(flipped_VK) * beta_a_look + _TOLERANCE) - num_equal
    return Interval(
        float(means_V[num_low - 1]) if 0 < num_low <= len(means_V) else -math.inf,
        float(means_V[-num_high]) if 0 < num_high <= len(means_V) else math.inf,
    )


def hodges_lehmann(differences_K: Floats) -> float:
    """The median of the means of all pairs of differences, each with itself too (Hodges and Lehmann 1963)."""
    first, second = np.triu_indices(len(differences_K))
    return float(np.median((differences_K[first] + differences_K[second]) / 2))


def detectable(differences_K: Floats) -> float:
    """How far beyond the tolerance a difference must lie to be found with about 80 %: approximate.

    (t(.995, K-1) + t(.8, K-1)) s / sqrt(K), s the standard deviation of the differences. Simulated power there was 0.65
    to 0.78 at 10 pairs, 0.78 to 0.82 at 20 and 30.
    """
    from scipy.special import stdtrit

    num_pairs = len(differences_K)
    if num_pairs < 2:
        return math.inf
    quantiles = float(stdtrit(num_pairs - 1, 0.995)) + float(stdtrit(num_pairs - 1, 0.8))
    return quantiles * float(np.std(differences_K, ddof=1)) / math.sqrt(num_pairs)


@lru_cache(maxsize=8)
def _sign_vectors(num_pairs: int, num_rows: int) -> Floats:
    """Sign vectors, the first all +1; shape (V, K)."""
    if num_pairs <= _MOST_EXACT:
        bits_VK = np.arange(2**num_pairs)[:, None] >> np.arange(num_pairs) & 1
        return (1 - 2 * bits_VK).astype(np.float64)
    random = np.random.default_rng(num_pairs)
    signs_VK = (1 - 2 * random.integers(0, 2, (max(20_000, 4_000 * num_rows), num_pairs))).astype(np.float64)
    signs_VK[0] = 1.0
    return signs_VK
