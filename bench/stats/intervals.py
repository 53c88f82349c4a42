"""95 % intervals: Wilson for proportions, the bootstrap over images for the rest.

Shape letters: N samples, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["NUM_RESAMPLES", "Interval", "basic_bootstrap", "percentile_bootstrap", "resample_weights", "wilson"]

Z_95 = 1.959963984540054
"""The 0.975 quantile of the standard normal distribution."""
NUM_RESAMPLES = 1000
"""How often the images are drawn again."""
_RESAMPLES_AT_ONCE = 16  # the fastest of 8 to 64 at 50,000 images


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


def wilson(count: int, num_samples: int) -> Interval:
    """The Wilson score interval of a proportion (Wilson 1927, JASA 22:209-212).

    With p = count / n: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).

    Args:
        count: How many of the samples count, 0..num_samples.
        num_samples: How many samples there are, at least 1.

    >>> wilson(38065, 50000)
    Interval(low=0.757543..., high=0.765016...)
    """
    if not 0 <= count <= num_samples or num_samples < 1:
        raise ValueError(f"expected 0 <= count <= num_samples and num_samples >= 1, found {count} of {num_samples}")
    share, z2 = count / num_samples, Z_95 * Z_95
    centre = share + z2 / (2 * num_samples)
    half = Z_95 * math.sqrt(share * (1 - share) / num_samples + z2 / (4 * num_samples * num_samples))
    scale = 1 + z2 / num_samples
    # At the ends the formula gives 0 and 1 up to rounding; the interval must not miss its own point by 1e-17.
    low = 0.0 if count == 0 else (centre - half) / scale
    high = 1.0 if count == num_samples else (centre + half) / scale
    return Interval(low, high)


def resample_weights(
    num_samples: int, *, seed: int, num_resamples: int = NUM_RESAMPLES
) -> Iterator[npt.NDArray[np.float64]]:
    """How often each image is drawn, for each bootstrap resample (Efron 1979).

    Args:
        num_samples: N, how many images there are.
        seed: Seed of the drawing; equal seeds give equal resamples.
        num_resamples: How many resamples there are in all.

    Yields:
        Arrays of shape (N, R), R resamples at a time: whole numbers, each column sums to N.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    for start in range(0, num_resamples, _RESAMPLES_AT_ONCE):
        weights_NR = np.empty((num_samples, min(_RESAMPLES_AT_ONCE, num_resamples - start)))
        for column in range(weights_NR.shape[1]):
            drawn_N = random.integers(0, num_samples, num_samples, dtype=np.int32)
            weights_NR[:, column] = np.bincount(drawn_N, minlength=num_samples)
        yield weights_NR


def percentile_bootstrap(value: float, resampled_R: npt.NDArray[np.float64]) -> Interval:
    """The 2.5 % and 97.5 % quantiles of the resampled values, widened where needed to contain the value itself.

    The widening matters for means over classes of few images each, whose resamples are biased.
    """
    low, high = np.quantile(resampled_R, (0.025, 0.975))
    return Interval(min(float(low), value), max(float(high), value))


def basic_bootstrap(value: float, resampled_R: npt.NDArray[np.float64], *, lowest: float = 0.0) -> Interval:
    """The reflected interval 2 value - quantiles, cut off at `lowest`, for estimators that resampling inflates.

    Source: Davison and Hinkley 1997, section 5.2. Such an interval need not contain its own point.
    """
    low, high = np.quantile(resampled_R, (0.025, 0.975))
    return Interval(max(2 * value - float(high), lowest), max(2 * value - float(low), lowest))
