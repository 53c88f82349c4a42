"""What an audited run brought to light, reduced to a few numbers an image, for the functions that judge it.

Shape letters: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.records.protocol import Precision
from bench.records.result import Scalar

__all__ = ["TOLERANCE", "Compared", "Evidence", "Perturbed", "TimedRound", "compare", "joined"]

Logits = npt.NDArray[np.float32]

TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "tf32": 2e-2, "bf16": 1e-1, "fp16": 2e-2}
"""How far the logits of one image may lie apart in two batches, as a share of its largest logit.

Other batch sizes take other kernels, which add in another order. Honest networks on a CPU stay below 1e-6 in float32
(`python benchmarks/audits.py`), a thousandth of it. The others are made for GPUs: some 50 to 80 times the rounding of a
single factor, 2^-9 in bf16 and 2^-12 in fp16 and tf32. Batch statistics, state and randomness move logits by tenths of
the largest one.
"""


class Compared(NamedTuple):
    """Answers to images, beside those that were scored."""

    differences_N: npt.NDArray[np.float64]
    """Of each image: max |difference of logits| / max |scored logit|."""
    changed_N: npt.NDArray[np.bool_]
    """Another class is first, and the two were no tie within the arithmetic."""

    def __len__(self) -> int:
        return len(self.differences_N)


def compare(scored_NC: Logits, shown_NC: Logits, tolerance: float) -> Compared:
    """How far answers lie from those that were scored.

    Args:
        scored_NC: Finite logits.
        shown_NC: Finite logits of the same images.
        tolerance: The share of the largest logit within which two classes count as tied.
    """
    scale_N = np.maximum(np.abs(scored_NC).max(axis=1), np.finfo(np.float32).tiny).astype(np.float64)
    differences_N = np.abs(shown_NC.astype(np.float64) - scored_NC).max(axis=1) / scale_N
    first_N, other_N = scored_NC.argmax(axis=1), shown_NC.argmax(axis=1)
    rows_N = np.arange(len(scored_NC))
    gap_N = (scored_NC[rows_N, first_N].astype(np.float64) - scored_NC[rows_N, other_N]) / scale_N
    # Each of the two logits may move by the tolerance.
    return Compared(differences_N, (first_N != other_N) & (gap_N > 2 * tolerance))


def joined(parts: list[Compared]) -> Compared:
    """Several comparisons as one."""
    if not parts:
        return Compared(np.zeros(0), np.zeros(0, dtype=np.bool_))
    return Compared(
        np.concatenate([part.differences_N for part in parts]), np.concatenate([part.changed_N for part in parts])
    )


class Perturbed(NamedTuple):
    """Whether images and their slightly changed copies were answered rightly."""

    scored_right_N: npt.NDArray[np.bool_]
    copy_right_N: npt.NDArray[np.bool_]
    same_N: npt.NDArray[np.bool_]
    """Image and copy got the same answer."""


class TimedRound(NamedTuple):
    """Wall times of batches of one size, each asked for alone, in seconds by the parent's clock."""

    distinct_s: float
    """Of images that all differ, for the first time."""
    copies_s: float
    """Of copies of one image."""
    again_s: float
    """Of the very first batch again."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that the audits of one run may look at."""

    seed: int
    """The secret that decided what was shown when."""
    precision: Precision
    batch_size: int
    """Images a batch, for the scored ones and most of the audit's."""
    alone: Compared
    """Scored images again, in batches that were asked for alone, as a measurement of speed does."""
    company: Compared
    """Scored images again, in another order and among others; copies of one image in every place of a batch."""
    sizes: Mapping[int, Compared]
    """From batch size to scored images again in batches of that size."""
    exact: Compared
    """Whole batches again, image for image; here the first answer is what was scored elsewhere."""
    late: Compared
    """Images of the first batches again, after the last one."""
    perturbed: Mapping[str, Perturbed]
    """From kind of copy to how it was answered."""
    rounds: tuple[TimedRound, ...]
    scored_alone_s: tuple[float, ...]
    """Wall times of scored batches that were asked for alone, drawn secretly."""
    settings_before: Mapping[str, Scalar]
    """Torch's settings and a digest of the weights before the first batch, as the child reports them."""
    settings_after: Mapping[str, Scalar]
    num_shown: int
    """Images that audits showed, besides the scored ones."""
    seconds: float
    """Wall time of the audits' batches."""
    num_views: int = 1
    """Crops of an image."""
    gmacs: float | None = None
    """Multiply-adds of a crop, in units of 10^9; None where they could not be counted."""
    peak_tflops: float | None = None
    """What the devices can do at most, in 10^12 operations a second; None where that is not known."""
