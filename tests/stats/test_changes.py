"""Change points: the statistic against sums written out, planted steps, null series, and equal answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bench.stats.changes import MIN_SEGMENT, _best_of_segment, changes, divergence


def _energy(first: list[float], second: list[float]) -> float:
    """Equations 5 and 6 of Matteson and James (2014), one pair of points at a time."""
    m, n = len(first), len(second)
    across = sum(abs(x - y) for x in first for y in second)
    own = [sum(abs(x - y) for x, y in itertools.combinations(part, 2)) for part in (first, second)]
    energy = 2 * across / (m * n) - own[0] / (m * (m - 1) / 2) - own[1] / (n * (n - 1) / 2)
    return m * n / (m + n) * energy


@pytest.mark.parametrize("seed", range(5))
def test_the_statistic_equals_its_definition(seed: int) -> None:
    """For every split and end, and the best of them is the best of all."""
    values = np.random.default_rng(seed).normal(size=14).tolist()
    distances = np.abs(np.subtract.outer(values, values))
    found = {}
    for split in range(MIN_SEGMENT, 15):
        for end in range(split + MIN_SEGMENT, 15):
            expected = _energy(values[:split], values[split:end])
            assert divergence(distances, split, end) == pytest.approx(expected)
            found[split, end] = expected

    value, place = _best_of_segment(distances)
    assert value == pytest.approx(max(found.values()))
    assert place == max(found, key=lambda key: found[key])[0]


@pytest.mark.parametrize(("place", "size"), [(12, 30), (20, 40), (5, 25)])
def test_a_planted_step_is_found_where_it_is(place: int, size: int) -> None:
    """Five standard deviations, with its height."""
    values = np.random.default_rng(place).normal(0, 0.01, size)
    values[place:] += 0.05

    (change,) = changes(values.tolist())
    assert abs(change.place - place) <= 1
    assert change.step == pytest.approx(0.05, abs=0.012)
    assert change.p <= 0.001


def test_two_steps_are_two_changes_and_small_ones_are_left_out() -> None:
    """Up and down again; the least step holds for either direction."""
    values = np.random.default_rng(1).normal(0, 0.005, 45)
    values[15:30] += 0.1
    values[30:] += 0.06

    assert [change.place for change in changes(values.tolist())] == [15, 30]
    assert [change.place for change in changes(values.tolist(), least_step=0.05)] == [15]


def test_independent_series_without_a_change_rarely_have_one() -> None:
    """At level 0.05 in at most 17 of 150 series: the 99.9 % quantile."""
    random = np.random.default_rng(11)
    hits = sum(bool(changes(random.normal(size=20).tolist(), level=0.05)) for _ in range(150))

    assert hits <= 17


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 9, [1.0] * 40, [1.0, 2.0] * 4])
def test_short_and_constant_series_have_no_change(values: list[float]) -> None:
    """Two segments need five points each, and equal points are one segment."""
    assert changes(values) == []


def test_equal_series_give_equal_changes() -> None:
    """The permutations are seeded."""
    values = np.random.default_rng(3).normal(0, 1, 30).tolist()

    assert changes(values, level=0.5) == changes(values, level=0.5)
