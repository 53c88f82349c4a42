"""The classic label mistakes: answers that are right, but written in another order of the classes.

Shape letters: N samples, C classes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.metrics.base import Answers

__all__ = ["label_hint"]


def label_hint(answers: Answers, ilsvrc_ids: tuple[int, ...]) -> str | None:
    """A sentence when the answers fit far better under one of the classic mistakes, else None.

    Args:
        answers: Predictions and labels, as class indices in alphabetical WNID order.
        ilsvrc_ids: The ILSVRC2012 id 1..C of each class index; in order where there is no development kit, whose
            ids could be mistaken for indices.
    """
    ids_C = np.asarray(ilsvrc_ids)
    index_of_id = np.full(len(ids_C) + 1, -1, np.int64)
    index_of_id[ids_C] = np.arange(len(ids_C))
    readings = _shifts(answers.first_N, len(ids_C))
    if not np.array_equal(ids_C, np.arange(1, len(ids_C) + 1)):
        readings = _readings(answers.first_N, ids_C, index_of_id) | readings
    measured = float(answers.top1_N.mean())
    best, top1 = max(
        ((mistake, float((read_N == answers.labels_N).mean())) for mistake, read_N in readings.items()),
        key=lambda pair: pair[1],
    )
    if top1 < measured + 0.05 or top1 < 5 * measured:
        return None
    return f"these look like {best}: read so, top-1 would be {top1:.4f} instead of {measured:.4f}"


def _readings(
    first_N: npt.NDArray[np.int64], ids_C: npt.NDArray[np.int64], index_of_id: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[np.int64]]:
    """From each mistake to the class indices that the first answers would mean without it; -1 where none."""

    def within(values_N: npt.NDArray[np.int64], table: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        known_N = (values_N >= 0) & (values_N < len(table))
        return np.where(known_N, table[np.clip(values_N, 0, len(table) - 1)], -1)

    written_id_N = within(first_N, ids_C)  # the ILSVRC2012 id that an answer was written as, -1 for none
    return {
        "ILSVRC2012 ids minus one, where ids from 1 are expected": within(written_id_N + 1, index_of_id),
        "class indices from 0 in alphabetical order, where ILSVRC2012 ids are expected": written_id_N,
        "class numbers from 1 in alphabetical order, where ILSVRC2012 ids are expected": written_id_N - 1,
        "ILSVRC2012 ids, where class indices from 0 in alphabetical order are expected": within(first_N, index_of_id),
        "ILSVRC2012 ids minus one, where class indices in alphabetical order are expected": within(
            first_N + 1, index_of_id
        ),
    }


def _shifts(first_N: npt.NDArray[np.int64], num_classes: int) -> dict[str, npt.NDArray[np.int64]]:
    """The same of the mistakes that any dataset allows."""
    return {
        "outputs with a background class first, which [outputs] background = true declares": np.where(
            first_N > 0, first_N - 1, -1
        ),
        "class indices one too low": np.where(first_N + 1 < num_classes, first_N + 1, -1),
    }
