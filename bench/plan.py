"""What one evaluation measures and where it keeps it: keys of equal runs, results of good and of failed ones."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.backends.device import device_type
from bench.backends.isolation import Isolation, is_enough
from bench.backends.measured import Measured
from bench.data.dataset import Dataset
from bench.errors import AuditError, BenchError, NotVerifiedError
from bench.models.source import LoadedSubmission
from bench.records.audit import Audit, failed
from bench.records.equal_run import EqualRun
from bench.records.protocol import Precision, Protocol
from bench.records.result import DatasetRef, Failure, Result
from bench.records.verified import may_be_verified
from bench.score import protocol_ref, score
from bench.store import Store
from bench.version import __version__

__all__ = ["Outcome", "Plan"]


class Outcome(NamedTuple):
    """What an evaluation led to."""

    result: Result
    path: Path
    reused: bool
    """The result was in the store already."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured, and where it is kept: the same for all submissions of one call."""

    protocol: Protocol
    dataset: Dataset
    digest: str
    store: Store
    precision: Precision
    rerun: bool
    isolation: Isolation = "none"
    """What was asked for: a stored run of a lower level is not an equal one."""
    audit: bool = False
    """Runs are audited: a stored run that was not is not an equal one."""
    verified: bool = False
    """It is a maintainer's run: a result is verified, or an error."""

    def key(self, submission: LoadedSubmission, device: str) -> EqualRun:
        """What an equal run must share with the run of this submission on this device."""
        has_model = submission.manifest.model.source != "predictions"
        return EqualRun(
            team=submission.team,
            name=submission.name,
            protocol=self.protocol.id,
            submission_digest=submission.digest,
            protocol_digest=self.protocol.digest(),
            dataset_digest=self.digest,
            precision=self.precision if has_model else None,
            device_type=device_type(device) if has_model else None,
        )

    def find(self, key: EqualRun) -> Outcome | None:
        """The equal run in the store, unless it is to be repeated or promises less than is asked for now."""
        found = None if self.rerun else self.store.find_equal(key, self._promises_enough)
        return None if found is None else Outcome(found.result, found.path, reused=True)

    def _promises_enough(self, result: Result) -> bool:
        if self.verified and result.status != "verified":
            return False
        # Answers of a file, and numbers that somebody else measured, had nothing to isolate and nothing to audit.
        if result.device_type is None:
            return True
        return is_enough(result.isolation, self.isolation) and (bool(result.audits) or not self.audit)

    def keep(self, submission: LoadedSubmission, key: EqualRun, measured: Measured) -> Outcome:
        """Scores what a run gave, and writes predictions and result.

        Raises:
            AuditError: An audit failed; the failed result is written, with the figures of the audits.
            NotVerifiedError: It was to be verified and lacks something; the self-reported result is written.
        """
        if refused := failed(measured.audits):
            raise self._fail_audits(submission, key, measured, refused)
        missing = may_be_verified(measured.isolation, measured.layers, measured.audits)
        started = time.perf_counter()
        scored = score(measured.predictions, self.dataset.labels_N, self.protocol, self.dataset.classes)
        result = Result.create(
            now=datetime.now(UTC),
            status="verified" if self.verified and not missing else "self-reported",
            predictions=self.store.add_predictions(measured.predictions),
            input=measured.input,
            isolation=measured.isolation,
            layers=measured.layers,
            limits=measured.limits,
            costs=measured.costs,
            environment=measured.environment,
            audits=measured.audits,
            timing=measured.timing | {"score_s": round(time.perf_counter() - started, 3)},
            notes=measured.notes + scored.notes,
            **scored.fields | {"seeds": scored.fields["seeds"] | measured.seeds},
            **self._identity(submission, key),
        )
        path = self.store.add(result, correctness=scored.correctness, breakdown=scored.breakdown)
        if self.verified and missing:
            said = "; ".join(missing)
            raise NotVerifiedError(f"is kept as self-reported, for it cannot be verified: {said}", path=path)
        return Outcome(result, path, reused=False)

    def fail(self, submission: LoadedSubmission, key: EqualRun, error: BenchError) -> None:
        """Writes the record of a run that gave no numbers."""
        lines = error.log or "".join(traceback.format_exception(error.__cause__ or error)).splitlines()
        failure = Failure(outcome=error.outcome, message=str(error), log=tuple(lines[-20:]))
        identity = self._identity(submission, key)
        self.store.add(Result.create(now=datetime.now(UTC), status="failed", failure=failure, **identity))

    def _fail_audits(
        self, submission: LoadedSubmission, key: EqualRun, measured: Measured, refused: tuple[Audit, ...]
    ) -> AuditError:
        """Writes the record of a run whose answers are not believed; they are kept as evidence, and not scored."""
        said = " ".join(f"{audit.id} ({audit.title}): {audit.sentence}" for audit in refused)
        error = AuditError(f"{len(refused)} of {len(measured.audits)} audits failed. {said}")
        result = Result.create(
            now=datetime.now(UTC),
            status="failed",
            failure=Failure(outcome=error.outcome, message=str(error)),
            predictions=self.store.add_predictions(measured.predictions),
            input=measured.input,
            isolation=measured.isolation,
            layers=measured.layers,
            limits=measured.limits,
            audits=measured.audits,
            environment=measured.environment,
            seeds=measured.seeds,
            timing=measured.timing,
            notes=measured.notes,
            **self._identity(submission, key),
        )
        self.store.add(result)
        return error

    def _identity(self, submission: LoadedSubmission, key: EqualRun) -> dict[str, Any]:
        """The fields of a result that are known before anything is run."""
        dataset = self.dataset
        return {
            "bench_version": __version__,
            "submission": submission.ref(),
            "protocol": protocol_ref(self.protocol),
            "dataset": DatasetRef(
                name=dataset.name,
                split=dataset.split,
                digest=self.digest,
                num_samples=len(dataset),
                complete=dataset.complete,
            ),
            "precision": key.precision,
            "device_type": key.device_type,
        }
