"""A submission tried out without a dataset: its files, its model, and its answers to two random images."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.data.classes import ClassTable, class_table
from bench.errors import BenchError, ModelError, NonFiniteError, OutputError, SubmissionError, UsageError
from bench.models.answers import read_answers, sample_ids_in
from bench.models.answers_parquet import read_table
from bench.models.build import BuiltModel, build_model
from bench.models.keys import is_file_name
from bench.models.source import LoadedSubmission, checked_file
from bench.records.predictions import Predictions

if TYPE_CHECKING:
    import torch

__all__ = ["DryRun", "dry_run"]

_NUM_IMAGES = 2


class DryRun(NamedTuple):
    """What was found."""

    faults: list[BenchError]
    """What makes an evaluation fail."""
    notes: list[str]
    """What was not tried, and what a reader should know."""


def dry_run(submission: LoadedSubmission, *, cache_folder: Path, run_model: bool) -> DryRun:
    """Every fault of a submission that shows without a dataset.

    Weights that lie in the folder are loaded. Those of a zoo or behind a link are not downloaded: the model then has
    random weights, which says as much about shapes.

    Args:
        submission: What `open_submission` returned.
        cache_folder: Where downloaded weights are kept.
        run_model: Build the model and call it, which runs the submission's code.
    """
    faults: list[BenchError] = []
    notes: list[str] = []
    for key in ("file", "weights"):
        if _is_local(submission, key):
            with _kept(faults):
                checked_file(submission, key)
    with _kept(faults):
        classes = _classes_of(submission)
    if faults:
        return DryRun(faults, notes)
    with _kept(faults):
        if submission.source.build is None:
            _look_at_answers(submission, classes)
        elif run_model:
            notes += _run_model(submission, classes, cache_folder)
        else:
            notes.append("the model was not built")
    return DryRun(faults, notes)


@contextmanager
def _kept(faults: list[BenchError]) -> Iterator[None]:
    """Keeps a failure as one more fault and goes on."""
    try:
        yield
    except BenchError as error:
        faults.append(error)


def _classes_of(submission: LoadedSubmission) -> ClassTable:
    try:
        return class_table(submission.manifest.outputs.classes)
    except UsageError as error:
        raise SubmissionError(error.message, path=submission.manifest_path, key="outputs.classes") from error


def _is_local(submission: LoadedSubmission, key: str) -> bool:
    name = getattr(submission.manifest.model, key)
    if submission.folder is None or name is None or "://" in name:
        return False
    return key == "file" or submission.manifest.model.source != "torchvision" or is_file_name(name)


def _look_at_answers(submission: LoadedSubmission, classes: ClassTable) -> None:
    path = checked_file(submission, "file")
    if path.suffix == ".parquet" and "top_classes" in read_table(path).column_names:
        Predictions.read(path)  # its labels' probabilities can be checked against the labels only
        return
    sample_ids = sample_ids_in(path)
    read_answers(
        path,
        classes=classes,
        sample_ids=sample_ids,
        labels_N=np.zeros(len(sample_ids), np.int64),
        background=submission.manifest.outputs.background,
    )


def _run_model(submission: LoadedSubmission, classes: ClassTable, cache_folder: Path) -> list[str]:
    """Builds the model and checks its answers to random pixels; returns notes."""
    exported = submission.manifest.model.source == "exported"
    with_weights = exported or _is_local(submission, "weights")
    built = build_model(submission, cache_folder=cache_folder, with_weights=with_weights)
    notes = list(built.notes)
    if not with_weights:
        notes.append("the weights were not loaded, the model was tried with random ones")
    wanted = classes.num_classes + submission.manifest.outputs.background
    logits_NC = _answers_of(submission, built)
    if tuple(logits_NC.shape) != (_NUM_IMAGES, wanted):
        expected = f"({_NUM_IMAGES}, {wanted})"
        raise OutputError(
            f"the model returned shape {tuple(logits_NC.shape)} for {_NUM_IMAGES} images, expected {expected}: "
            f"{classes.num_classes} classes of {classes.name}"
            + (" and the background class" if submission.manifest.outputs.background else ""),
            path=submission.manifest_path,
            key="outputs",
        )
    if not bool(logits_NC.isfinite().all()):
        raise NonFiniteError("the model answered random pixels with NaN or infinity", path=submission.manifest_path)
    _check_claim(submission, built)
    return notes


def _answers_of(submission: LoadedSubmission, built: BuiltModel) -> torch.Tensor:
    """The logits of two images of random pixels, normalised as in an evaluation."""
    import torch

    size = built.input.img_size
    pixels_NCHW = torch.rand(_NUM_IMAGES, 3, size, size, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (built.input.mean, built.input.std))
    try:
        # What a submission prints is no result of ours, so it goes to stderr.
        with torch.inference_mode(), contextlib.redirect_stdout(sys.stderr):
            output = built.module((pixels_NCHW - mean) / std)
    except (Exception, SystemExit) as error:  # the border to the submission's own code, which may raise anything
        raise ModelError(
            f"the forward pass on {_NUM_IMAGES} images of {size} x {size} raised {type(error).__name__}: {error}",
            path=submission.manifest_path,
            key="model",
        ) from error
    if not isinstance(output, torch.Tensor) or not output.is_floating_point():
        found = output.dtype if isinstance(output, torch.Tensor) else type(output).__name__
        raise OutputError(
            f"the model returned {found}, expected one tensor of floating-point logits",
            path=submission.manifest_path,
            key="outputs",
        )
    return output


def _check_claim(submission: LoadedSubmission, built: BuiltModel) -> None:
    from bench.measure.parameters import count_parameters

    claims = submission.manifest.claims
    claimed = claims.num_params if claims is not None else None
    found = count_parameters(built.module)
    if claimed is not None and claimed != found:
        raise ModelError(
            f"is {claimed:,}, but the model has {found:,} parameters",
            path=submission.manifest_path,
            key="claims.num_params",
        )
