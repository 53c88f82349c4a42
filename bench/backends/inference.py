"""One pass of a ready model over a dataset: ordered, complete, checked.

Shape letters: N images, V views of an image, H and W pixels, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.backends.base import ModelSession
from bench.data.dataset import Dataset
from bench.data.loader import iter_batches
from bench.errors import NonFiniteError
from bench.metrics.topk import Ranked, join_ranked, rank_logits
from bench.records.predictions import Predictions
from bench.records.protocol import Geometry, Views

__all__ = ["Answered", "answer", "average_views"]


class Answered(NamedTuple):
    """What a model answered to a whole dataset."""

    predictions: Predictions
    num_ties_at_1: int
    """Images whose first and second logit are equal."""
    num_ties_at_5: int
    """Images whose fifth and sixth logit are equal."""


def answer(
    session: ModelSession,
    dataset: Dataset,
    geometry: Geometry,
    views: Views,
    *,
    batch_size: int,
    num_threads: int,
    on_progress: Callable[[int], None] | None = None,
) -> Answered:
    """Shows every image of the dataset to the model, once and in order.

    Args:
        session: The ready model.
        dataset: The images.
        geometry: How they become pixels.
        views: How many crops of each image are shown.
        batch_size: Images a batch; with several views the model sees that many times more rows.
        num_threads: Threads that decode.
        on_progress: Called with how many more images are done.

    Raises:
        NonFiniteError: A logit is NaN or infinite.
        DataError: An image cannot be decoded.
        ModelError, OutputError, DeviceError: The model cannot answer.
    """
    labels_N = dataset.labels_N
    parts: list[Ranked] = []
    for batch in iter_batches(dataset, geometry, views=views.kind, batch_size=batch_size, num_threads=num_threads):
        end = batch.start + batch.count
        logits_MC = session.logits(batch.images_NHWC)
        _refuse_non_finite(logits_MC, dataset.sample_ids[batch.start : end])
        logits_NC = average_views(logits_MC, num_images=batch.count)
        parts.append(rank_logits(logits_NC, labels_N[batch.start : end]))
        if on_progress is not None:
            on_progress(batch.count)
    return Answered(
        predictions=join_ranked(dataset.sample_ids, parts, num_classes=dataset.classes.num_classes),
        num_ties_at_1=sum(part.num_ties_at_1 for part in parts),
        num_ties_at_5=sum(part.num_ties_at_5 for part in parts),
    )


def average_views(logits_MC: npt.NDArray[np.float32], *, num_images: int) -> npt.NDArray[np.float32]:
    """The logarithm of the softmax averaged over the views of each image; one view is returned as it is.

    Args:
        logits_MC: M = N x V rows, the views of an image next to each other.
        num_images: N.

    Returns:
        Shape (N, C); for several views these are log-probabilities, which are logits too.
    """
    if len(logits_MC) == num_images:
        return logits_MC
    logits_NVC = logits_MC.reshape(num_images, -1, logits_MC.shape[1]).astype(np.float64)
    shifted_NVC = logits_NVC - logits_NVC.max(axis=2, keepdims=True)
    probs_NVC = np.exp(shifted_NVC)
    probs_NVC /= probs_NVC.sum(axis=2, keepdims=True)
    # The smallest positive float keeps a probability that underflowed finite, and last.
    mean_NC = np.maximum(probs_NVC.mean(axis=1), np.finfo(np.float64).tiny)
    logits_NC: npt.NDArray[np.float32] = np.log(mean_NC).astype(np.float32)
    return logits_NC


def _refuse_non_finite(logits_MC: npt.NDArray[np.float32], sample_ids: tuple[str, ...]) -> None:
    finite_M = np.isfinite(logits_MC).all(axis=1)
    if finite_M.all():
        return
    num_views = len(logits_MC) // len(sample_ids)
    bad = [sample_ids[row] for row in dict.fromkeys((np.nonzero(~finite_M)[0] // num_views).tolist())]
    shown = ", ".join(bad[:3]) + (", ..." if len(bad) > 3 else "")
    num_values = int((~np.isfinite(logits_MC)).sum())
    raise NonFiniteError(
        f"{num_values:,} logits of this batch are NaN or infinite, for {len(bad)} of {len(sample_ids)} images: {shown}"
    )
