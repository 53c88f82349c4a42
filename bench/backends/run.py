"""One run of a submission: from its model, or its file of answers, to predictions and what they cost."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.backends import BACKENDS
from bench.backends.base import ModelSession, RunSpec
from bench.backends.device import DEFAULT_BATCH_SIZES, device_type
from bench.backends.inference import Answered, answer
from bench.data.dataset import Dataset
from bench.data.transforms import geometry_of
from bench.errors import BenchError
from bench.models.answers import read_answers
from bench.models.source import LoadedSubmission, checked_file
from bench.records.predictions import Predictions
from bench.records.protocol import Precision, Protocol, Views
from bench.records.result import Cost, ResultInput, Scalar

__all__ = ["Measured", "Progress", "RunOptions", "run_submission"]

Progress = Callable[[int], None]
"""Called with how many more images are done."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to run, as opposed to what the protocol fixes."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:0` or `mps`."""
    precision: Precision | None = None
    """The arithmetic; None for the protocol's default."""
    batch_size: int | None = None
    """Images a batch; None for the device's default. It is never changed on the way."""
    num_threads: int = 1
    """Threads that decode images."""
    cache_folder: Path | None = None
    """Where digests and downloaded weights are kept; None for nowhere."""
    backend: str = "local"
    """The place to run, by its name in `BACKENDS`."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a run gave, before it is scored."""

    predictions: Predictions
    input: ResultInput | None = None
    isolation: Literal["none", "process", "sandbox"] | None = None
    costs: dict[str, Cost] = field(default_factory=dict)
    environment: dict[str, Scalar] = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def run_submission(
    submission: LoadedSubmission,
    protocol: Protocol,
    dataset: Dataset,
    options: RunOptions,
    *,
    device: str,
    precision: Precision,
    on_progress: Progress | None,
) -> Measured:
    """Runs a submission on a dataset.

    Args:
        submission: What is run; one of source `predictions` has nothing to run, and its file is read.
        protocol: How; of kind `evaluate`.
        dataset: On what.
        options: How to run, as opposed to what the protocol fixes.
        device: The torch device, resolved.
        precision: The arithmetic, allowed by the protocol.
        on_progress: Called with how many more images are done.

    Raises:
        SubmissionError: The submission cannot be run, or gives no valid answers.
        DataError: An image cannot be decoded.
        DeviceError: The device is too small.
    """
    if submission.manifest.model.source == "predictions":
        predictions = read_answers(
            checked_file(submission, "file"),
            classes=dataset.classes,
            sample_ids=dataset.sample_ids,
            labels_N=dataset.labels_N,
            background=submission.manifest.outputs.background,
        )
        return Measured(predictions=predictions)
    with _cache_folder(options) as cache_folder:
        spec = RunSpec(
            device=device, precision=precision, num_classes=dataset.classes.num_classes, cache_folder=cache_folder
        )
        return _run_model(submission, protocol, dataset, options, spec, on_progress)


def _run_model(
    submission: LoadedSubmission,
    protocol: Protocol,
    dataset: Dataset,
    options: RunOptions,
    spec: RunSpec,
    on_progress: Progress | None,
) -> Measured:
    batch_size = options.batch_size or DEFAULT_BATCH_SIZES[device_type(spec.device)]
    backend = BACKENDS[options.backend]()
    started = time.perf_counter()
    with backend.start(submission, spec) as session:
        ready = time.perf_counter()
        geometry = protocol.geometry or geometry_of(session.input)
        answered = answer(
            session,
            dataset,
            geometry,
            protocol.views or Views(),
            batch_size=batch_size,
            num_threads=options.num_threads,
            on_progress=on_progress,
        )
        done = time.perf_counter()
        costs, cost_notes = _costs(session, geometry.crop)
        return Measured(
            predictions=answered.predictions,
            input=ResultInput(geometry=geometry, mean=session.input.mean, std=session.input.std),
            isolation=backend.isolation,
            costs=costs,
            environment=session.environment | {"batch_size": batch_size, "num_decode_threads": options.num_threads},
            timing={"start_s": round(ready - started, 3), "evaluate_s": round(done - ready, 3)},
            notes=session.notes + _tie_notes(answered) + cost_notes,
        )


def _costs(session: ModelSession, img_size: int) -> tuple[dict[str, Cost], tuple[str, ...]]:
    """What the model costs by its definition, and a note where that cannot be counted."""
    costs = {"num_params": Cost(value=session.num_params, unit="parameters")}
    try:
        gmacs = session.gmacs(img_size)
    except BenchError as error:
        return costs, (f"No multiply-adds: {error}.",)
    return costs | {"gmacs": Cost(value=round(gmacs, 6), unit="GMAC")}, ()


def _tie_notes(answered: Answered) -> tuple[str, ...]:
    ties = {"first and second": answered.num_ties_at_1, "fifth and sixth": answered.num_ties_at_5}
    return tuple(
        f"For {count:,} images the {places} logit are equal; the lower class index goes first."
        for places, count in ties.items()
        if count
    )


@contextmanager
def _cache_folder(options: RunOptions) -> Iterator[Path]:
    """The cache folder, or one that lasts as long as the run."""
    if options.cache_folder is not None:
        yield options.cache_folder
        return
    with tempfile.TemporaryDirectory(prefix="ilsvrc-bench-") as folder:
        yield Path(folder)
