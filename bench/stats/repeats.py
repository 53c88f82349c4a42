"""Numbers of repeated runs: a mean with its interval, and a median that takes misses as what they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from bench.stats.intervals import Interval

__all__ = ["MeanOfRuns", "MedianOfRuns", "mean_of_runs", "median_of_runs"]


class MeanOfRuns(NamedTuple):
    """A mean over runs that differ by their seed alone."""

    value: float
    sd: float | None
    """Standard deviation, n - 1 in its denominator; None for a single run."""
    interval: Interval | None
    """95 % interval of the mean; None for a single run."""


class MedianOfRuns(NamedTuple):
    """A median over runs, some of which never got there."""

    value: float | None
    """None where it is infinite."""
    lowest: float | None
    """None where no run got there."""
    highest: float | None
    """None where any run did not."""


def mean_of_runs(values: Sequence[float]) -> MeanOfRuns:
    """The mean, with Student's interval: mean +- t(0.975, n - 1) sd / sqrt(n) (Student 1908, Biometrika 6:1-25).

    It covers the chance of the seeds, and not that of the images, which all runs share.

    Args:
        values: One a run, at least one.

    >>> mean_of_runs([2.0, 4.0, 6.0])
    MeanOfRuns(value=4.0, sd=2.0, interval=Interval(low=-0.96..., high=8.96...))
    """
    value = math.fsum(values) / len(values)
    if len(values) == 1:
        return MeanOfRuns(value, None, None)
    from scipy.stats import t

    sd = math.sqrt(math.fsum((one - value) ** 2 for one in values) / (len(values) - 1))
    half = float(t.ppf(0.975, len(values) - 1)) * sd / math.sqrt(len(values))
    return MeanOfRuns(value, sd, Interval(value - half, value + half))


def median_of_runs(values: Sequence[float | None]) -> MedianOfRuns:
    """The median, where None is a miss and counts as infinite; and the range.

    >>> median_of_runs([30.0, None, 20.0])
    MedianOfRuns(value=30.0, lowest=20.0, highest=None)
    >>> median_of_runs([30.0, None, None, 20.0]).value is None
    True
    """
    ordered = sorted(math.inf if value is None else value for value in values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return MedianOfRuns(*(value if math.isfinite(value) else None for value in (median, ordered[0], ordered[-1])))
