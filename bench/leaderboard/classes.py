"""A run class by class: best and worst classes, the largest confusions, and all classes as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.leaderboard.columns import COLUMNS
from bench.leaderboard.exports import csv_text
from bench.records.breakdown import Breakdown

__all__ = ["ClassNames", "ClassRow", "Classes", "classes_csv", "classes_of"]

NUM_EXTREME_CLASSES = 20
"""How many of the best, of the worst classes and of the confusions a page shows; the CSV has all classes."""
_BAR_WIDTH = 80


@dataclass(frozen=True, kw_only=True)
class ClassNames:
    """The classes of a dataset: position is the class index."""

    wnids: Sequence[str]
    names: Sequence[str]


class ClassRow(NamedTuple):
    """One class."""

    wnid: str
    name: str
    accuracy: str
    bar: float
    """Length of the bar, in CSS pixels."""
    counts: str


class Classes(NamedTuple):
    """What a page shows of all classes."""

    tables: list[tuple[str, list[ClassRow]]]
    """Captions and rows."""
    num_classes: str
    confusions: list[tuple[str, str, str]]
    """The label, what it was taken for, how often."""


def classes_of(breakdown: Breakdown, names: ClassNames) -> Classes:
    """Best and worst classes and the largest confusions; all classes where they are few."""
    present = [index for index, total in enumerate(breakdown.num_samples) if total]
    by_accuracy = sorted(
        present, key=lambda index: (breakdown.num_top1[index] / breakdown.num_samples[index], -index), reverse=True
    )
    rows = [_class_row(breakdown, names, index) for index in by_accuracy]
    few = len(rows) <= 2 * NUM_EXTREME_CLASSES
    tables = (
        [("All classes, best first", rows)]
        if few
        else [
            (f"Best {NUM_EXTREME_CLASSES} classes", rows[:NUM_EXTREME_CLASSES]),
            (f"Worst {NUM_EXTREME_CLASSES} classes", rows[: -NUM_EXTREME_CLASSES - 1 : -1]),
        ]
    )
    confusions = [
        (names.names[confusion.label], names.names[confusion.answer], f"{confusion.count:,}")
        for confusion in breakdown.confusions[:NUM_EXTREME_CLASSES]
    ]
    return Classes(tables, f"{len(rows):,}", confusions)


def _class_row(breakdown: Breakdown, names: ClassNames, index: int) -> ClassRow:
    right, total = breakdown.num_top1[index], breakdown.num_samples[index]
    return ClassRow(
        wnid=names.wnids[index],
        name=names.names[index],
        accuracy=COLUMNS["top1"].text(right / total),
        bar=round(_BAR_WIDTH * right / total, 1),
        counts=f"{right:,} of {total:,}",
    )


def classes_csv(breakdown: Breakdown, names: ClassNames) -> str:
    """All classes of a breakdown as CSV, in the order of the class table."""
    headers = ["class_index", "wnid", "name", "num_samples", "num_top1", "num_top5", "num_answered"]
    counts = (breakdown.num_samples, breakdown.num_top1, breakdown.num_top5, breakdown.num_answered)
    rows = zip(range(len(names.wnids)), names.wnids, names.names, *counts, strict=True)
    return csv_text(headers, rows)
