"""A run class by class: best and worst classes, the largest confusions, and all classes as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.leaderboard.column import DASH
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
    difference: str
    """Accuracy minus the board's median, in points; empty where there is no median."""


class Classes(NamedTuple):
    """What a page shows of all classes."""

    tables: list[tuple[str, list[ClassRow]]]
    """Captions and rows."""
    num_classes: str
    confusions: list[tuple[str, str, str]]
    """The label, what it was taken for, how often."""
    table: str
    """The name of the class table."""
    medians: str
    """What the differences are differences to, in words; empty where there are none."""


def classes_of(
    breakdown: Breakdown, names: ClassNames, medians: Sequence[float | None] = (), words: str = ""
) -> Classes:
    """Best and worst classes and the largest confusions; all classes where they are few.

    Args:
        breakdown: The counts.
        names: The classes.
        medians: By class index the accuracy to compare with, None where there is none; empty for no comparison.
        words: What these medians are.
    """
    present = [index for index, total in enumerate(breakdown.num_samples) if total]
    by_accuracy = sorted(
        present, key=lambda index: (breakdown.num_top1[index] / breakdown.num_samples[index], -index), reverse=True
    )
    few = len(by_accuracy) <= 2 * NUM_EXTREME_CLASSES
    picked = (
        [("All classes, best first", by_accuracy)]
        if few
        else [
            (f"Best {NUM_EXTREME_CLASSES} classes", by_accuracy[:NUM_EXTREME_CLASSES]),
            (f"Worst {NUM_EXTREME_CLASSES} classes", by_accuracy[: -NUM_EXTREME_CLASSES - 1 : -1]),
        ]
    )
    tables = [
        (caption, [_class_row(breakdown, names, index, medians) for index in indices]) for caption, indices in picked
    ]
    confusions = [
        (names.names[confusion.label], names.names[confusion.answer], f"{confusion.count:,}")
        for confusion in breakdown.confusions[:NUM_EXTREME_CLASSES]
    ]
    return Classes(tables, f"{len(by_accuracy):,}", confusions, breakdown.classes, words if medians else "")


def _class_row(breakdown: Breakdown, names: ClassNames, index: int, medians: Sequence[float | None]) -> ClassRow:
    right, total = breakdown.num_top1[index], breakdown.num_samples[index]
    median = medians[index] if medians else None
    return ClassRow(
        wnid=names.wnids[index],
        name=names.names[index],
        accuracy=COLUMNS["top1"].text(right / total),
        bar=round(_BAR_WIDTH * right / total, 1),
        counts=f"{right:,} of {total:,}",
        difference=(DASH if medians else "") if median is None else f"{100 * (right / total - median):+.1f}",
    )


def classes_csv(breakdown: Breakdown, names: ClassNames) -> str:
    """All classes of a breakdown as CSV, in the order of the class table."""
    headers = ["class_index", "wnid", "name", "num_samples", "num_top1", "num_top5", "num_answered"]
    counts = (breakdown.num_samples, breakdown.num_top1, breakdown.num_top5, breakdown.num_answered)
    rows = zip(range(len(names.wnids)), names.wnids, names.names, *counts, strict=True)
    return csv_text(headers, rows)
