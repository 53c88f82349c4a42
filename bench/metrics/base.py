"""What a metric is: a pure function of answers, with its direction and the way its interval is made.

Shape letters: N samples, K kept classes, C classes, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bench.records.predictions import Predictions

__all__ = ["Answers", "Mean", "Metric", "Proportion", "Values", "Weights"]

Weights = npt.NDArray[np.float64]
"""How often each image counts, shape (N, R): ones for the value itself, whole numbers for bootstrap resamples."""
Values = npt.NDArray[np.float64]
"""A metric's value for each of them, shape (R,)."""


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
    def labelled_CN(self) -> Any:
        """Sparse, 1 where class c is the label of image n: `labelled_CN @ weights_NR` sums weights by label."""
        return _one_hot(self.labels_N, self.num_classes)

    @cached_property
    def answered_CN(self) -> Any:
        """Sparse, 1 where class c is the first answer to image n; an image without an answer has none."""
        return _one_hot(self.first_N, self.num_classes)

    @cached_property
    def confidence_N(self) -> npt.NDArray[np.float64]:
        """The probability of the first answer, 0..1."""
        return np.exp(self.predictions.top_log_probs_NK[:, 0].astype(np.float64))


def _one_hot(classes_N: npt.NDArray[np.int64], num_classes: int) -> Any:
    """A sparse matrix (C, N) with a 1 in each column whose class is not -1."""
    from scipy.sparse import csr_array

    (known_M,) = np.nonzero(classes_N >= 0)
    ones_M = np.ones(len(known_M))
    return csr_array((ones_M, (classes_N[known_M], known_M)), shape=(num_classes, len(classes_N)))


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

    compute: Callable[[Answers, Weights], Values]
    """From answers and weights to values, one a column of the weights."""
    interval: Literal["percentile", "basic"] = "percentile"
    """Which bootstrap; `basic` for estimators that resampling inflates."""
    over_classes: bool = False
    """The value is a mean over the classes that are present in the ground truth."""
