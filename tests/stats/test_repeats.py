"""Means and medians over repeated runs."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.repeats import mean_of_runs, median_of_runs

rates = st.lists(st.floats(0, 1), min_size=2, max_size=9)
times = st.lists(st.none() | st.floats(0, 1e6), min_size=1, max_size=9)


@given(rates)
def test_the_mean_and_its_interval_are_those_of_scipy(values: list[float]) -> None:
    """An independent implementation gives the same ends."""
    from scipy.stats import t

    found = mean_of_runs(values)

    assert found.value == pytest.approx(statistics.fmean(values), abs=1e-12)
    assert found.sd == pytest.approx(statistics.stdev(values), abs=1e-9)
    assert found.interval is not None
    if found.sd and found.sd > 1e-6:
        scale = found.sd / math.sqrt(len(values))
        assert tuple(found.interval) == pytest.approx(t.interval(0.95, len(values) - 1, found.value, scale))


def test_a_single_run_tells_no_spread() -> None:
    """Unknown, and not zero."""
    assert mean_of_runs([0.5]) == (0.5, None, None)


@given(times)
def test_the_median_takes_a_miss_as_infinite(values: list[float | None]) -> None:
    """As the median of numbers where it is larger than all of them."""
    found = median_of_runs(values)
    written_out = [math.inf if value is None else value for value in values]
    median = statistics.median(written_out)

    assert found.value == (median if math.isfinite(median) else None)
    assert (found.highest is None) == (None in values)
    assert (found.lowest is None) == all(value is None for value in values)


@given(times)
def test_one_more_miss_never_makes_the_median_smaller(values: list[float | None]) -> None:
    """Nobody gains by an attempt that fails."""
    before, after = median_of_runs(values).value, median_of_runs([*values, None]).value

    assert after is None or (before is not None and after >= before)
