"""The Pareto frontier: entries that no other entry beats."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["frontier"]


def frontier(
    x_values: Sequence[float | None],
    y_values: Sequence[float | None],
    *,
    x_higher_is_better: bool,
    y_higher_is_better: bool,
) -> list[int]:
    """The places of the entries on the frontier, from the best x to the worst.

    An entry is on it when no other is strictly better on one axis and not worse on the other; of exact equals both
    are. Only entries count that have both values and x > 0: a cost of zero is a cost that nobody measured.

    >>> frontier([10, 20, 30], [0.7, 0.8, 0.75], x_higher_is_better=False, y_higher_is_better=True)
    [0, 1]
    """
    x_sign, y_sign = (-1 if higher else 1 for higher in (x_higher_is_better, y_higher_is_better))
    known = [
        (x_sign * x, y_sign * y, index)
        for index, (x, y) in enumerate(zip(x_values, y_values, strict=True))
        if x is not None and y is not None and x > 0
    ]
    found: list[int] = []
    best: tuple[float, float] | None = None
    for x, y, index in sorted(known):
        if best is None or y < best[1] or (x, y) == best:
            best = (x, y)
            found.append(index)
    return found
