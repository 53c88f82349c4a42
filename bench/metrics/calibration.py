"""How far the probabilities can be believed.

Shape letters: N samples, B bins, R resamples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.metrics.base import Answers, Values, Weights
from bench.records.breakdown import ReliabilityBin

__all__ = ["NUM_BINS", "brier", "ece", "nll", "reliability"]

NUM_BINS = 15
"""Bins of equal width over [0, 1] (Guo et al. 2017, arXiv:1706.04599, section 5)."""


def ece(answers: Answers, weights_NR: Weights) -> Values:
    """Expected calibration error: the mean gap between confidence and accuracy over 15 equal-width bins.

    sum over bins b of (n_b / n) |accuracy_b - confidence_b|, bins (0, 1/15], (1/15, 2/15], ..., confidence = the
    probability of the first answer. Guo et al. 2017, arXiv:1706.04599, equation 3.
    """
    bins_N = _bins(answers)
    # n_b |acc_b - conf_b| is the absolute sum of (right - confidence) over the bin: one count, one division.
    gaps_BN = np.where(bins_N == np.arange(NUM_BINS)[:, None], answers.top1_N - answers.confidence_N, 0.0)
    return _mean(np.abs(gaps_BN @ weights_NR).sum(axis=0), weights_NR)


def reliability(answers: Answers) -> tuple[ReliabilityBin, ...]:
    """The bins that `ece` is made of, in order; none where the answers have no probabilities."""
    if not answers.predictions.has_probabilities:
        return ()
    bins_N = _bins(answers)
    num_samples_B = np.bincount(bins_N, minlength=NUM_BINS)
    num_top1_B = np.bincount(bins_N[answers.top1_N], minlength=NUM_BINS)
    confidence_B = np.bincount(bins_N, answers.confidence_N, NUM_BINS) / np.maximum(num_samples_B, 1)
    return tuple(
        ReliabilityBin(num_samples=count, num_top1=right, confidence=confidence)
        for count, right, confidence in zip(
            num_samples_B.tolist(), num_top1_B.tolist(), confidence_B.tolist(), strict=True
        )
    )


def nll(answers: Answers, weights_NR: Weights) -> Values:
    """Negative log-likelihood: the mean of -ln p(label), in nats."""
    return _mean(-answers.predictions.label_log_prob_N.astype(np.float64) @ weights_NR, weights_NR)


def brier(answers: Answers, weights_NR: Weights) -> Values:
    """Brier score: the mean squared distance of the probabilities from the one-hot label, 0 to 2.

    mean of sum_c p_c^2 - 2 p_label + 1 (Brier 1950, Monthly Weather Review 78:1-3, the original, multi-class form).
    """
    predictions = answers.predictions
    p_label_N = np.exp(predictions.label_log_prob_N.astype(np.float64))
    return _mean((predictions.sum_squared_probs_N - 2 * p_label_N + 1) @ weights_NR, weights_NR)


def _bins(answers: Answers) -> npt.NDArray[np.int64]:
    """The bin of each image's confidence, 0..B-1."""
    return np.clip(np.ceil(answers.confidence_N * NUM_BINS).astype(np.int64) - 1, 0, NUM_BINS - 1)


def _mean(sums_R: Values, weights_NR: Weights) -> Values:
    """Weighted sums divided by the sum of the weights."""
    means_R: Values = sums_R / weights_NR.sum(axis=0)
    return means_R
