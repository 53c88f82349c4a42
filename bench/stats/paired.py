"""Do two models differ on the same images? The exact McNemar test, and the size of the difference."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.stats.intervals import Z_95

__all__ = ["PairedTest", "mcnemar_p", "paired_test"]


class PairedTest(NamedTuple):
    """How two models compare on the same images."""

    num_samples: int
    """Images that both answered."""
    both: int
    """Both are right."""
    only_a: int
    """Only A is right."""
    only_b: int
    """Only B is right."""
    neither: int
    """Both are wrong."""
    difference: float
    """Accuracy of A minus accuracy of B."""
    ci_low: float
    """Lower end of the 95 % interval of the difference."""
    ci_high: float
    """Upper end of the 95 % interval of the difference."""
    p_value: float
    """Exact two-sided p-value of McNemar's test."""

    @property
    def differ(self) -> bool:
        """Whether they differ at the 5 % level."""
        return self.p_value < 0.05


def mcnemar_p(only_a: int, only_b: int) -> float:
    """The exact two-sided p-value of McNemar's test: a fair coin for each image on which only one model is right.

    Source: McNemar 1947, Psychometrika 12:153-157, in its exact form min(1, 2 P(X <= min(b, c))), X ~ Bin(b + c, 1/2).

    Args:
        only_a: b, images on which only A is right.
        only_b: c, images on which only B is right.

    >>> mcnemar_p(1, 9)
    0.021484375
    """
    from scipy.stats import binom

    discordant = only_a + only_b
    if discordant == 0:
        return 1.0
    return min(1.0, 2.0 * float(binom.cdf(min(only_a, only_b), discordant, 0.5)))


def paired_test(right_a_N: npt.NDArray[np.bool_], right_b_N: npt.NDArray[np.bool_]) -> PairedTest:
    """Compares two models by which images they get right.

    The interval is the adjusted Wald interval of Bonett and Price 2012 (J. Educ. Behav. Stat. 37:479-488): one image
    is added to both discordant counts, so that it has a width even when no image is discordant.

    Args:
        right_a_N: Whether A is right, in the canonical order of the samples.
        right_b_N: Whether B is right, in the same order.

    Raises:
        ValueError: The arrays have different lengths, or none.
    """
    if right_a_N.shape != right_b_N.shape or right_a_N.ndim != 1 or not len(right_a_N):
        raise ValueError(f"expected two equal, non-empty shapes (N,), found {right_a_N.shape} and {right_b_N.shape}")
    num_samples = len(right_a_N)
    both, only_a = int((right_a_N & right_b_N).sum()), int((right_a_N & ~right_b_N).sum())
    only_b = int((~right_a_N & right_b_N).sum())
    share_a, share_b = (only_a + 1) / (num_samples + 2), (only_b + 1) / (num_samples + 2)
    centre = share_a - share_b
    half = Z_95 * math.sqrt((share_a + share_b - centre * centre) / (num_samples + 2))
    return PairedTest(
        num_samples=num_samples,
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=num_samples - both - only_a - only_b,
        difference=(only_a - only_b) / num_samples,
        ci_low=max(-1.0, centre - half),
        ci_high=min(1.0, centre + half),
        p_value=mcnemar_p(only_a, only_b),
    )
