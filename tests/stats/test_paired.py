"""Paired comparison."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.paired import mcnemar_p, paired_test


def _exhaustive(only_a: int, only_b: int) -> float:
    """Share of all 2^n ways to toss the discordant images that are at least as lopsided."""
    discordant, found = only_a + only_b, abs(only_a - only_b)
    tosses = product((1, -1), repeat=discordant)
    return sum(abs(sum(toss)) >= found for toss in tosses) / 2**discordant


@pytest.mark.parametrize(("only_a", "only_b"), [(a, b) for a in range(6) for b in range(6)])
def test_p_equals_exhaustive_enumeration(only_a: int, only_b: int) -> None:
    """Every way to toss up to ten discordant images is counted."""
    assert mcnemar_p(only_a, only_b) == pytest.approx(_exhaustive(only_a, only_b), rel=1e-12)


@given(st.integers(0, 400), st.integers(0, 400))
def test_p_equals_the_binomial_sum(only_a: int, only_b: int) -> None:
    """Against whole-number arithmetic, for any counts; and exchanging A and B changes nothing."""
    discordant = only_a + only_b
    tail = sum(comb(discordant, index) for index in range(min(only_a, only_b) + 1))
    expected = min(1.0, 2 * (tail / 2**discordant))

    assert mcnemar_p(only_a, only_b) == pytest.approx(expected, rel=1e-9, abs=1e-300)
    assert mcnemar_p(only_a, only_b) == mcnemar_p(only_b, only_a)


def test_counts_and_difference_are_those_of_the_images() -> None:
    """Both, only A, only B and neither add up to all images."""
    test = paired_test(np.array([1, 1, 1, 0, 0], bool), np.array([1, 0, 0, 1, 0], bool))

    assert (test.both, test.only_a, test.only_b, test.neither, test.num_samples) == (1, 2, 1, 1, 5)
    assert test.difference == pytest.approx(0.2)
    assert test.ci_low < 0.2 < test.ci_high
    assert not test.differ


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_exchanging_the_models_turns_the_sign(pairs: list[tuple[bool, bool]]) -> None:
    """The comparison is antisymmetric, its p-value symmetric, and its interval contains the difference."""
    right_a_N, right_b_N = (np.array([pair[at] for pair in pairs], bool) for at in (0, 1))
    forth, back = paired_test(right_a_N, right_b_N), paired_test(right_b_N, right_a_N)

    assert forth.difference == -back.difference
    assert (forth.ci_low, forth.ci_high) == pytest.approx((-back.ci_high, -back.ci_low))
    assert forth.p_value == back.p_value
    assert forth.ci_low <= forth.difference <= forth.ci_high


def test_the_interval_covers_the_true_difference() -> None:
    """In 1,000 drawn experiments the 95 % interval covers the truth in 93 to 98 % of them."""
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        kind_N = random.choice(4, 400, p=[0.6, 0.1, 0.06, 0.24])  # both, only A, only B, neither
        test = paired_test(np.isin(kind_N, (0, 1)), np.isin(kind_N, (0, 2)))
        covered += test.ci_low <= 0.04 <= test.ci_high

    assert 930 <= covered <= 980


def test_runs_of_different_length_are_refused() -> None:
    """Unpaired images are a mistake of the caller."""
    with pytest.raises(ValueError, match=r"expected two equal"):
        paired_test(np.ones(3, bool), np.ones(4, bool))
