"""One pass of ready models over a dataset: ordered, complete, checked; the decoded stream is shared.

Shape letters: N images, V views of an image, M = N x V rows, H and W pixels, C classes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.backends.base import Logits, ModelSession, PendingLogits
from bench.data.dataset import Dataset
from bench.data.loader import Batch
from bench.errors import BenchError, NonFiniteError
from bench.metrics.topk import Ranked, join_ranked, rank_logits
from bench.records.predictions import Predictions

__all__ = ["Answered", "answer", "average_views"]

_IN_FLIGHT = 2
"""Batches that a device may be working on while the host ranks an earlier one."""


class Answered(NamedTuple):
    """What a model answered to a whole dataset."""

    predictions: Predictions
    num_ties_at_1: int
    """Images whose first and second logit are equal."""
    num_ties_at_5: int
    """Images whose fifth and sixth logit are equal."""
    seconds: float
    """Wall time that this host spent with the model: giving batches, waiting, ranking."""


def answer(
    sessions: Sequence[ModelSession],
    batches: Iterable[Batch],
    dataset: Dataset,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    turn: int = 1,
) -> list[Answered | BenchError]:
    """Shows every batch to every model, once and in order.

    Args:
        sessions: The ready models.
        batches: The dataset's pixels, from `iter_batches`.
        dataset: The images that the batches are about.
        on_progress: Called with the index of a model and how many more images it has answered.
        turn: How many batches a model gets before the next model's turn, so that its weights stay in the caches.

    Returns:
        For each model its answers, or the error that ended its part; the others go on.

    Raises:
        DataError: An image cannot be decoded.
    """
    tracks = [_Track(session, dataset) for session in sessions]
    stream = iter(batches)
    while group := list(islice(stream, turn)):
        for (index, track), batch in product(enumerate(tracks), group):
            num_answered = track.give(batch)
            if on_progress is not None and num_answered:
                on_progress(index, num_answered)
        if all(track.error is not None for track in tracks):
            break
    outcomes = []
    for index, track in enumerate(tracks):
        outcomes.append(track.finish())
        if on_progress is not None and track.num_left:
            on_progress(index, track.num_left)
    return outcomes


class _Track:
    """One model's way through the batches."""

    def __init__(self, session: ModelSession, dataset: Dataset) -> None:
        self.session = session
        self.dataset = dataset
        self.labels_N = dataset.labels_N
        self.sample_ids = dataset.sample_ids
        self.in_flight: deque[tuple[int, int, PendingLogits]] = deque()
        self.parts: list[Ranked] = []
        self.error: BenchError | None = None
        self.seconds = 0.0
        self.num_left = len(dataset)

    def give(self, batch: Batch) -> int:
        """Submits a batch and takes in the answers to an earlier one; returns how many images that were."""
        if self.error is not None:
            return 0
        started = time.perf_counter()
        before = self.num_left
        try:
            self.in_flight.append((batch.start, batch.count, self.session.submit(batch.images_NHWC)))
            if len(self.in_flight) > _IN_FLIGHT:
                self._take()
        except BenchError as error:
            self.error = error
        self.seconds += time.perf_counter() - started
        return before - self.num_left

    def finish(self) -> Answered | BenchError:
        """Takes in what is still in flight."""
        started = time.perf_counter()
        try:
            while self.in_flight and self.error is None:
                self._take()
        except BenchError as error:
            self.error = error
        if self.error is not None:
            return self.error
        num_classes = self.dataset.classes.num_classes
        return Answered(
            predictions=join_ranked(self.sample_ids, self.parts, num_classes=num_classes),
            num_ties_at_1=sum(part.num_ties_at_1 for part in self.parts),
            num_ties_at_5=sum(part.num_ties_at_5 for part in self.parts),
            seconds=self.seconds + time.perf_counter() - started,
        )

    def _take(self) -> None:
        start, count, pending = self.in_flight.popleft()
        logits_MC = pending()
        _refuse_non_finite(logits_MC, self.sample_ids[start : start + count])
        logits_NC = average_views(logits_MC, num_images=count)
        self.parts.append(rank_logits(logits_NC, self.labels_N[start : start + count]))
        self.num_left -= count


def average_views(logits_MC: Logits, *, num_images: int) -> Logits:
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


def _refuse_non_finite(logits_MC: Logits, sample_ids: tuple[str, ...]) -> None:
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
