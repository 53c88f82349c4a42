"""From predictions to the metrics of a result, whatever the predictions came from."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.data.classes import ClassTable, class_table
from bench.files import digest_of
from bench.metrics.base import Answers
from bench.metrics.mistakes import label_hint
from bench.metrics.scoring import BOOTSTRAP_SEED, breakdown_of, estimate, unavailable
from bench.models.answers import read_answers
from bench.records.breakdown import Breakdown
from bench.records.correctness import Correctness
from bench.records.predictions import Predictions
from bench.records.protocol import Protocol
from bench.records.result import DatasetRef, PredictionsRef, ProtocolRef, Result, SubmissionRef
from bench.version import __version__

__all__ = ["Score", "protocol_ref", "score", "score_file"]


class Score(NamedTuple):
    """What predictions are worth under a protocol."""

    fields: dict[str, Any]
    """The fields of a result: metrics and seeds."""
    notes: tuple[str, ...]
    """Sentences for a reader of the metrics."""
    correctness: Correctness
    breakdown: Breakdown


def score(predictions: Predictions, labels_N: npt.NDArray[np.int64], protocol: Protocol, classes: ClassTable) -> Score:
    """Measures all metrics of a protocol.

    Args:
        predictions: Answers to the images of the protocol's dataset.
        labels_N: Their class indices.
        protocol: Which metrics are measured.
        classes: The class table of the dataset.

    Returns:
        Metrics with intervals; and notes on what could not be had, or looks like a label mistake.
    """
    answers = Answers(predictions, labels_N)
    names = protocol.metrics.report if protocol.metrics is not None else ()
    notes = []
    if missing := unavailable(names, answers):
        notes.append(f"No {', '.join(missing)}: these need probabilities, and the predictions hold only an order.")
    if hint := label_hint(answers, classes.ilsvrc_ids):
        notes.append(f"Check the labels: {hint}.")
    return Score(
        fields={"metrics": estimate(names, answers), "seeds": {"bootstrap": BOOTSTRAP_SEED}},
        notes=tuple(notes),
        correctness=Correctness(answers.top1_N, answers.top5_N),
        breakdown=breakdown_of(answers, classes.name),
    )


def protocol_ref(protocol: Protocol) -> ProtocolRef:
    """How a result names its protocol."""
    return ProtocolRef(id=protocol.id, version=protocol.version, digest=protocol.digest())


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
    scored = score(predictions, labels_N, protocol, classes)
    return Result.create(
        now=datetime.now(UTC),
        bench_version=__version__,
        status="self-reported",
        submission=SubmissionRef(team="local", name="answers", title="Answers in a file", source="predictions"),
        protocol=protocol_ref(protocol),
        dataset=DatasetRef(
            name=protocol.dataset.name,
            split=protocol.dataset.split,
            digest=digest_of([sample_ids, labels_N.tolist()]),
            num_samples=len(sample_ids),
            complete=len(sample_ids) == protocol.dataset.num_samples,
        ),
        predictions=PredictionsRef(sha256=predictions.sha256(), num_bytes=path.stat().st_size),
        notes=scored.notes,
        **scored.fields,
    )
