"""From attempts on a disk to one result in the store: their weights evaluated afresh, their courses kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from bench.backends.device import resolve_device
from bench.backends.measured import Measured
from bench.backends.run import RunOptions, run_all
from bench.data.cache import CropCache, open_crops
from bench.data.dataset import Dataset
from bench.errors import BenchError, UsageError
from bench.files import digest_of
from bench.models.source import LoadedSubmission
from bench.plan import Outcome
from bench.protocols import load_protocol
from bench.records.protocol import Geometry, Protocol, Views
from bench.records.result import DatasetRef, Estimate, Result, SubmissionRef
from bench.records.training import Attempt, Attempts, Final, TrainingSummary
from bench.score import protocol_ref, score
from bench.store import Store
from bench.stored import Stored, read_attempts
from bench.training.attempts import round_name
from bench.training.found import FoundAttempt, check_attempts
from bench.training.scores import costs_of, failure_of, metrics_of, notes_of, timing_of
from bench.training.summary import attempt_of
from bench.version import __version__

__all__ = ["evaluation_of", "score_training"]


class _Evaluated(NamedTuple):
    """The weights of one attempt under the protocol that evaluates them."""

    final: dict[str, Final]
    predictions_sha256: str


def evaluation_of(protocol: Protocol) -> Protocol:
    """The protocol that measures what was trained.

    Raises:
        UsageError: The protocol trains nothing, or names none.
    """
    if protocol.kind != "train" or protocol.recipe is None:
        raise UsageError(f"the protocol {protocol.id!r} is of kind {protocol.kind!r}, this needs kind 'train'")
    if protocol.evaluate_with is None:
        raise UsageError(f"the protocol {protocol.id!r} names no protocol that evaluates what it trains")
    return load_protocol(protocol.evaluate_with)


def score_training(
    found: Sequence[FoundAttempt],
    protocol: Protocol,
    dataset: Dataset,
    store: Store,
    options: RunOptions,
    *,
    digest: str,
    round_key: bytes | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Evaluates the weights of all attempts in one pass, and keeps one result of the training protocol.

    Args:
        found: Every attempt, from `find_attempts`.
        protocol: Of kind `train`.
        dataset: The images of the protocol that its `evaluate_with` names.
        store: Where the result goes.
        options: How to run the evaluation, which is in that protocol's default precision.
        digest: The digest of `dataset`.
        round_key: The key that the seeds were drawn with; None for the public round.
        on_progress: Called with the index of an attempt and how many more images it has answered.

    Raises:
        UsageError: Attempts are missing, or their seeds are not those that bench drew.
        DataError: Attempts differ in what was trained, or an image cannot be decoded.
        SubmissionError: The weights of an attempt cannot be run.
        StoreError: The result cannot be written.
    """
    evaluation = evaluation_of(protocol)
    assert protocol.recipe is not None, "evaluation_of refuses the others"  # noqa: S101 - our own invariant
    recipe = protocol.recipe
    check_attempts(found, protocol, round_key)
    if known := _known(found, protocol, store, evaluation_digest=evaluation.digest(), images_digest=digest):
        return Outcome(known.result, known.path, reused=True)
    evaluated = _evaluated(found, evaluation, dataset, store, options, digest, on_progress)
    records = [_record_of(one, protocol, fresh) for one, fresh in zip(found, evaluated, strict=True)]
    attempts = Attempts(
        recipe_digest=digest_of(recipe.as_json()),
        evaluated_with=evaluation.id,
        evaluated_with_digest=evaluation.digest(),
        evaluated_on_digest=digest,
        round=round_name(round_key),
        attempts=tuple(records),
    )
    result = _result(found, protocol, attempts, evaluated_with=evaluation.id)
    return Outcome(result, store.add(result, attempts=attempts), reused=False)


def _result(found: Sequence[FoundAttempt], protocol: Protocol, attempts: Attempts, *, evaluated_with: str) -> Result:
    recipe, records, start = protocol.recipe, attempts.attempts, found[0].start
    assert recipe is not None, "evaluation_of refuses the others"  # noqa: S101 - our own invariant
    failure = failure_of(records, recipe)
    missed = None if recipe.target is None else sum(record.reached is None for record in records)
    names = protocol.metrics.report if protocol.metrics is not None else ()
    spec = protocol.dataset
    return Result.create(
        now=datetime.now(UTC),
        bench_version=__version__,
        status="self-reported" if failure is None else "failed",
        submission=_submission_of(found),
        protocol=protocol_ref(protocol),
        dataset=DatasetRef(
            name=spec.name, split=spec.split, digest=start["dataset_digest"], num_samples=start["num_images"]
        ),
        metrics=metrics_of(records, names),
        costs=costs_of(records, recipe),
        training=TrainingSummary(
            attempts=attempts.sha256(),
            recipe_digest=attempts.recipe_digest,
            round=attempts.round,
            num_attempts=len(records),
            num_failed=sum(record.outcome != "ok" for record in records),
            num_missed=missed,
        ),
        precision=start.get("precision"),
        device_type=start.get("device_type"),
        isolation="none",
        environment=dict(start.get("environment") or {}),
        seeds={f"attempt_{record.number}": record.seed for record in records},
        timing=timing_of(records),
        failure=failure,
        notes=notes_of(records, recipe, evaluated_with=evaluated_with),
    )


def _submission_of(found: Sequence[FoundAttempt]) -> SubmissionRef:
    """What was trained: the submission without weights, which all attempts share."""
    start = found[0].start
    own = {"digest": start["submission_digest"], "training": None}
    for one in found:
        if one.submission is not None:
            return one.submission.ref().model_copy(update=own)
    # Failed attempts leave no manifest behind.
    title, source = start.get("title") or start["name"], start.get("source") or "python"
    return SubmissionRef(
        team=start["team"], name=start["name"], title=title, source=source, digest=start["submission_digest"]
    )


def _known(
    found: Sequence[FoundAttempt], protocol: Protocol, store: Store, *, evaluation_digest: str, images_digest: str
) -> Stored | None:
    """The result that these very attempts were scored in, on these images, if there is one that was not withdrawn."""
    team, name = found[0].folder.parent.name, found[0].folder.name
    wanted = [_identity_of(_record_of(one, protocol)) for one in found]
    for stored in reversed(store.of_entry(team, name)):
        result = stored.result
        if (
            stored.retraction is None
            and result.protocol.digest == protocol.digest()
            and result.submission.digest == found[0].start["submission_digest"]
            and (attempts := read_attempts(stored)) is not None
            and attempts.evaluated_with_digest == evaluation_digest
            and attempts.evaluated_on_digest == images_digest
            and [_identity_of(record) for record in attempts.attempts] == wanted
        ):
            return stored
    return None


def _identity_of(record: Attempt) -> tuple[object, ...]:
    """What no other attempt has, though it failed and left no weights."""
    return record.number, record.seed, record.created_at, record.outcome, record.message, record.weights_sha256


def _record_of(one: FoundAttempt, protocol: Protocol, fresh: _Evaluated | None = None) -> Attempt:
    """The record of an attempt, with what its weights reach where they were evaluated."""
    assert protocol.recipe is not None, "evaluation_of refuses the others"  # noqa: S101 - our own invariant
    return attempt_of(
        one.events,
        protocol.recipe,
        final={} if fresh is None else fresh.final,
        weights_sha256=None if one.submission is None else one.submission.manifest.model.sha256,
        predictions_sha256=None if fresh is None else fresh.predictions_sha256,
    )


def _evaluated(
    found: Sequence[FoundAttempt],
    evaluation: Protocol,
    dataset: Dataset,
    store: Store,
    options: RunOptions,
    digest: str,
    on_progress: Callable[[int, int], None] | None,
) -> list[_Evaluated | None]:
    """The weights of every attempt evaluated; None for those that failed."""
    assert evaluation.precision is not None, "kind 'evaluate' has precisions"  # noqa: S101 - checked by the record
    have: list[tuple[int, LoadedSubmission]] = [
        (index, one.submission) for index, one in enumerate(found) if one.submission is not None
    ]

    def open_cache(geometry: Geometry, views: Views) -> CropCache | None:
        folder: Path | None = options.cache_folder
        if folder is None:
            return None
        return open_crops(folder, dataset, digest, geometry, views.kind, on_note=lambda _: None)

    results: list[_Evaluated | None] = [None] * len(found)
    if not have:
        return results
    runs = run_all(
        [submission for _, submission in have],
        evaluation,
        dataset,
        options,
        devices=[resolve_device(options.device)],
        precision=evaluation.precision.default,
        open_cache=open_cache,
        on_progress=on_progress,
    )
    with closing(runs):
        for at, measured in runs:
            if isinstance(measured, BenchError):
                raise measured
            results[have[at][0]] = _scored(measured, evaluation, dataset, store)
    return results


def _scored(measured: Measured, evaluation: Protocol, dataset: Dataset, store: Store) -> _Evaluated:
    metrics: dict[str, Estimate] = score(measured.predictions, dataset.labels_N, evaluation, dataset.classes).fields[
        "metrics"
    ]
    return _Evaluated(
        {
            name: Final(value=estimate.value, num_samples=estimate.num_samples, count=estimate.count)
            for name, estimate in metrics.items()
        },
        store.add_predictions(measured.predictions).sha256,
    )
