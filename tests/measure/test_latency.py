"""Percentiles with intervals, against definitions written out and against samples with a known percentile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from bench.measure.latency import LEVELS, least_requests, order_statistics, ranks_of


@pytest.mark.parametrize(
    ("num", "level", "ranks"),
    [(2000, 0.5, (956, 1045)), (2000, 0.9, (1773, 1827)), (2000, 0.95, (1880, 1920)), (2000, 0.99, (1971, 1989))],
)
def test_ranks_of_two_thousand_requests(num: int, level: float, ranks: tuple[int, int]) -> None:
    """The golden ranks of the design."""
    assert ranks_of(num, level) == ranks


def test_an_interval_that_would_leave_the_sample_ends_at_its_maximum() -> None:
    """500 requests say little about p99."""
    assert ranks_of(500, 0.99) == (490, 500)


@pytest.mark.parametrize(("level", "num"), [(0.9, 64), (0.95, 130), (0.99, 662), (0.999, 6636)])
def test_least_requests_are_the_least(level: float, num: int) -> None:
    """The second largest of n is above the percentile with 99 % confidence, of n - 1 it is not."""
    assert least_requests(level) == num
    above = [1 - binom.cdf(n - 2, n, level) for n in (num, num - 1)]
    assert above[0] <= 0.01 < above[1]


def test_a_percentile_with_too_few_requests_is_left_out() -> None:
    """100 requests give p50 and p90, and neither p95 nor p99."""
    assert [item.level for item in order_statistics(range(100))] == [0.5, 0.9]
    assert order_statistics([]) == ()


@given(st.lists(st.integers(0, 10**9), min_size=700, max_size=800), st.randoms(use_true_random=False))
def test_percentiles_are_latencies_in_order_and_order_is_of_no_matter(values: list[int], draw: object) -> None:
    """Low <= value <= high, all of them measured; the smallest value that the share of all do not exceed."""
    found = order_statistics(values)
    shuffled = list(values)
    draw.shuffle(shuffled)  # type: ignore[attr-defined]

    assert order_statistics(shuffled) == found
    for item, level in zip(found, LEVELS, strict=True):
        assert item.low_ns <= item.value_ns <= item.high_ns
        assert np.mean(np.array(values) <= item.value_ns) >= level
        assert np.mean(np.array(values) < item.value_ns) < level


def test_intervals_hold_the_true_percentile_as_often_as_they_say() -> None:
    """In 400 samples of 700 exponential latencies; 95 % less four standard errors."""
    draw = np.random.default_rng(0)
    truths = {level: -np.log(1 - level) * 1e9 for level in LEVELS}
    hits = dict.fromkeys(LEVELS, 0)
    for _ in range(400):
        for item in order_statistics((draw.exponential(size=700) * 1e9).astype(int).tolist()):
            hits[item.level] += item.low_ns <= truths[item.level] <= item.high_ns

    assert all(count >= 400 * 0.95 - 4 * (400 * 0.95 * 0.05) ** 0.5 for count in hits.values())
