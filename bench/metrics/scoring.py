"""From answers to estimates: each metric once, with its interval; and the breakdown by class."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from bench.errors import UsageError, nearest
from bench.metrics import METRICS
from bench.metrics.base import Answers, Mean, Proportion, Values
from bench.metrics.calibration import reliability
from bench.records.breakdown import Breakdown, Confusion
from bench.records.result import Estimate
from bench.stats.intervals import basic_bootstrap, percentile_bootstrap, resample_weights, wilson

__all__ = ["BOOTSTRAP_SEED", "breakdown_of", "estimate", "same_estimate", "unavailable"]

BOOTSTRAP_SEED = 0
"""Seed of every bootstrap: equal predictions have equal intervals."""
_NUM_CONFUSIONS = 50


def unavailable(names: Iterable[str], answers: Answers) -> list[str]:
    """Those of the named metrics that need probabilities which these answers do not have."""
    if answers.predictions.has_probabilities:
        return []
    return [name for name in names if name in METRICS and METRICS[name].needs_probabilities]


def estimate(names: Iterable[str], answers: Answers) -> dict[str, Estimate]:
    """The named metrics with their 95 % intervals; those that are `unavailable` are left out.

    Raises:
        UsageError: A name is no metric; the nearest ones are offered.
    """
    wanted = list(names)
    for name in wanted:
        if name not in METRICS:
            raise UsageError(f"there is no metric {name!r}: {nearest(name, METRICS)}")
    missing = unavailable(wanted, answers)
    means = {name: METRICS[name] for name in wanted if name not in missing and isinstance(METRICS[name], Mean)}
    estimates = _bootstrapped({name: metric for name, metric in means.items() if isinstance(metric, Mean)}, answers)
    for name in wanted:
        metric = METRICS[name]
        if isinstance(metric, Proportion):
            estimates[name] = _proportion(metric, answers)
    return {name: estimates[name] for name in wanted if name in estimates}


def same_estimate(said: Estimate, found: Estimate) -> bool:
    """Whether two estimates are one but for the rounding of sums; an end of an interval that one lacks is no matter."""
    return said.count == found.count and all(
        one is None or other is None or math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
        for one, other in (
            (said.value, found.value),
            (said.ci_low, found.ci_low),
            (said.ci_high, found.ci_high),
        )
    )


def _proportion(metric: Proportion, answers: Answers) -> Estimate:
    count = int(metric.hits(answers).sum())
    low, high = wilson(count, len(answers))
    return Estimate(value=count / len(answers), ci_low=low, ci_high=high, num_samples=len(answers), count=count)


def _bootstrapped(metrics: dict[str, Mean], answers: Answers) -> dict[str, Estimate]:
    ones_N1 = np.ones((len(answers), 1))
    values = {name: float(metric.compute(answers, ones_N1)[0]) for name, metric in metrics.items()}
    resampled: dict[str, list[Values]] = {name: [] for name in metrics}
    if metrics:
        # All metrics see the same resamples.
        for weights_NR in resample_weights(len(answers), seed=BOOTSTRAP_SEED):
            for name, metric in metrics.items():
                resampled[name].append(metric.compute(answers, weights_NR))
    num_present = len(np.unique(answers.labels_N))
    estimates = {}
    for name, metric in metrics.items():
        interval = basic_bootstrap if metric.interval == "basic" else percentile_bootstrap
        low, high = interval(values[name], np.concatenate(resampled[name]))
        estimates[name] = Estimate(
            value=values[name],
            ci_low=low,
            ci_high=high,
            num_samples=len(answers),
            num_classes=num_present if metric.over_classes else None,
        )
    return estimates


def breakdown_of(answers: Answers, classes: str) -> Breakdown:
    """Counts by class, the largest confusions, and how far the confidence can be believed.

    Args:
        answers: Predictions and labels.
        classes: The name of the class table that the labels belong to.
    """
    size = answers.num_classes

    def counts(picked_M: np.ndarray) -> tuple[int, ...]:
        return tuple(np.bincount(picked_M, minlength=size).tolist())

    labels_N, first_N = answers.labels_N, answers.first_N
    wrong_N = ~answers.top1_N & (first_N >= 0)
    pairs, how_often = np.unique(labels_N[wrong_N] * size + first_N[wrong_N], return_counts=True)
    largest = np.lexsort((pairs, -how_often))[:_NUM_CONFUSIONS]
    return Breakdown(
        classes=classes,
        num_samples=counts(labels_N),
        num_top1=counts(labels_N[answers.top1_N]),
        num_top5=counts(labels_N[answers.top5_N]),
        num_answered=counts(first_N[first_N >= 0]),
        confusions=tuple(
            Confusion(label=int(pairs[at]) // size, answer=int(pairs[at]) % size, count=int(how_often[at]))
            for at in largest
        ),
        reliability=reliability(answers),
    )
