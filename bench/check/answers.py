"""The rule for submissions that are a file of predictions (L24): it can be read, without labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.check.rule import Finding, findings_of
from bench.data.classes import ClassTable
from bench.errors import BenchError
from bench.models.answers import read_answers, sample_ids_in
from bench.models.answers_parquet import read_table
from bench.records.predictions import Predictions

__all__ = ["look_at_answers"]


def look_at_answers(path: Path, classes: ClassTable, *, background: bool) -> Iterator[Finding]:
    """Breaches of L24.

    Args:
        path: A devkit text, a CSV or a Parquet file; see `bench.models.answers`.
        classes: The class table that the answers are of.
        background: Class 0 is the background.
    """
    try:
        if path.suffix == ".parquet" and "top_classes" in read_table(path).column_names:
            Predictions.read(path)  # its labels' probabilities can be checked against the labels only
            return
        sample_ids = sample_ids_in(path)
        labels_N = np.zeros(len(sample_ids), np.int64)
        read_answers(path, classes=classes, sample_ids=sample_ids, labels_N=labels_N, background=background)
    except BenchError as error:
        yield from findings_of("L24", error, path)
