"""The audit of one model on its way through the batches: between the pass over a dataset and the `Auditor`.

Shape letters: N images, M rows (images times views), H and W pixels, C classes.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bench.audits.auditor import Auditor, Kept
from bench.audits.evidence import Evidence
from bench.backends.base import Images, Logits, ModelSession
from bench.backends.views import average_views
from bench.data.dataset import Dataset
from bench.data.loader import Batch
from bench.errors import NonFiniteError
from bench.measure.peaks import peak_of
from bench.records.protocol import Precision
from bench.records.result import Scalar

__all__ = ["AuditPlan", "TrackAudit", "completed", "new_secret"]

_SECRET_BITS = 53
"""Whole numbers up to here are exact wherever JSON is read."""


def new_secret() -> int:
    """A seed that nobody can guess; the result keeps it."""
    return secrets.randbits(_SECRET_BITS)


class AuditPlan(NamedTuple):
    """How a model is audited."""

    seed: int
    """The secret that decides what is shown when."""
    precision: Precision
    """The arithmetic."""
    batch_size: int
    """Images in a scored batch."""


class TrackAudit:
    """The audit of one model.

    Args:
        session: The model.
        dataset: What it is scored on.
        plan: How it is audited.
    """

    def __init__(self, session: ModelSession, dataset: Dataset, plan: AuditPlan) -> None:
        self._session, self._plan = session, plan
        self._kept: deque[list[Kept]] = deque()
        self._auditor = Auditor(
            self._ask,
            session.settings,
            seed=plan.seed,
            precision=plan.precision,
            labels_N=dataset.labels_N,
            num_images=len(dataset),
            batch_size=plan.batch_size,
        )
        self.seconds = 0.0
        """Wall time of the rounds."""

    def keep(self, batch: Batch) -> bool:
        """Copies what will come again of a batch that is about to be scored; says whether it is to be asked alone."""
        alone = self._auditor.alone_next() and batch.count == self._plan.batch_size
        self._kept.append(self._auditor.keep(batch.where_N, batch.images_NHWC))
        return alone

    def answered(self, logits_NC: Logits) -> None:
        """Takes in the logits of the earliest batch that was kept."""
        self._auditor.answered(self._kept.popleft(), logits_NC)

    def timed_alone(self, seconds: float) -> None:
        """Takes in the wall time of a batch that was asked alone."""
        self._auditor.timed_alone(seconds)

    def is_due(self) -> bool:
        """Whether it is time for a round."""
        return self._auditor.is_due()

    def show_round(self) -> None:
        """Shows the model a round, with nothing else in flight; errors as those of `ModelSession.submit`."""
        started = time.perf_counter()
        self._auditor.show_round()
        self.seconds += time.perf_counter() - started

    def finish(self) -> Evidence:
        """The rounds that are left, and what was found; errors as those of `show_round`."""
        started = time.perf_counter()
        evidence = self._auditor.finish()
        self.seconds += time.perf_counter() - started
        return evidence

    def _ask(self, images_MHWC: Images, num_images: int) -> Logits:
        logits_MC = self._session.logits(images_MHWC)
        if not np.isfinite(logits_MC).all():
            num_bad = int((~np.isfinite(logits_MC)).any(axis=1).sum())
            raise NonFiniteError(f"logits are NaN or infinite for {num_bad} of {len(logits_MC)} crops of an audit")
        return average_views(logits_MC, num_images=num_images)


def completed(
    evidence: Evidence, *, gmacs: float | None, environment: dict[str, Scalar], precision: Precision
) -> Evidence:
    """The evidence with what the model needs and the devices can do.

    Args:
        evidence: What the audits brought to light.
        gmacs: Multiply-adds of a crop, in units of 10^9.
        environment: The result's environment.
        precision: The arithmetic.
    """
    gpu = environment.get("gpu")
    num_devices = environment.get("num_devices", 1)
    peak = peak_of(gpu, precision) if isinstance(gpu, str) else _peak_of_cpu(environment, precision)
    if peak is not None and isinstance(num_devices, int):
        peak *= num_devices
    return replace(evidence, gmacs=gmacs, peak_tflops=peak)


_OPERATIONS_A_CYCLE: dict[Precision, int] = {"fp32": 64, "tf32": 64, "bf16": 1024, "fp16": 1024}
"""Of one core: two 512-bit multiply-adds of float32, or AMX tiles.

Source: Intel 64 and IA-32 Architectures Optimization Reference Manual, chapters 17 and 20.
"""
_HIGHEST_HZ = 6e9


def _peak_of_cpu(environment: dict[str, Scalar], precision: Precision) -> float | None:
    """What no x86 processor with so many cores exceeds, in 10^12 operations a second."""
    num_cores = environment.get("num_cores")
    if not isinstance(num_cores, int) or environment.get("machine") != "x86_64":
        return None
    return num_cores * _OPERATIONS_A_CYCLE[precision] * _HIGHEST_HZ / 1e12
