"""The Pareto frontier against its definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.leaderboard.frontier import frontier

VALUES = st.one_of(st.none(), st.integers(-1, 6).map(float))


def _by_definition(xs: list[float | None], ys: list[float | None], *, x_higher: bool, y_higher: bool) -> set[int]:
    """All pairs: nobody is strictly better on one axis and not worse on the other."""
    x_sign, y_sign = (1 if higher else -1 for higher in (x_higher, y_higher))
    known = [
        (index, x * x_sign, y * y_sign)
        for index, (x, y) in enumerate(zip(xs, ys, strict=True))
        if x is not None and y is not None and x > 0
    ]
    return {
        index
        for index, x, y in known
        if not any(a >= x and b >= y and (a > x or b > y) for _, a, b in known)
    }  # fmt: skip


@given(st.lists(st.tuples(VALUES, VALUES), max_size=30), st.booleans(), st.booleans())
def test_the_frontier_equals_its_definition(
    points: list[tuple[float | None, float | None]], x_higher: bool, y_higher: bool
) -> None:
    """With ties, equals, missing values and zeros; every entry once; from the best x to the worst."""
    xs, ys = ([point[index] for point in points] for index in (0, 1))

    found = frontier(xs, ys, x_higher_is_better=x_higher, y_higher_is_better=y_higher)

    assert len(found) == len(set(found))
    assert set(found) == _by_definition(xs, ys, x_higher=x_higher, y_higher=y_higher)
    found_x = [x for index in found if (x := xs[index]) is not None]
    assert found_x == sorted(found_x, reverse=x_higher)


@pytest.mark.parametrize(("xs", "expected"), [([5.0, 5.0], [0, 1]), ([0.0, None], []), ([], [])])
def test_exact_equals_are_both_on_it_and_unknown_costs_are_not(xs: list[float | None], expected: list[int]) -> None:
    """The prototype kept the first of two equals."""
    assert frontier(xs, [0.5] * len(xs), x_higher_is_better=False, y_higher_is_better=True) == expected
