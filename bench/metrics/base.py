"""What a metric is: a pure function of answers, with its direction and the way its interval is made.

Shape letters: N samples, K kept classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from bench.records.predictions import Predictions

__all__ = ["Answers", "Mean", "Metric", "Proportion", "Weights"]

Weights = npt.NDArray[np.float64]
"""How often each image counts, shape (N,): ones for the value itself, whole numbers for a bootstrap resample."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Predictions next to the ground truth: all that a metric may look at."""

    predictions: Predictions
    labels_N: npt.NDArray[np.int64]
    """Class indices 0..C-1, in the order of the predictions' sample ids."""

    def __post_init__(self) -> None:
        if len(self.labels_N) != len(self.predictions.sample_ids):
            raise ValueError(f"{len(self.labels_N)} labels for {len(self.predictions.sample_ids)} predictions")

    def __len__(self) -> int:
        return len(self.labels_N)

    @property
    def num_classes(self) -> int:
        """C, the number of classes."""
        return self.predictions.num_classes

    @cached_property
    def first_N(self) -> npt.NDArray[np.int64]:
        """The first answer, -1 where there is none."""
        return self.predictions.top_classes_NK[:, 0].astype(np.int64)

    @cached_property
    def top1_N(self) -> npt.NDArray[np.bool_]:
        """Whether the first answer is right."""
        right_N: npt.NDArray[np.bool_] = self.first_N == self.labels_N
        return right_N

    @cached_property
    def top5_N(self) -> npt.NDArray[np.bool_]:
        """Whether one of the first five answers is right."""
        right_N: npt.NDArray[np.bool_] = (self.predictions.top_classes_NK[:, :5] == self.labels_N[:, None]).any(axis=1)
        return right_N

    @cached_property
    def confidence_N(self) -> npt.NDArray[np.float64]:
        """The probability of the first answer, 0..1."""
        return np.exp(self.predictions.top_log_probs_NK[:, 0].astype(np.float64))


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What every metric says about itself."""

    title: str
    """The words for it, as on a board."""
    help: str
    """One sentence: what it is and over what it runs."""
    higher_is_better: bool
    """Its direction."""
    needs_probabilities: bool = False
    """It cannot be had from an ordered list of classes."""


@dataclass(frozen=True, kw_only=True)
class Proportion(Metric):
    """A share of the images: a whole count, divided once, with a Wilson interval."""

    hits: Callable[[Answers], npt.NDArray[np.bool_]]
    """From answers to the images that count, shape (N,)."""


@dataclass(frozen=True, kw_only=True)
class Mean(Metric):
    """Any other weighted statistic, with a bootstrap interval over images."""

    compute: Callable[[Answers, Weights], float]
    """From answers and weights to the value."""
    interval: Literal["percentile", "basic"] = "percentile"
    """Which bootstrap; `basic` for estimators that resampling inflates."""
    over_classes: bool = False
    """The value is a mean over the classes that are present in the ground truth."""
