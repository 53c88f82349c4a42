"""Training: a submission and a protocol of kind `train` to a submission with weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bench.backends.device import device_type, resolve_device
from bench.data.contents import dataset_digest
from bench.data.dataset import Dataset
from bench.errors import SubmissionError, UsageError
from bench.models.source import LoadedSubmission
from bench.records.protocol import Protocol
from bench.records.recipe import Recipe
from bench.records.submission import TrainingOrigin
from bench.training.attempts import attempt_folder, attempt_seed
from bench.training.checkpoint import Checkpoint, checkpoints_in, latest_checkpoint, read_checkpoint
from bench.training.distributed import joined_world, num_restarts
from bench.training.events import Listener
from bench.training.export import export_trained, find_trained, trained_folder
from bench.training.feeding import TrainingImages
from bench.training.options import TrainOptions, chosen_precision
from bench.training.order import num_steps_per_epoch
from bench.training.parallel import check_split
from bench.training.progress import EpochReport, Progress
from bench.training.run_folder import CACHE, CHECKPOINTS, has_ended, keep_failed, locked, remove_run, run_folder
from bench.training.running import run_session
from bench.training.session import MakeEvaluator, Session
from bench.training.signals import listening
from bench.training.teacher import Teacher, open_teacher
from bench.training.transfer import check_fits
from bench.version import __version__

__all__ = ["Trained", "num_images_seen", "recipe_of", "train"]


class Trained(NamedTuple):
    """What a training led to."""

    folder: Path
    """The submission with its weights, ready for `bench evaluate`."""
    reused: bool
    """An equal training had left it there."""
    progress: Progress | None = None
    """How it went: steps, images, and where the seconds went; None where nothing was trained."""
    bench_version: str = __version__
    """The version of bench that trained it."""


def num_images_seen(protocol: Protocol, dataset: Dataset) -> int:
    """How many images `train` reports as progress: each once to prepare it, and those of all steps."""
    recipe = recipe_of(protocol)
    steps = num_steps_per_epoch(len(dataset), recipe.batch_size, drop_last=recipe.drop_last)
    return len(dataset) + recipe.epochs * min(len(dataset), steps * recipe.batch_size)


def train(
    submission: LoadedSubmission,
    protocol: Protocol,
    dataset: Dataset,
    out: Path,
    options: TrainOptions | None = None,
    *,
    digest: str | Callable[[], str] | None = None,
    images: TrainingImages | None = None,
    cache_folder: Path | None = None,
    make_evaluator: MakeEvaluator | None = None,
    listeners: Iterable[Listener] = (),
    on_progress: Callable[[int], None] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Trained:
    """Trains a submission from its initial weights, goes on with a training, or finds what an equal one left.

    Under torchrun every rank calls it; the first one writes and reports.

    Args:
        submission: What is trained; weights that it names are loaded only where the recipe starts from them.
        protocol: How; of kind `train`.
        dataset: On what; from `open_dataset` with the protocol's dataset.
        out: The trained submission becomes `out/<team>/<name>`; what a killed training needs lies beside it.
        options: How it is run on this machine.
        digest: The dataset's digest, or what computes it, where the caller knows; only the first rank asks.
        images: The images of `dataset` where the caller has them decoded already.
        cache_folder: Where downloaded weights are kept; None for until the training ends.
        make_evaluator: From the network and its device to what evaluates it meanwhile.
        listeners: Whom to tell of each event.
        on_progress: Takes how many more images are done, of `num_images_seen`.
        on_epoch: Takes the report of each epoch.
        on_note: Takes sentences that the user should read.

    Raises:
        UsageError: The protocol trains nothing, the folder below `out` is taken or holds another training, or a
            training cannot go on there.
        SubmissionError: The submission cannot be built or trained.
        DataError: An image cannot be decoded.
        DeviceError: The device is not there, or too small.
        RankError: Another process of the training has ended.
        RequeueError: SIGTERM came, and all is saved.
        StoreError: The trained submission or a checkpoint cannot be written; the last checkpoint is whole.
    """
    options = options or TrainOptions()
    recipe, device = recipe_of(protocol), resolve_device(options.device)
    with joined_world(device) as world, listening() as stop:
        if world.size > 1 and device_type(device) == "cuda":
            device = f"cuda:{world.local_rank}"
        with world.unison():
            check_fits(submission, recipe, dataset.classes)
            check_split(recipe.batch_size, world.size, options.accumulate)
            precision = chosen_precision(protocol, options.precision)
            folder = trained_folder(submission, attempt_folder(out, options.attempt))
            known = _digest(dataset, digest, options.num_threads) if world.is_first else ""
        known = world.gather(known)[0]
        with world.unison():
            teacher = _teacher(recipe, options, dataset, known)
        session = Session(
            submission=submission,
            protocol=protocol,
            recipe=recipe,
            dataset=dataset,
            digest=known,
            teacher=teacher,
            options=options,
            seed=attempt_seed(submission.digest, options.attempt, options.round_key),
            precision=precision,
            device=device,
            deterministic=device == "cpu" if options.deterministic is None else options.deterministic,
            world=world,
            stop=stop,
            run=run_folder(folder),
            cache_folder=cache_folder or run_folder(folder) / CACHE,
            make_evaluator=make_evaluator,
            listeners=tuple(listeners) if world.is_first else (),
            on_progress=on_progress if world.is_first else None,
            on_epoch=on_epoch if world.is_first else None,
            on_note=on_note if world.is_first else None,
        )
        return _trained(session, folder, images)


def _trained(session: Session, folder: Path, images: TrainingImages | None) -> Trained:
    """Finds an equal training, or trains and exports."""
    world, run, origin = session.world, session.run, _origin(session)
    found: TrainingOrigin | None = None
    with world.unison():
        if world.is_first:
            found = find_trained(folder, origin)
    version = world.gather(None if found is None else found.bench_version)[0]
    if version is not None:
        if world.is_first and has_ended(run):  # and was killed before it could tidy up
            remove_run(run)
        return Trained(folder, reused=True, bench_version=version)
    with ExitStack() as held:
        with world.unison():
            if world.is_first:
                held.enter_context(locked(run))
        session = replace(session, checkpoint=_checkpoint(session))
        try:
            outcome = run_session(session, images)
        except SubmissionError:
            if world.is_first:
                keep_failed(run, folder)
            raise
        with world.unison():
            if world.is_first:
                ran = {"epochs": outcome.progress.epochs, "seconds": round(outcome.progress.train_s, 1)}
                ran_origin = origin.model_copy(update=ran)
                export_trained(session.submission, outcome.manifest, outcome.state, ran_origin, folder, run)
                remove_run(run)
    return Trained(folder, reused=False, progress=outcome.progress)


def _checkpoint(session: Session) -> Checkpoint | None:
    """Where the training goes on; None for at the beginning.

    Raises:
        UsageError: An unfinished training lies there, and nobody said to go on with it.
        StoreError: All of its checkpoints are damaged, or another machine cannot see them.
    """
    folder, world = session.run / CHECKPOINTS, session.world
    found: Checkpoint | None = None
    with world.unison():
        if world.is_first and not session.options.resume and num_restarts() == 0:
            if known := checkpoints_in(folder):
                raise UsageError(
                    f"{session.run} holds an unfinished training ({known[-1].name}); go on with it by --resume, or "
                    "remove the folder to begin again"
                )
        elif world.is_first:
            found = latest_checkpoint(folder)
    path = world.gather(None if found is None else found.path)[0]
    with world.unison():
        if path is not None and not world.is_first:
            found = read_checkpoint(path)
    return found


def _teacher(recipe: Recipe, options: TrainOptions, dataset: Dataset, digest: str) -> Teacher | None:
    """Whose answers are learned too; None where the recipe has no teacher.

    Raises:
        UsageError: One or its predictions are named and the recipe has none, or it has one and none is named, or
            another one.
    """
    if recipe.distillation is None:
        if options.teacher is not None:
            raise UsageError("the recipe has no teacher to learn from; leave --teacher out")
        if options.predictions is not None:
            raise UsageError("the recipe has no teacher whose predictions are needed; leave --predictions out")
        return None
    if options.teacher is None:
        raise UsageError(
            f"the recipe learns from {recipe.distillation.teacher}; evaluate it on the training images and name the "
            "result with --teacher"
        )
    return open_teacher(recipe.distillation, options.teacher, dataset, digest, predictions=options.predictions)


def _digest(dataset: Dataset, digest: str | Callable[[], str] | None, num_threads: int) -> str:
    if digest is None:
        return dataset_digest(dataset, cache_folder=None, num_threads=num_threads)
    return digest if isinstance(digest, str) else digest()


def _origin(session: Session) -> TrainingOrigin:
    """What the manifest of the trained submission says of the training."""
    attempt, precision = session.options.attempt, session.precision
    return TrainingOrigin(
        protocol=session.protocol.id,
        protocol_digest=session.protocol.digest(),
        dataset_digest=session.digest,
        trained_from=session.submission.digest,
        seed=session.seed,
        epochs=session.recipe.epochs,
        seconds=0.0,
        bench_version=__version__,
        attempt=None if attempt == 1 else attempt,
        precision=None if precision == "fp32" else precision,
        teacher=None if session.teacher is None else session.teacher.run,
    )


def recipe_of(protocol: Protocol) -> Recipe:
    """The recipe of a protocol of kind `train`.

    Raises:
        UsageError: The protocol is of another kind.
    """
    if protocol.recipe is None:
        raise UsageError(f"the protocol {protocol.id!r} is of kind {protocol.kind!r}, this needs kind 'train'")
    return protocol.recipe
