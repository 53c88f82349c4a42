"""Intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.intervals import basic_bootstrap, percentile_bootstrap, resample_weights, wilson

counts = st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_wilson_solves_its_own_equation(pair: tuple[int, int]) -> None:
    """At both ends, the score statistic |p_hat - p| / sqrt(p (1 - p) / n) is the normal quantile."""
    count, num_samples = pair
    share = count / num_samples
    for end in wilson(count, num_samples):
        if 0 < end < 1:
            score = abs(share - end) / math.sqrt(end * (1 - end) / num_samples)

            assert score == pytest.approx(1.959963984540054, rel=1e-6)


@given(counts)
def test_wilson_equals_scipy(pair: tuple[int, int]) -> None:
    """An independent implementation gives the same ends."""
    from scipy.stats import binomtest

    count, num_samples = pair
    expected = binomtest(count, num_samples).proportion_ci(method="wilson")

    assert wilson(count, num_samples) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(counts)
def test_wilson_contains_its_point_and_shrinks_with_n(pair: tuple[int, int]) -> None:
    """Ten times the images at the same share give a narrower interval."""
    count, num_samples = pair
    narrow, wide = wilson(10 * count, 10 * num_samples), wilson(count, num_samples)

    assert wide.low <= count / num_samples <= wide.high
    assert narrow.high - narrow.low < wide.high - wide.low
    assert 0 <= wide.low <= wide.high <= 1


@pytest.mark.parametrize(("count", "num_samples"), [(-1, 10), (11, 10), (0, 0)])
def test_wilson_refuses_what_is_no_proportion(count: int, num_samples: int) -> None:
    """Impossible counts are a mistake of the caller."""
    with pytest.raises(ValueError, match="expected 0 <= count"):
        wilson(count, num_samples)


def test_resamples_draw_as_many_images_as_there_are() -> None:
    """Each resample counts N draws, and the seed fixes them all."""
    first_NR, again_NR, other_NR = (
        np.concatenate(list(resample_weights(50, seed=seed, num_resamples=20)), axis=1) for seed in (0, 0, 1)
    )

    assert first_NR.shape == (50, 20)
    assert (first_NR.sum(axis=0) == 50).all()
    np.testing.assert_array_equal(first_NR, again_NR)
    assert not np.array_equal(first_NR, other_NR)


def test_the_bootstrap_of_a_mean_has_the_width_of_the_normal_interval() -> None:
    """For 2,000 values the percentile interval is close to mean +- 1.96 standard errors."""
    values_N = np.random.default_rng(0).exponential(size=2000)
    resampled_R = np.concatenate([values_N @ weights_NR / 2000 for weights_NR in resample_weights(2000, seed=0)])
    low, high = percentile_bootstrap(float(values_N.mean()), resampled_R)
    half = 1.96 * values_N.std(ddof=1) / math.sqrt(2000)

    assert (high - low) / 2 == pytest.approx(half, rel=0.08)


def test_the_basic_interval_is_reflected_and_cut_off() -> None:
    """What resampling inflates is turned down again, and not below the lowest possible value."""
    resampled_R = np.linspace(0.1, 0.3, 1001)

    assert basic_bootstrap(0.15, resampled_R) == pytest.approx((0.005, 0.195), abs=1e-9)
    assert basic_bootstrap(0.05, resampled_R).low == 0.0


def test_the_percentile_interval_is_widened_to_its_point() -> None:
    """Biased resamples do not push the value out of its own interval."""
    assert percentile_bootstrap(0.5, np.linspace(0.6, 0.7, 101)).low == 0.5
