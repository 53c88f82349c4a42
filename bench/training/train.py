"""Training: a submission and a protocol of kind `train` to a submission with weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.backends.device import resolve_device
from bench.data.contents import dataset_digest
from bench.data.dataset import Dataset
from bench.errors import SubmissionError, UsageError
from bench.models.build import build_model
from bench.models.source import LoadedSubmission
from bench.records.protocol import Protocol, Recipe
from bench.records.submission import TrainingOrigin
from bench.training.export import export_trained, find_trained, trained_folder
from bench.training.feeding import TrainingImages
from bench.training.loop import EpochReport, run_epochs
from bench.version import __version__

__all__ = ["Trained", "num_images_seen", "recipe_of", "train"]


class Trained(NamedTuple):
    """What a training led to."""

    folder: Path
    """The submission with its weights, ready for `bench evaluate`."""
    reused: bool
    """An equal training had left it there."""


def num_images_seen(protocol: Protocol, dataset: Dataset) -> int:
    """How many images `train` reports as progress: each once to prepare it, and once an epoch."""
    return len(dataset) * (1 + recipe_of(protocol).epochs)


def train(
    submission: LoadedSubmission,
    protocol: Protocol,
    dataset: Dataset,
    out: Path,
    *,
    device: str = "auto",
    num_threads: int = 1,
    digest: str | None = None,
    images: TrainingImages | None = None,
    on_progress: Callable[[int], None] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> Trained:
    """Trains a submission from its initial weights, or finds what an equal training left.

    Args:
        submission: What is trained; weights that it names are not loaded.
        protocol: How; of kind `train`.
        dataset: On what; from `open_dataset` with the protocol's dataset.
        out: The trained submission becomes `out/<team>/<name>`.
        device: `auto`, `cpu`, `cuda`, `cuda:0` or `mps`.
        num_threads: Threads that decode and crop images.
        digest: The dataset's digest where the caller knows it.
        images: The images of `dataset` where the caller has them decoded already.
        on_progress: Takes how many more images are done, of `num_images_seen`.
        on_epoch: Takes the report of each epoch.

    Raises:
        UsageError: The protocol trains nothing, or the folder below `out` is taken.
        SubmissionError: The submission cannot be built or trained.
        DataError: An image cannot be decoded.
        DeviceError: The device is not there.
        StoreError: The trained submission cannot be written.
    """
    recipe = recipe_of(protocol)
    _check_fits(submission, dataset)
    folder = trained_folder(submission, out)
    if digest is None:
        digest = dataset_digest(dataset, cache_folder=None, num_threads=num_threads)
    origin = TrainingOrigin(
        protocol=protocol.id,
        protocol_digest=protocol.digest(),
        dataset_digest=digest,
        trained_from=submission.digest,
        seed=recipe.seed,
        epochs=recipe.epochs,
        seconds=0.0,
        bench_version=__version__,
    )
    if find_trained(folder, origin):
        return Trained(folder, reused=True)
    started = time.perf_counter()
    # Weights that the manifest names would be downloaded here if they were asked for: nothing is cached.
    built = build_model(submission, cache_folder=out, with_weights=False, seed=recipe.seed)
    images = images or TrainingImages(dataset, protocol, num_threads)
    images.prepare(on_progress)
    run_epochs(
        built.module,
        images,
        recipe,
        built.input,
        num_classes=dataset.classes.num_classes,
        background=submission.manifest.outputs.background,
        device=resolve_device(device),
        on_progress=on_progress,
        on_epoch=on_epoch,
    )
    seconds = round(time.perf_counter() - started, 1)
    export_trained(submission, built.module, origin.model_copy(update={"seconds": seconds}), folder)
    return Trained(folder, reused=False)


def recipe_of(protocol: Protocol) -> Recipe:
    """The recipe of a protocol of kind `train`.

    Raises:
        UsageError: The protocol is of another kind.
    """
    if protocol.recipe is None:
        raise UsageError(f"the protocol {protocol.id!r} is of kind {protocol.kind!r}, this needs kind 'train'")
    return protocol.recipe


def _check_fits(submission: LoadedSubmission, dataset: Dataset) -> None:
    source, outputs = submission.manifest.model.source, submission.manifest.outputs
    if not {"weights", "sha256"} <= submission.source.takes:
        raise SubmissionError(
            f"source {source!r} has no weights to train; training takes python, timm and torchvision",
            path=submission.manifest_path,
            key="model.source",
        )
    if outputs.classes != dataset.classes.name:
        raise SubmissionError(
            f"is {outputs.classes!r}, but the training images are of {dataset.classes.name!r}",
            path=submission.manifest_path,
            key="outputs.classes",
        )
