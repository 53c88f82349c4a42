"""Metrics: pure functions of predictions and ground truth; numpy, no torch. `METRICS` is the table of all of them."""

from __future__ import annotations

from bench.metrics.accuracy import macro_f1, macro_precision, mean_per_class, top1, top1_error, top5, top5_error
from bench.metrics.base import Answers, Mean, Metric, Proportion
from bench.metrics.calibration import brier, ece, nll

__all__ = ["METRICS", "Answers", "Mean", "Metric", "Proportion"]

METRICS: dict[str, Metric] = {
    "top1": Proportion(
        title="Top-1 accuracy",
        help="Share of the images whose first answer is right.",
        higher_is_better=True,
        hits=top1,
    ),
    "top5": Proportion(
        title="Top-5 accuracy",
        help="Share of the images with the right answer among the first five.",
        higher_is_better=True,
        hits=top5,
    ),
    "top1_error": Proportion(
        title="Top-1 error",
        help="Share of the images whose first answer is wrong.",
        higher_is_better=False,
        hits=top1_error,
    ),
    "top5_error": Proportion(
        title="Top-5 error",
        help="Share of the images without the right answer among the first five: the ILSVRC classification error.",
        higher_is_better=False,
        hits=top5_error,
    ),
    "mean_per_class": Mean(
        title="Mean per-class accuracy",
        help="Mean over the classes present of the share of a class's images answered right (macro recall).",
        higher_is_better=True,
        compute=mean_per_class,
        over_classes=True,
    ),
    "macro_precision": Mean(
        title="Macro precision",
        help="Mean over the classes present of the share of a class's answers that are right.",
        higher_is_better=True,
        compute=macro_precision,
        over_classes=True,
    ),
    "macro_f1": Mean(
        title="Macro F1",
        help="Mean over the classes present of the harmonic mean of precision and recall.",
        higher_is_better=True,
        compute=macro_f1,
        over_classes=True,
    ),
    "ece": Mean(
        title="Expected calibration error",
        help="Mean gap between confidence and accuracy over 15 equal-width bins.",
        higher_is_better=False,
        needs_probabilities=True,
        compute=ece,
        interval="basic",
    ),
    "nll": Mean(
        title="Negative log-likelihood",
        help="Mean of -ln p(label), in nats.",
        higher_is_better=False,
        needs_probabilities=True,
        compute=nll,
    ),
    "brier": Mean(
        title="Brier score",
        help="Mean squared distance of the probabilities from the one-hot label, 0 to 2.",
        higher_is_better=False,
        needs_probabilities=True,
        compute=brier,
    ),
}
"""Every metric by name. To add one: a function in this package and its line here."""
