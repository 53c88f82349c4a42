"""One pass of ready models over a dataset: ordered, complete, checked; the decoded stream is shared.

Shape letters: N images, V views of an image, M = N x V rows, H and W pixels, C classes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.audits.evidence import Evidence
from bench.backends.audited import AuditPlan, TrackAudit
from bench.backends.base import Logits, ModelSession, PendingLogits
from bench.backends.views import average_views
from bench.data.dataset import Dataset
from bench.data.loader import Batch
from bench.errors import BenchError, NonFiniteError
from bench.metrics.topk import Ranked, join_ranked, rank_logits
from bench.records.predictions import Predictions

__all__ = ["Answered", "answer", "average_views"]

_ROWS_AT_ONCE = 128
"""Answers of small batches are ranked together, for to rank costs tens of calls, however few the rows."""


class Answered(NamedTuple):
    """What a model answered to a whole dataset."""

    predictions: Predictions
    num_ties_at_1: int
    """Images whose first and second logit are equal."""
    num_ties_at_5: int
    """Images whose fifth and sixth logit are equal."""
    seconds: float
    """Wall time that this host spent with the model: giving batches, waiting, ranking; the audits apart."""
    evidence: Evidence | None = None
    """What the audits brought to light."""
    audit_s: float = 0.0
    """Wall time of the audits."""


def answer(
    sessions: Sequence[ModelSession],
    batches: Iterable[Batch],
    dataset: Dataset,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    turn: int = 1,
    audits: Sequence[AuditPlan | None] | None = None,
    full_rows: int | None = None,
) -> list[Answered | BenchError]:
    """Shows every batch to every model, once and in the order in which they come.

    Args:
        sessions: The ready models.
        batches: The dataset's pixels, from `iter_batches`.
        dataset: The images that the batches are about.
        on_progress: Called with the index of a model and how many more images it has answered.
        turn: How many batches a model gets before the next model's turn, so that its weights stay in the caches.
        audits: How each model is audited among its batches; None for not at all.
        full_rows: The rows of a whole batch, to which the last one is filled up by repeating its own, so that it looks
            like any other; what is answered to the repeats is dropped. None leaves it as short as it is.

    Returns:
        For each model its answers, or the error that ended its part; the others go on.

    Raises:
        DataError: An image cannot be decoded.
    """
    plans = audits or [None] * len(sessions)
    tracks = [_Track(session, dataset, plan, full_rows) for session, plan in zip(sessions, plans, strict=True)]
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
        num_left = track.num_left
        outcomes.append(track.finish())
        if on_progress is not None and num_left:
            on_progress(index, num_left)
    return outcomes


class _Track:
    """One model's way through the batches."""

    def __init__(self, session: ModelSession, dataset: Dataset, plan: AuditPlan | None, full_rows: int | None) -> None:
        self.session = session
        self.dataset = dataset
        self.labels_N = dataset.labels_N
        self.sample_ids = dataset.sample_ids
        self.full_rows = full_rows
        self.in_flight: deque[tuple[npt.NDArray[np.int64], int, PendingLogits]] = deque()
        self.answered_N: list[npt.NDArray[np.int64]] = []
        self.unranked: list[Logits] = []
        self.parts: list[Ranked] = []
        self.error: BenchError | None = None
        self.seconds = 0.0
        self.num_left = len(dataset)
        self.audit = None if plan is None else TrackAudit(session, dataset, plan)
        self.answered_at = 0.0

    def give(self, batch: Batch) -> int:
        """Submits a batch and takes in the answers to an earlier one; returns how many images that were."""
        if self.error is not None:
            return 0
        started = time.perf_counter()
        before = self.num_left
        try:
            with self.session.guarded():
                if self.audit is None:
                    self._submit(batch)
                else:
                    self._submit_audited(batch, self.audit)
        except BenchError as error:
            self.error = error
        self.seconds += time.perf_counter() - started
        return before - self.num_left

    def _submit(self, batch: Batch) -> None:
        images_NHWC = batch.images_NHWC
        num_rows = len(images_NHWC)
        if self.full_rows is not None and num_rows < self.full_rows:
            images_NHWC = np.resize(images_NHWC, (self.full_rows, *images_NHWC.shape[1:]))
        self.in_flight.append((batch.where_N, num_rows, self.session.submit(images_NHWC)))
        while len(self.in_flight) > self.session.num_ahead:
            self._take()

    def _submit_audited(self, batch: Batch, audit: TrackAudit) -> None:
        """The same, with a round of the audit after it where one is due; some batches are asked for alone and timed."""
        if audit.keep(batch):
            self._take_all()
            # An array of its own, which no other model of the wave has brought to the device before.
            batch = replace(batch, images_NHWC=batch.images_NHWC.copy())
            submitted = time.perf_counter()
            self._submit(batch)
            self._take_all()
            audit.timed_alone(self.answered_at - submitted)
        else:
            self._submit(batch)
        if audit.is_due():
            self._take_all()
            audit.show_round()

    def finish(self) -> Answered | BenchError:
        """Takes in what is still in flight."""
        if self.error is not None:
            return self.error
        try:
            with self.session.guarded():
                return self._answered()
        except BenchError as error:
            self.error = error
            return error

    def _answered(self) -> Answered:
        started = time.perf_counter()
        self._take_all()
        if self.unranked:
            self._rank()
        evidence = None if self.audit is None else self.audit.finish()
        audit_s = 0.0 if self.audit is None else self.audit.seconds
        num_classes = self.dataset.classes.num_classes
        return Answered(
            predictions=join_ranked(
                self.sample_ids,
                self.parts,
                num_classes=num_classes,
                positions_N=np.concatenate([*self.answered_N, np.empty(0, np.int64)]),
            ),
            num_ties_at_1=sum(part.num_ties_at_1 for part in self.parts),
            num_ties_at_5=sum(part.num_ties_at_5 for part in self.parts),
            seconds=self.seconds + time.perf_counter() - started - audit_s,
            evidence=evidence,
            audit_s=audit_s,
        )

    def _take_all(self) -> None:
        while self.in_flight:
            self._take()

    def _take(self) -> None:
        where_N, num_rows, pending = self.in_flight.popleft()
        logits_MC = pending()[:num_rows]
        self.answered_at = time.perf_counter()
        _refuse_non_finite(logits_MC, tuple(self.sample_ids[position] for position in where_N))
        logits_NC = average_views(logits_MC, num_images=len(where_N))
        self.answered_N.append(where_N)
        self.unranked.append(logits_NC)
        if sum(map(len, self.unranked)) >= _ROWS_AT_ONCE:
            self._rank()
        self.num_left -= len(where_N)
        if self.audit is not None:
            self.audit.answered(logits_NC)

    def _rank(self) -> None:
        """Ranks what was answered since the last time."""
        logits_NC = self.unranked[0] if len(self.unranked) == 1 else np.concatenate(self.unranked)
        where_N = np.concatenate(self.answered_N[-len(self.unranked) :])
        self.parts.append(rank_logits(logits_NC, self.labels_N[where_N]))
        self.unranked.clear()


def _refuse_non_finite(logits_MC: Logits, sample_ids: tuple[str, ...]) -> None:
    finite_MC = np.isfinite(logits_MC)
    if finite_MC.all():
        return
    num_views = len(logits_MC) // len(sample_ids)
    bad = [sample_ids[row] for row in dict.fromkeys((np.nonzero(~finite_MC.all(axis=1))[0] // num_views).tolist())]
    shown = ", ".join(bad[:3]) + (", ..." if len(bad) > 3 else "")
    num_values = int((~finite_MC).sum())
    raise NonFiniteError(
        f"{num_values:,} logits of this batch are NaN or infinite, for {len(bad)} of {len(sample_ids)} images: {shown}"
    )
