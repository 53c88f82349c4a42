"""Rules for stored predictions (P01 to P03): readable, complete, and worth the metrics that the result has.

Shape letters: N samples, K kept classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.check.context import Context
from bench.check.rule import Finding, finding, findings_of
from bench.errors import BenchError
from bench.metrics import METRICS
from bench.metrics.base import Answers, Mean
from bench.metrics.scoring import estimate, same_estimate
from bench.protocols import load_protocol
from bench.records.correctness import Correctness
from bench.records.predictions import Predictions, check_sample_ids
from bench.store import Store
from bench.stored import Stored, read_correctness

__all__ = ["look_at_predictions"]


def look_at_predictions(stored: Stored, context: Context, notes: list[str]) -> Iterator[Finding]:
    """Breaches of P01 to P03 where the predictions of a result are on this machine.

    With the dataset, all metrics are scored again with its labels. Without it, the bits beside the result take the
    place of the labels, which serves all metrics but those over classes.

    Args:
        stored: The result.
        context: Options.
        notes: Takes what was not tried.
    """
    result = stored.result
    if result.predictions is None or len(stored.path.parents) < 5:
        return
    store = Store(stored.path.parents[3], context.predictions)
    path = store.predictions / f"{result.predictions.sha256}.parquet"
    if not path.is_file():
        return
    try:
        predictions = store.read_predictions(result)
    except BenchError as error:
        yield from findings_of("P01", error, path)
        return
    if (found := predictions.sha256()) != result.predictions.sha256:
        yield finding("P01", f"has the content {found[:12]}, not the one of its name", path)
        return
    if (fault := _incomplete(predictions.sample_ids, result.dataset.num_samples)) is not None:
        yield finding("P03", fault, path)
        return
    yield from _scores(stored, predictions, context, path, notes)


def _incomplete(sample_ids: tuple[str, ...], num_samples: int) -> str | None:
    """What is wrong with the ids of the images that were answered."""
    if len(sample_ids) != num_samples:
        return f"answers {len(sample_ids):,} images, the result is over {num_samples:,}"
    if list(sample_ids) != sorted(set(sample_ids)):
        return "has sample ids that are doubled or not in order"
    return None


def _scores(
    stored: Stored, predictions: Predictions, context: Context, path: Path, notes: list[str]
) -> Iterator[Finding]:
    """P02: the metrics of the predictions against those of the result."""
    result = stored.result
    try:
        answers, names = _answers(stored, predictions, context)
        if answers is None:
            notes.append("the metrics were not scored again: give --data")
            return
        computed = estimate([name for name in names if name in result.metrics], answers)
    except BenchError as error:
        yield finding("P03", error.message, path)
        return
    for name, new in computed.items():
        old = result.metrics[name]
        if not same_estimate(old, new):
            message = f"give {name} = {_shown(new)}, but the result says {_shown(old)}"
            yield finding("P02", message, path, key=f"metrics.{name}")


def _shown(found: object) -> str:
    value, count = getattr(found, "value", None), getattr(found, "count", None)
    return f"{value}" if count is None else f"{value} ({count:,})"


def _answers(stored: Stored, predictions: Predictions, context: Context) -> tuple[Answers | None, list[str]]:
    """The predictions with labels, and the metrics that can be scored with these; None where there are no labels.

    Raises:
        BenchError: The dataset does not fit, or what lies beside the result is broken.
    """
    if context.data is not None:
        return Answers(predictions, _true_labels(stored, predictions, context.data)), list(METRICS)
    bits = read_correctness(stored)
    names = [name for name, metric in METRICS.items() if not (isinstance(metric, Mean) and metric.over_classes)]
    return None if bits is None else Answers(predictions, _labels_from_bits(predictions, bits)), names


def _true_labels(stored: Stored, predictions: Predictions, data: Path) -> npt.NDArray[np.int64]:
    from bench.data.dataset import open_dataset

    spec = load_protocol(stored.result.protocol.id).dataset
    dataset = open_dataset(data, spec, allow_partial=not stored.result.dataset.complete)
    labels = dict(zip(dataset.sample_ids, dataset.labels_N.tolist(), strict=True))
    expected = dataset.sample_ids if stored.result.dataset.complete else predictions.sample_ids
    found = predictions.sample_ids
    check_sample_ids([name for name in found if stored.result.dataset.complete or name in labels], expected)
    return np.array([labels[name] for name in predictions.sample_ids], np.int64)


def _labels_from_bits(predictions: Predictions, bits: Correctness) -> npt.NDArray[np.int64]:
    """Labels with which the predictions are right and wrong where the bits say so, shape (N,).

    An image that is right has its first answer as label; one that is right among the first five, the answer whose
    probability is the label's; any other, a class that is not among the first five.
    """
    top_NK = predictions.top_classes_NK.astype(np.int64)
    # A class that no top five holds: the smallest of six candidates that is not among the five.
    candidates_6 = np.arange(min(6, predictions.num_classes))
    is_taken_N6 = (top_NK[:, :5, None] == candidates_6).any(axis=1)
    other_N = candidates_6[np.argmin(is_taken_N6, axis=1)]
    is_label_NK = predictions.top_log_probs_NK[:, 1:5] == predictions.label_log_prob_N[:, None]
    second_N = np.take_along_axis(top_NK[:, 1:5], np.argmax(is_label_NK, axis=1)[:, None], axis=1)[:, 0]
    return np.where(bits.top1_N, top_NK[:, 0], np.where(bits.top5_N, second_N, other_N))
