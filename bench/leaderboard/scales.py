"""The scales of a plot: from values to positions, and numbers along an axis that are easy to read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

__all__ = ["Scale", "fence", "tick_text"]

WIDE = 20.0
"""A range of positive numbers is drawn by its logarithm when the largest is this many times the smallest."""
FENCE = 2.5
"""Quartile ranges beyond the worse quartile where the plot ends; Tukey's own 1.5 would hide a tenth of a board."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """From values to positions in CSS pixels."""

    low: float
    """The smallest value."""
    high: float
    """The largest value."""
    is_log: bool
    """Equal steps are equal ratios."""
    start: float
    """Where the smallest value lies."""
    end: float
    """Where the largest value lies."""

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float, *, may_be_log: bool) -> Self:
        """The scale that holds these values, at least one of them; logarithmic where they are positive and wide."""
        low, high = min(values), max(values)
        is_log = may_be_log and low > 0 and high / low >= WIDE
        return cls(low=low, high=high, is_log=is_log, start=start, end=end)

    def at(self, value: float) -> float:
        """Where a value lies; those beyond an end lie at the end, a single value in the middle."""
        low, high = self._place(self.low), self._place(self.high)
        share = (self._place(min(max(value, self.low), self.high)) - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """Round numbers between the ends: at most that many steps apart where that is possible."""
        if self.is_log:
            return _log_ticks(self.low, self.high, most)
        step = _round_step((self.high - self.low) / max(1, most))
        if step == 0:
            return [self.low]
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(index * step, 10) for index in range(first, last + 1)]

    def _place(self, value: float) -> float:
        return math.log10(value) if self.is_log else value


def fence(values: Sequence[float], *, higher_is_better: bool) -> float:
    """Where the plot ends on the worse side, so that a few outliers do not flatten all others.

    The worse quartile, less 2.5 quartile ranges; the worst value where that is nearer.

    >>> fence([80, 81, 82, 83, 84, 10], higher_is_better=True)
    74.0
    """
    signed = sorted(value if higher_is_better else -value for value in values)
    first, third = _quantile(signed, 0.25), _quantile(signed, 0.75)
    # Half of the values may be equal: then there is no range to speak of, and nothing is cut off.
    least = first - FENCE * (third - first) if third > first else signed[0]
    end = max(signed[0], least)
    return end if higher_is_better else -end


def tick_text(value: float) -> str:
    """A number along an axis.

    >>> tick_text(20000.0), tick_text(0.5)
    ('20,000', '0.5')
    """
    text = f"{value:,.4f}".rstrip("0").rstrip(".")
    return text if float(text.replace(",", "")) or value == 0 else f"{value:g}"


def _quantile(ordered: Sequence[float], share: float) -> float:
    at = (len(ordered) - 1) * share
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10 ... that is not below a step."""
    if least <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors, step in (((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3)):
        ticks = [factor * 10.0**power for power in decades if power % step == 0 for factor in factors]
        ticks = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(ticks) <= most:
            break
    return ticks
