"""Top-k accuracy and its means over classes.

Shape letters: N samples, C classes, R resamples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.metrics.base import Answers, Values, Weights

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
    """Weighted counts by class, shape (C, R); classes absent from the ground truth have `labelled` 0."""

    right_CR: npt.NDArray[np.float64]
    labelled_CR: npt.NDArray[np.float64]
    answered_CR: npt.NDArray[np.float64]

    def mean_over_present(
        self, numerator_CR: npt.NDArray[np.float64], denominator_CR: npt.NDArray[np.float64]
    ) -> Values:
        """The mean of the quotients over the classes that are present in the ground truth; 0 / 0 counts as 0."""
        present_CR = self.labelled_CR > 0
        shares_CR = np.zeros_like(numerator_CR)
        np.divide(numerator_CR, denominator_CR, out=shares_CR, where=present_CR & (denominator_CR > 0))
        means_R: Values = shares_CR.sum(axis=0) / present_CR.sum(axis=0)
        return means_R


def _count(answers: Answers, weights_NR: Weights) -> _ClassCounts:
    labelled_CN, answered_CN = answers.labelled_CN, answers.answered_CN
    right_NR = weights_NR * answers.top1_N[:, None]
    return _ClassCounts(labelled_CN @ right_NR, labelled_CN @ weights_NR, answered_CN @ weights_NR)


def mean_per_class(answers: Answers, weights_NR: Weights) -> Values:
    """Mean over classes of the share of a class's images that are answered right (macro recall).

    (1 / |P|) sum over c in P of right_c / labelled_c, P = the classes present in the ground truth.
    """
    counts = _count(answers, weights_NR)
    return counts.mean_over_present(counts.right_CR, counts.labelled_CR)


def macro_precision(answers: Answers, weights_NR: Weights) -> Values:
    """Mean over classes of the share of answers "c" that are right; 0 for a class that is never answered.

    (1 / |P|) sum over c in P of right_c / answered_c, P = the classes present in the ground truth.
    """
    counts = _count(answers, weights_NR)
    return counts.mean_over_present(counts.right_CR, counts.answered_CR)


def macro_f1(answers: Answers, weights_NR: Weights) -> Values:
    """Mean over classes of the harmonic mean of precision and recall.

    (1 / |P|) sum over c in P of 2 right_c / (labelled_c + answered_c), P = the classes present in the ground truth.
    """
    counts = _count(answers, weights_NR)
    return counts.mean_over_present(2 * counts.right_CR, counts.labelled_CR + counts.answered_CR)
