"""Evaluation: a submission's answers to a dataset, scored under a protocol, kept as a result."""

from __future__ import annotations

import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.backends.device import device_type, guess_device, resolve_device
from bench.backends.run import Measured, Progress, RunOptions, run_submission
from bench.data.classes import ClassTable, class_table
from bench.data.contents import dataset_digest
from bench.data.dataset import Dataset
from bench.errors import BenchError, StoreError, SubmissionError, UsageError
from bench.files import digest_of
from bench.metrics.base import Answers
from bench.metrics.mistakes import label_hint
from bench.metrics.scoring import BOOTSTRAP_SEED, breakdown_of, estimate, unavailable
from bench.models.answers import read_answers
from bench.models.source import LoadedSubmission
from bench.records.correctness import Correctness
from bench.records.protocol import Precision, Protocol
from bench.records.result import DatasetRef, Failure, PredictionsRef, ProtocolRef, Result, SubmissionRef
from bench.store import EqualRun, Store
from bench.version import __version__

__all__ = ["Outcome", "evaluate", "protocol_ref", "score_file", "scoring_notes"]


class Outcome(NamedTuple):
    """What an evaluation led to."""

    result: Result
    path: Path
    reused: bool
    """The result was in the store already."""


def evaluate(
    submission: LoadedSubmission,
    protocol: Protocol,
    dataset: Dataset,
    store: Store,
    options: RunOptions,
    on_progress: Progress | None = None,
    *,
    digest: str | None = None,
    rerun: bool = False,
) -> Outcome:
    """Evaluates a submission, or finds the equal run in the store.

    A run that fails leaves a failed result behind before its error is raised.

    Args:
        submission: What is evaluated.
        protocol: How; of kind `evaluate`.
        dataset: On what; from `open_dataset` with the protocol's dataset.
        store: Where the result goes.
        options: How to run.
        on_progress: Called with how many more images are done.
        digest: The dataset's digest where the caller knows it.
        rerun: Measure even where an equal run is in the store.

    Returns:
        The result, where it lies, and whether it was there before.

    Raises:
        UsageError: Protocol, precision or device do not fit.
        SubmissionError: The submission cannot be run, or gives no valid answers.
        DataError: An image cannot be decoded.
        DeviceError: The device is not there or too small.
        StoreError: The result cannot be written.
    """
    _check_fits(submission, protocol, dataset, options)
    if digest is None:
        digest = dataset_digest(dataset, cache_folder=options.cache_folder, num_threads=options.num_threads)
    device = guess_device(options.device)
    key = _key(submission, protocol, digest, options, device)
    if not rerun and (found := store.find_equal(key)):
        return Outcome(found.result, found.path, reused=True)
    if _has_model(submission):
        device = resolve_device(options.device)
        key = _key(submission, protocol, digest, options, device)
    with store.lock(key):
        # Another process may have made the same measurement while this one waited for the lock.
        if not rerun and (found := store.find_equal(key)):
            return Outcome(found.result, found.path, reused=True)
        store.sweep(key)
        identity = _identity(submission, protocol, dataset, digest, key)
        try:
            measured = run_submission(
                submission,
                protocol,
                dataset,
                options,
                device=device,
                precision=_precision(protocol, options),
                on_progress=on_progress,
            )
        except StoreError:
            raise
        except BenchError as error:
            store.add(_failed(identity, error))
            raise
        return _keep(store, identity, measured, protocol, dataset)


def _has_model(submission: LoadedSubmission) -> bool:
    return submission.manifest.model.source != "predictions"


def _check_fits(submission: LoadedSubmission, protocol: Protocol, dataset: Dataset, options: RunOptions) -> None:
    if protocol.kind != "evaluate" or protocol.precision is None:
        raise UsageError(f"the protocol {protocol.id!r} is of kind {protocol.kind!r}, this needs kind 'evaluate'")
    if options.precision is not None and options.precision not in protocol.precision.allowed:
        allowed = ", ".join(protocol.precision.allowed)
        raise UsageError(f"the protocol {protocol.id!r} does not allow precision {options.precision!r}, only {allowed}")
    classes = submission.manifest.outputs.classes
    if classes != dataset.classes.name:
        raise SubmissionError(
            f"is {classes!r}, but the dataset of {protocol.id!r} is {dataset.classes.name!r}",
            path=submission.label,
            key="outputs.classes",
        )


def _precision(protocol: Protocol, options: RunOptions) -> Precision:
    assert protocol.precision is not None, "checked by _check_fits"  # noqa: S101 - an invariant of this module
    return options.precision or protocol.precision.default


def _key(submission: LoadedSubmission, protocol: Protocol, digest: str, options: RunOptions, device: str) -> EqualRun:
    has_model = _has_model(submission)
    return EqualRun(
        team=submission.team,
        name=submission.name,
        protocol=protocol.id,
        submission_digest=submission.digest,
        protocol_digest=protocol.digest(),
        dataset_digest=digest,
        precision=_precision(protocol, options) if has_model else None,
        device_type=device_type(device) if has_model else None,
    )


def protocol_ref(protocol: Protocol) -> ProtocolRef:
    """How a result names its protocol."""
    return ProtocolRef(id=protocol.id, version=protocol.version, digest=protocol.digest())


def _identity(
    submission: LoadedSubmission, protocol: Protocol, dataset: Dataset, digest: str, key: EqualRun
) -> dict[str, Any]:
    """The fields of a result that are known before anything is run."""
    return {
        "bench_version": __version__,
        "submission": submission.ref(),
        "protocol": protocol_ref(protocol),
        "dataset": DatasetRef(
            name=dataset.name,
            split=dataset.split,
            digest=digest,
            num_samples=len(dataset),
            complete=dataset.complete,
        ),
        "precision": key.precision,
        "device_type": key.device_type,
    }


def _keep(store: Store, identity: dict[str, Any], measured: Measured, protocol: Protocol, dataset: Dataset) -> Outcome:
    answers = Answers(measured.predictions, dataset.labels_N)
    started = time.perf_counter()
    metrics = estimate(protocol.metrics.report, answers)
    scored_s = round(time.perf_counter() - started, 3)
    result = Result.create(
        now=datetime.now(UTC),
        status="self-reported",
        metrics=metrics,
        predictions=store.add_predictions(measured.predictions),
        input=measured.input,
        isolation=measured.isolation,
        costs=measured.costs,
        environment=measured.environment,
        seeds={"bootstrap": BOOTSTRAP_SEED},
        timing=measured.timing | {"score_s": scored_s},
        notes=measured.notes + scoring_notes(protocol, answers, dataset.classes),
        **identity,
    )
    path = store.add(
        result,
        correctness=Correctness(answers.top1_N, answers.top5_N),
        breakdown=breakdown_of(answers, dataset.classes.name),
    )
    return Outcome(result, path, reused=False)


def scoring_notes(protocol: Protocol, answers: Answers, classes: ClassTable) -> tuple[str, ...]:
    """What a reader of the metrics must know: which could not be had, and whether the labels look mistaken."""
    notes = []
    if missing := unavailable(protocol.metrics.report, answers):
        notes.append(f"No {', '.join(missing)}: these need probabilities, and the predictions hold only an order.")
    if hint := label_hint(answers, classes.ilsvrc_ids):
        notes.append(f"Check the labels: {hint}.")
    return tuple(notes)


def score_file(
    path: Path, protocol: Protocol, *, sample_ids: tuple[str, ...], labels_N: npt.NDArray[np.int64]
) -> Result:
    """The result that a file of answers would have; nothing is stored.

    Args:
        path: A devkit text, a CSV or a Parquet file; see `bench.models.answers`.
        protocol: Which metrics are measured, and which classes there are.
        sample_ids: The sample ids, sorted.
        labels_N: The class index of each of them.

    Raises:
        PredictionsError: The file does not answer each image once, or is no such file.
    """
    classes = class_table(protocol.dataset.name)
    predictions = read_answers(path, classes=classes, sample_ids=sample_ids, labels_N=labels_N)
    answers = Answers(predictions, labels_N)
    truth = [sample_ids, labels_N.tolist()]
    return Result.create(
        now=datetime.now(UTC),
        bench_version=__version__,
        status="self-reported",
        submission=SubmissionRef(team="local", name="answers", title="Answers in a file", source="predictions"),
        protocol=protocol_ref(protocol),
        dataset=DatasetRef(
            name=protocol.dataset.name,
            split=protocol.dataset.split,
            digest=digest_of(truth),
            num_samples=len(sample_ids),
            complete=len(sample_ids) == protocol.dataset.num_samples,
        ),
        metrics=estimate(protocol.metrics.report, answers),
        predictions=PredictionsRef(sha256=predictions.sha256(), num_bytes=path.stat().st_size),
        seeds={"bootstrap": BOOTSTRAP_SEED},
        notes=scoring_notes(protocol, answers, classes),
    )


def _failed(identity: dict[str, Any], error: BenchError) -> Result:
    cause = error.__cause__ or error
    lines = "".join(traceback.format_exception(cause)).splitlines()
    return Result.create(
        now=datetime.now(UTC),
        status="failed",
        failure=Failure(outcome=error.outcome, message=str(error), log=tuple(lines[-20:])),
        **identity,
    )
