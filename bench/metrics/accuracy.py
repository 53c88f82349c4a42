"""Top-k accuracy and its means over classes.

Shape letters: N samples, C classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.metrics.base import Answers, Weights

__all__ = ["macro_f1", "macro_precision", "mean_per_class", "top1", "top1_error", "top5", "top5_error"]


def top1(answers: Answers) -> npt.NDArray[np.bool_]:
    """Images whose first answer is the label."""
    return answers.top1_N


def top5(answers: Answers) -> npt.NDArray[np.bool_]:
    """Images whose label is among the first five answers; order and repetition inside them do not matter."""
    return answers.top5_N


def top1_error(answers: Answers) -> npt.NDArray[np.bool_]:
    """Images whose first answer is not the label."""
    return ~answers.top1_N


def top5_error(answers: Answers) -> npt.NDArray[np.bool_]:
    """Images whose label is not among the first five answers: the ILSVRC classification error."""
    return ~answers.top5_N


class _ClassCounts(NamedTuple):
    """Weighted counts of the classes that are present in the ground truth."""

    right: npt.NDArray[np.float64]
    labelled: npt.NDArray[np.float64]
    answered: npt.NDArray[np.float64]


def _count(answers: Answers, weights_N: Weights) -> _ClassCounts:
    num_classes, right_N = answers.num_classes, answers.top1_N
    labelled_C = _sums(answers.labels_N, weights_N, num_classes)
    right_C = _sums(answers.labels_N, weights_N * right_N, num_classes)
    # An image without an answer (-1) is answered by no class: bin 0 takes it and is dropped.
    answered_C = _sums(answers.first_N + 1, weights_N, num_classes + 1)[1:]
    present_C = labelled_C > 0
    return _ClassCounts(right_C[present_C], labelled_C[present_C], answered_C[present_C])


def _sums(classes_N: npt.NDArray[np.int64], weights_N: Weights, num_classes: int) -> npt.NDArray[np.float64]:
    """The sum of the weights of each class, shape (C,)."""
    return np.bincount(classes_N, weights_N, num_classes).astype(np.float64, copy=False)


def mean_per_class(answers: Answers, weights_N: Weights) -> float:
    """Mean over classes of the share of a class's images that are answered right (macro recall).

    (1 / |P|) sum over c in P of right_c / labelled_c, P = the classes present in the ground truth.
    """
    counts = _count(answers, weights_N)
    return float((counts.right / counts.labelled).mean())


def macro_precision(answers: Answers, weights_N: Weights) -> float:
    """Mean over classes of the share of answers "c" that are right; 0 for a class that is never answered.

    (1 / |P|) sum over c in P of right_c / answered_c, P = the classes present in the ground truth.
    """
    counts = _count(answers, weights_N)
    shares = np.divide(counts.right, counts.answered, out=np.zeros_like(counts.right), where=counts.answered > 0)
    return float(shares.mean())


def macro_f1(answers: Answers, weights_N: Weights) -> float:
    """Mean over classes of the harmonic mean of precision and recall.

    (1 / |P|) sum over c in P of 2 right_c / (labelled_c + answered_c), P = the classes present in the ground truth.
    """
    counts = _count(answers, weights_N)
    return float((2 * counts.right / (counts.labelled + counts.answered)).mean())
