"""Ranks and rank intervals, against brute force over all pairs."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.ranking import rank_intervals, ranks

VALUES = st.lists(st.one_of(st.just(math.nan), st.integers(0, 6).map(float)), max_size=30)
INTERVALS = st.lists(
    st.one_of(
        st.just((math.nan, math.nan)),
        st.tuples(st.integers(0, 9), st.integers(0, 4)).map(lambda p: (p[0], p[0] + p[1])),
    ),
    max_size=25,
)


@given(VALUES, st.booleans())
def test_a_rank_is_one_more_than_the_number_of_better_values(values: list[float], higher: bool) -> None:
    """Equal values share the best of their ranks; a missing value has no rank and does not count."""
    found = ranks(np.array(values, dtype=np.float64), higher_is_better=higher)

    for value, rank in zip(values, found, strict=True):
        better = sum(other > value if higher else other < value for other in values)
        assert math.isnan(rank) if math.isnan(value) else rank == 1 + better


@given(INTERVALS, st.booleans())
def test_a_rank_interval_counts_who_is_certainly_better_and_worse(
    pairs: list[tuple[float, float]], higher: bool
) -> None:
    """Certainly better means that the intervals do not touch; the missing neither count nor get a rank."""
    low, high = (np.array([pair[end] for pair in pairs], dtype=np.float64) for end in (0, 1))

    best, worst = rank_intervals(low, high, higher_is_better=higher)

    known = [pair for pair in pairs if not math.isnan(pair[0])]
    for index, (mine_low, mine_high) in enumerate(pairs):
        if math.isnan(mine_low):
            assert math.isnan(best[index])
            assert math.isnan(worst[index])
            continue
        above = sum(other[0] > mine_high for other in known)
        below = sum(other[1] < mine_low for other in known)
        better, worse = (above, below) if higher else (below, above)
        assert (best[index], worst[index]) == (1 + better, len(known) - worse)


@given(INTERVALS)
def test_the_rank_of_the_middle_lies_inside_its_rank_interval(pairs: list[tuple[float, float]]) -> None:
    """Whatever the intervals, the rank by their middles is a possible one."""
    low, high = (np.array([pair[end] for pair in pairs], dtype=np.float64) for end in (0, 1))

    rank = ranks((low + high) / 2)
    best, worst = rank_intervals(low, high)

    known = ~np.isnan(rank)
    assert (best[known] <= rank[known]).all()
    assert (rank[known] <= worst[known]).all()


def test_an_unknown_interval_makes_every_rank_possible() -> None:
    """A value without an interval can be anywhere, and makes nobody certainly better or worse."""
    best, worst = rank_intervals(np.array([0.8, -np.inf, 0.1]), np.array([0.9, np.inf, 0.2]))

    assert best.tolist() == [1, 1, 2]
    assert worst.tolist() == [2, 3, 3]
