"""The decision procedure: known vectors, exhaustive enumeration, scipy, mirror images, monotone verdicts."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from bench.gate.decision import Levels, decide, looks_for, tolerance_of
from bench.gate.sign_flip import decision_interval, detectable, hodges_lehmann, sign_flip_p

TOLERANCE = math.log1p(0.03)
# Differences of ten pairs, mean and Hodges-Lehmann estimate, counts out of 1,024, interval, verdict at this look:
# section 8.2 of the project's notes on throughput; two rows are real runs.
VECTORS = {
    "clear slowdown": (
        (0.031, 0.052, 0.047, 0.036, 0.058, 0.044, 0.029, 0.061, 0.050, 0.042),
        (0.0450, 0.0450), (2, 1023, 1024), (0.032500, 0.054333), "REGRESSION",
    ),
    "small slowdown": (
        (0.010, -0.004, 0.022, 0.015, 0.007, 0.031, -0.002, 0.018, 0.012, 0.009),
        (0.0118, 0.0120), (1023, 2, 1024), (0.001000, 0.021000), "OK",
    ),
    "at the tolerance": (
        (0.020, 0.045, 0.012, 0.038, 0.051, 0.027, 0.033, 0.008, 0.041, 0.030),
        (0.0305, 0.0305), (426, 599, 1024), (0.014000, 0.042500), None,
    ),
    "real, equal code": (
        (-0.0540, 0.0030, -0.0107, 0.0049, -0.0545, -0.0184, 0.0196, -0.0012, 0.0182, -0.0034),
        (-0.00965, -0.00595), (1024, 1, 1002), (-0.039733, 0.010600), "OK",
    ),
    "real, five percent more work": (
        (0.0495, 0.0668, 0.0477, 0.0568, 0.0572, 0.0686, 0.0255, 0.0510, 0.0370, 0.0382),
        (0.04983, 0.05025), (2, 1023, 1024), (0.036600, 0.061633), "REGRESSION",
    ),
}  # fmt: skip
# Multiples of 1/1024: sums of them are exact, so that two orders of summing never disagree about a tie.
GRID = st.integers(-120, 120).map(lambda number: number / 1024)


@pytest.mark.parametrize("name", VECTORS)
def test_known_vectors_give_the_known_counts_and_verdicts(name: str) -> None:
    """The counts are exact."""
    differences, (mean, estimate), counts, (low, high), verdict = VECTORS[name]
    d_K = np.array(differences)

    assert d_K.mean() == pytest.approx(mean, abs=5e-6)
    assert hodges_lehmann(d_K) == pytest.approx(estimate, abs=5e-6)
    found = [sign_flip_p(d_K, TOLERANCE), sign_flip_p(-d_K, -TOLERANCE), sign_flip_p(-d_K, TOLERANCE)]
    assert [round(1024 * p) for p in found] == list(counts)
    interval = decision_interval(d_K, alpha_a_look=0.005, beta_a_look=0.0125)
    assert interval == pytest.approx((low, high), abs=5e-7)
    assert decide({"row": differences}, {"row": TOLERANCE})["row"].verdict == verdict


@given(st.lists(GRID, min_size=1, max_size=9), GRID)
def test_p_values_equal_exhaustive_enumeration(differences: list[float], threshold: float) -> None:
    """Every sign vector, one at a time, in exact arithmetic."""
    shifted = [value - threshold for value in differences]
    vectors = list(itertools.product((1, -1), repeat=len(shifted)))
    extreme = sum(sum(s * y for s, y in zip(signs, shifted, strict=True)) >= sum(shifted) for signs in vectors)

    assert sign_flip_p(np.array(differences), threshold) == extreme / len(vectors)


@settings(max_examples=25)
@given(st.lists(GRID, min_size=3, max_size=10), GRID)
def test_p_values_equal_scipys_permutation_test(differences: list[float], threshold: float) -> None:
    """Scipy flips the signs of one sample where its permutations are of kind "samples"."""
    shifted_K = np.array(differences) - threshold
    found = permutation_test(
        (shifted_K,), lambda y, axis=-1: y.sum(axis=axis), permutation_type="samples", alternative="greater",
        n_resamples=np.inf, vectorized=True,
    )  # fmt: skip

    assert sign_flip_p(np.array(differences), threshold) == pytest.approx(found.pvalue, abs=1e-12)


@given(st.lists(GRID, min_size=8, max_size=12), GRID, st.sampled_from([8, 10, 20]))
def test_the_interval_agrees_with_the_tests(differences: list[float], threshold: float, level: int) -> None:
    """Being above c is shown exactly where the interval's low end is above c, and the same for the other end."""
    d_K, alpha = np.array(differences), level / 2 ** len(differences)
    low, high = decision_interval(d_K, alpha_a_look=alpha, beta_a_look=alpha)

    assert (sign_flip_p(d_K, threshold) <= alpha) == (low > threshold + 1e-12)
    assert (sign_flip_p(-d_K, -threshold) <= alpha) == (high < threshold - 1e-12)


@given(st.lists(GRID, min_size=2, max_size=10), GRID, GRID)
def test_p_values_grow_with_the_threshold(differences: list[float], one: float, other: float) -> None:
    """To be above a higher bar is never easier."""
    d_K = np.array(differences)

    assert sign_flip_p(d_K, min(one, other)) <= sign_flip_p(d_K, max(one, other))


@given(st.lists(st.integers(-100, 100), min_size=10, max_size=30), st.integers(1, 40))
def test_exchanging_base_and_head_mirrors_everything(numbers: list[int], tolerance: int) -> None:
    """A slowdown beyond the tolerance one way is a speed-up beyond it the other way."""
    d_K = np.array(numbers) / 1024

    assert hodges_lehmann(-d_K) == -hodges_lehmann(d_K)
    first, swapped = (decide({"row": values.tolist()}, {"row": tolerance / 1024})["row"] for values in (d_K, -d_K))
    for look, mirror in zip(first.looks, swapped.looks, strict=False):
        assert look.p_regression == mirror.p_improved
        assert look.estimate == -mirror.estimate
    if first.verdict == "REGRESSION":
        assert swapped.verdict == "OK"
        assert swapped.is_improved == (swapped.looks[-1].p_improved <= 0.005)


@given(st.lists(GRID, min_size=10, max_size=10), GRID.filter(lambda number: number > 0))
def test_slower_is_never_better(differences: list[float], shift: float) -> None:
    """Adding a slowdown to every pair turns no REGRESSION into anything else, and nothing else into OK."""
    before, after = (
        decide({"row": values}, {"row": TOLERANCE})["row"]
        for values in (differences, [value + shift for value in differences])
    )

    assert after.looks[0].p_regression <= before.looks[0].p_regression
    if before.verdict == "REGRESSION":
        assert after.verdict == "REGRESSION"
    if after.verdict == "OK":
        assert before.verdict == "OK"


def test_more_than_fourteen_pairs_are_drawn_and_repeat() -> None:
    """The drawn vectors hold the identity, so no p-value is zero, and equal data give equal p-values."""
    d_K = np.random.default_rng(5).normal(0.05, 0.001, 30)

    assert sign_flip_p(d_K, 0.0) == sign_flip_p(d_K, 0.0) == 1 / 20_000
    assert sign_flip_p(d_K, 0.0, num_rows=10) == 1 / 40_000


def test_no_look_between_the_planned_ones() -> None:
    """With 14 pairs the data of 10 are looked at, and an open row stays open."""
    values = [*VECTORS["at the tolerance"][0], 0.5, 0.5, 0.5, 0.5]

    (row,) = decide({"row": values}, {"row": TOLERANCE}).values()
    assert row.verdict is None
    assert [look.num_pairs for look in row.looks] == [10]


def test_verdicts_are_final() -> None:
    """What comes after a verdict does not move it."""
    clear = list(VECTORS["clear slowdown"][0])

    (row,) = decide({"row": clear + [-0.5] * 20}, {"row": TOLERANCE}).values()
    assert row.verdict == "REGRESSION"
    assert len(row.looks) == 1


def test_the_last_look_ends_with_inconclusive() -> None:
    """Differences around the tolerance decide nothing."""
    values = [TOLERANCE + sign * 0.01 for sign in (1, -1) * 15]

    (row,) = decide({"row": values}, {"row": TOLERANCE}).values()
    assert row.verdict == "INCONCLUSIVE"
    assert [look.num_pairs for look in row.looks] == [10, 15, 20, 30]


def test_holm_counts_every_row() -> None:
    """A row that is a regression alone may be none among many; decided and invalid rows keep their place."""
    clear, other = list(VECTORS["clear slowdown"][0]), list(VECTORS["small slowdown"][0])
    alone = decide({"a": clear}, {"a": TOLERANCE})["a"]
    among = decide({"a": clear, "b": other, "c": other}, {"a": TOLERANCE, "b": TOLERANCE, "c": TOLERANCE})

    assert alone.verdict == "REGRESSION"
    assert among["a"].verdict is None  # 4 x 2/1024 = 0.0078 > 0.02 / 3
    assert among["a"].p_adjusted == 4 * 2 / 1024
    assert among["b"].verdict == among["c"].verdict == "OK"
    assert decide({"a": clear}, {"a": TOLERANCE}, num_rows=3)["a"].verdict is None


def test_the_first_look_is_late_enough_to_reject() -> None:
    """2^-K times the looks times the rows is at most alpha."""
    for num_rows in range(1, 82):
        looks = looks_for(num_rows)
        assert 2.0 ** -looks[0] <= Levels().alpha / (len(looks) * num_rows)


def test_the_tolerance_has_a_floor_in_time() -> None:
    """3 % of a millisecond is 30 microseconds; of a tenth of one, the floor of 20 is more."""
    assert tolerance_of(0.03, 1e-3) == math.log1p(0.03)
    assert tolerance_of(0.03, 1e-4) == math.log1p(0.2)


def test_what_can_be_detected_shrinks_with_the_noise() -> None:
    """The formula, written out with scipy's quantiles."""
    from scipy.stats import t

    d_K = np.random.default_rng(3).normal(0, 0.01, 20)
    expected = (t.ppf(0.995, 19) + t.ppf(0.8, 19)) * d_K.std(ddof=1) / math.sqrt(20)

    assert detectable(d_K) == pytest.approx(expected)
    assert detectable(d_K / 10) == pytest.approx(expected / 10)
    assert detectable(d_K[:1]) == math.inf
