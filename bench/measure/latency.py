"""Percentiles of latencies with intervals that are order statistics: no distribution is assumed.

Sources: David and Nagaraja 2003, Order Statistics, section 7.1; Reddi et al. 2019, MLPerf Inference
(https://arxiv.org/abs/1911.02549), which asks for as many requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.records.blocks import OrderStatistic

__all__ = ["LEVELS", "Ranks", "least_requests", "order_statistics", "ranks_of"]

LEVELS = (0.5, 0.9, 0.95, 0.99)
"""The percentiles that are reported."""


class Ranks(NamedTuple):
    """Places among the sorted latencies, counted from 1."""

    low: int
    high: int


def ranks_of(num: int, level: float) -> Ranks:
    """The order statistics that hold a percentile between them with 95 % confidence, at the ends of the sample at most.

    >>> ranks_of(2000, 0.99)
    Ranks(low=1971, high=1989)
    """
    from scipy.stats import binom

    low, high = int(binom.ppf(0.025, num, level)), int(binom.ppf(0.975, num, level)) + 1
    return Ranks(max(1, low), min(num, high))


def least_requests(level: float) -> int:
    """The fewest latencies of which the second largest is an upper bound of a percentile with 99 % confidence.

    With n latencies that is so when level^n + n level^(n-1) (1 - level) <= 0.01.

    >>> [least_requests(level) for level in (0.9, 0.95, 0.99, 0.999)]
    [64, 130, 662, 6636]
    """
    low, high = 2, 4
    while not _is_enough(high, level):
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_enough(middle, level) else (middle + 1, high)
    return low


def _is_enough(num: int, level: float) -> bool:
    return bool(level**num + num * level ** (num - 1) * (1 - level) <= 0.01)


def order_statistics(latencies_ns: Sequence[int], levels: Sequence[float] = LEVELS) -> tuple[OrderStatistic, ...]:
    """Percentiles with intervals; a level for which there are too few latencies is left out.

    The percentile itself is the smallest latency that at least its share of all are not above.

    Args:
        latencies_ns: The latencies in any order, in nanoseconds.
        levels: Which percentiles, from 0 to 1.
    """
    ordered, num = sorted(latencies_ns), len(latencies_ns)
    found = []
    for level in levels:
        if num < least_requests(max(level, 1 - level)):
            continue
        ranks = ranks_of(num, level)
        middle = -int(-level * num // 1)  # the ceiling
        found.append(
            OrderStatistic(
                level=level,
                value_ns=ordered[middle - 1],
                low_ns=ordered[ranks.low - 1],
                high_ns=ordered[ranks.high - 1],
            )
        )
    return tuple(found)
