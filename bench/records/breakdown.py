"""A breakdown: one run's answers summed up by class, small enough to lie beside the result in git."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from bench.files import canonical_json
from bench.records.base import FileRecord, Record

__all__ = ["Breakdown", "Confusion", "ReliabilityBin"]


class Confusion(Record):
    """How often one class was taken for another one."""

    label: int
    """Class index of the ground truth."""
    answer: int
    """Class index of the first answer; never the label."""
    count: int
    """How many images."""


class ReliabilityBin(Record):
    """The images whose confidence, the probability of the first answer, lies in one of 15 bins of equal width."""

    num_samples: int
    """How many images."""
    num_top1: int
    """How many of them are right."""
    confidence: float
    """The mean confidence, 0 to 1; 0 where there is no image."""


class Breakdown(FileRecord):
    """Counts by class index, in the order of the class table, and the largest confusions."""

    classes: str
    """The class table that the indices belong to."""
    num_samples: tuple[int, ...]
    """Images of each class."""
    num_top1: tuple[int, ...]
    """Images of each class whose first answer is right."""
    num_top5: tuple[int, ...]
    """Images of each class with the right answer among the first five."""
    num_answered: tuple[int, ...]
    """How often each class is the first answer."""
    confusions: tuple[Confusion, ...]
    """The largest confusions, most frequent first, at most 50."""
    reliability: tuple[ReliabilityBin, ...] = ()
    """The bins of the calibration error in order; empty where there are no probabilities, or in older files."""

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len({len(self.num_samples), len(self.num_top1), len(self.num_top5), len(self.num_answered)}) != 1:
            raise ValueError("the counts by class have different lengths")
        return self

    def to_text(self) -> str:
        """The record on one line: thousands of counts, which nobody reads one below the other."""
        return canonical_json(self.as_json()) + "\n"
