"""Evaluation: submissions' answers to a dataset, scored under a protocol, kept as results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

from bench.backends.device import guess_device, resolve_device
from bench.backends.isolation import choose_isolation
from bench.backends.run import OpenCache, Progress, RunOptions, run_all
from bench.data.cache import CropCache, open_crops
from bench.data.contents import dataset_digest
from bench.data.dataset import Dataset
from bench.errors import AuditError, BenchError, NotVerifiedError, SubmissionError, UsageError
from bench.models.source import LoadedSubmission
from bench.plan import Outcome, Plan
from bench.protocols import allowed_precision
from bench.records.equal_run import EqualRun
from bench.records.protocol import Geometry, Precision, Protocol, Views
from bench.records.verified import missing_isolation
from bench.sandbox.probe import probe_layers
from bench.store import Store

__all__ = ["Outcome", "cache_opener", "check_can_verify", "evaluate", "evaluate_all", "precision_of"]

Note = Callable[[str], None]


def evaluate(
    submission: LoadedSubmission,
    protocol: Protocol,
    dataset: Dataset,
    store: Store,
    options: RunOptions,
    on_progress: Callable[[int], None] | None = None,
    *,
    rerun: bool = False,
) -> Outcome:
    """Evaluates one submission; `evaluate_all` says how.

    Args:
        submission: What is evaluated.
        protocol: How; of kind `evaluate`.
        dataset: On what; from `open_dataset` with the protocol's dataset.
        store: Where the result goes.
        options: How to run.
        on_progress: Called with how many more images are done.
        rerun: Measure even where an equal run is in the store.

    Raises:
        UsageError: Protocol, precision or device do not fit.
        SubmissionError: The submission cannot be run, or gives no valid answers.
        DataError: An image cannot be decoded.
        DeviceError: The device is not there or too small.
        StoreError: The result cannot be written.
    """

    def advance(_: int, count: int) -> None:
        if on_progress is not None:
            on_progress(count)

    (outcome,) = evaluate_all([submission], protocol, dataset, store, options, on_progress=advance, rerun=rerun)
    if isinstance(outcome, BenchError):
        raise outcome
    return outcome


def evaluate_all(
    submissions: Sequence[LoadedSubmission],
    protocol: Protocol,
    dataset: Dataset,
    store: Store,
    options: RunOptions,
    *,
    digest: str | None = None,
    rerun: bool = False,
    verified: bool = False,
    on_progress: Progress | None = None,
    on_note: Note | None = None,
) -> list[Outcome | BenchError]:
    """Evaluates submissions, or finds the equal runs in the store; those that must run share the decoded images.

    A run that fails leaves a failed result behind, and the others go on.

    Args:
        submissions: What is evaluated.
        protocol: How; of kind `evaluate`.
        dataset: On what; from `open_dataset` with the protocol's dataset.
        store: Where the results go.
        options: How to run.
        digest: The dataset's digest where the caller knows it.
        rerun: Measure even where an equal run is in the store.
        verified: It is a maintainer's run: results become verified, or errors that say what they lack.
        on_progress: Called with the index of a submission and how many more images it has answered.
        on_note: Called with sentences for the user, such as that there is no room for the cache.

    Returns:
        For each submission its outcome, or the error that ended it.

    Raises:
        UsageError: Protocol, precision or device do not fit.
        DeviceError: A device is not there.
        NotVerifiedError: This machine, or the options, cannot verify a result.
        StoreError: A result cannot be written.
    """
    precision = precision_of(protocol, options)
    if verified:
        check_can_verify(options)
    if digest is None:
        digest = dataset_digest(dataset, cache_folder=options.cache_folder, num_threads=options.num_threads)
    outcomes: dict[int, Outcome | BenchError] = {}
    plan = Plan(
        protocol=protocol,
        dataset=dataset,
        digest=digest,
        store=store,
        precision=precision,
        rerun=rerun,
        isolation=options.isolation,
        audit=options.audit,
        verified=verified,
    )

    # In no time, without torch: what does not fit, and what is known already.
    guessed = guess_device(options.device.partition(",")[0])
    for index, submission in enumerate(submissions):
        try:
            _check_fits(submission, dataset)
        except SubmissionError as error:
            outcomes[index] = error
        else:
            if found := plan.find(plan.key(submission, guessed)):
                outcomes[index] = found
    if len(outcomes) < len(submissions):
        pending = {index: item for index, item in enumerate(submissions) if index not in outcomes}
        outcomes |= _run(pending, plan, options, on_progress, on_note)
    return [outcomes[index] for index in range(len(submissions))]


def _run(
    pending: dict[int, LoadedSubmission],
    plan: Plan,
    options: RunOptions,
    on_progress: Progress | None,
    on_note: Note | None,
) -> dict[int, Outcome | BenchError]:
    """Runs submissions under the lock of their measurement; each result is kept as soon as it is there."""
    devices = [resolve_device(name) for name in options.device.split(",")]
    keys = {index: plan.key(submission, devices[0]) for index, submission in pending.items()}
    outcomes: dict[int, Outcome | BenchError] = {}
    with ExitStack() as stack:
        # In one order everywhere, so that two processes never wait for each other.
        for key in sorted(set(keys.values()), key=lambda key: (key.team, key.name, key.submission_digest)):
            stack.enter_context(plan.store.lock(key))
            plan.store.sweep(key)
        first: dict[EqualRun, int] = {}
        for index, key in keys.items():
            # Another process may have made the same measurement while this one waited for the lock.
            if found := plan.find(key):
                outcomes[index] = found
            else:
                first.setdefault(key, index)
        chosen = list(first.values())
        runs = run_all(
            [pending[index] for index in chosen],
            plan.protocol,
            plan.dataset,
            replace(options, hidden=(*options.hidden, plan.store.results, plan.store.predictions)),
            devices=devices,
            precision=plan.precision,
            open_cache=cache_opener(plan.dataset, plan.digest, options, on_note),
            on_progress=None if on_progress is None else lambda at, count: on_progress(chosen[at], count),
        )
        for at, measured in stack.enter_context(closing(runs)):
            index = chosen[at]
            submission, key = pending[index], keys[index]
            if isinstance(measured, BenchError):
                plan.fail(submission, key, measured)
                outcomes[index] = measured
            else:
                try:
                    outcomes[index] = plan.keep(submission, key, measured)
                except (AuditError, NotVerifiedError) as error:
                    outcomes[index] = error
    # The same submission named twice is one run.
    return outcomes | {index: outcomes[first[key]] for index, key in keys.items() if index not in outcomes}


def cache_opener(dataset: Dataset, digest: str, options: RunOptions, on_note: Note | None = None) -> OpenCache:
    """A function that opens the cache of decoded crops of a geometry, where there is a cache folder.

    Args:
        dataset: The images.
        digest: The dataset's digest.
        options: Where the cache is.
        on_note: Called with sentences for the user.
    """

    def open_cache(geometry: Geometry, views: Views) -> CropCache | None:
        if options.cache_folder is None:
            return None
        return open_crops(
            options.cache_folder, dataset, digest, geometry, views.kind, on_note=on_note or (lambda _: None)
        )

    return open_cache


def precision_of(protocol: Protocol, options: RunOptions) -> Precision:
    """The arithmetic of a run; known before anything is read.

    Raises:
        UsageError: The protocol is not for evaluation, or does not allow it.
    """
    if protocol.kind != "evaluate" or protocol.precision is None:
        raise UsageError(f"the protocol {protocol.id!r} is of kind {protocol.kind!r}, this needs kind 'evaluate'")
    return allowed_precision(protocol, options.precision)


def check_can_verify(options: RunOptions) -> None:
    """Makes sure that a maintainer's run can verify at all, before anything is run.

    Raises:
        NotVerifiedError: What is missing on this machine or in the options, and what to do.
        IsolationError: The level that was named cannot be had on this machine.
    """
    chosen = choose_isolation(options.isolation)
    missing = missing_isolation(chosen.level, probe_layers() if chosen.level == "sandbox" else ())
    if not options.audit:
        missing = (*missing, "audits are switched off")
    if missing:
        hint = f". {chosen.note}" if chosen.note else ""
        raise NotVerifiedError(f"no result can be verified here: {'; '.join(missing)}{hint}")


def _check_fits(submission: LoadedSubmission, dataset: Dataset) -> None:
    """Makes sure that the submission answers with the dataset's classes.

    Raises:
        SubmissionError: It answers with others.
    """
    classes = submission.manifest.outputs.classes
    if classes != dataset.classes.name:
        raise SubmissionError(
            f"is {classes!r}, but the classes of the dataset are {dataset.classes.name!r}",
            path=submission.manifest_path,
            key="outputs.classes",
        )
