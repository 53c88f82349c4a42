"""Two runs' answers to the same images: which images were answered otherwise.

Shape letters: N images, K kept classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.records.predictions import Predictions

__all__ = ["Difference", "differing"]


class Difference(NamedTuple):
    """An image that was answered otherwise."""

    sample_id: str
    stored_class: int
    """The first class of the stored answer."""
    found_class: int
    """That of the new one."""
    difference: float
    """The largest difference of log-probabilities."""


def differing(stored: Predictions, found: Predictions, tolerance: float | None) -> tuple[Difference, ...]:
    """The images that were answered otherwise, in the order of their ids.

    Sorted logits of one image differ by no more than the logits do, so the kept log-probabilities are compared by rank:
    two tied classes may change places. Each stored class must also have about the log-probability that the new answers
    give this very class, so no other one can stand in its place.

    Args:
        stored: The answers of the record.
        found: New answers to the same images.
        tolerance: How far log-probabilities may lie apart; None where each bit counts.
    """
    differences_N = np.maximum(
        _apart(stored.top_log_probs_NK, found.top_log_probs_NK).max(axis=1),
        _apart(stored.label_log_prob_N, found.label_log_prob_N),
    )
    if tolerance is None:
        bad_N = (differences_N > 0) | (stored.top_classes_NK != found.top_classes_NK).any(axis=1)
        bad_N |= _apart(stored.sum_squared_probs_N, found.sum_squared_probs_N) > 0
    else:
        bad_N = (differences_N > tolerance) | (_class_apart(stored, found) > tolerance).any(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            squares = np.log(stored.sum_squared_probs_N), np.log(found.sum_squared_probs_N)
        bad_N |= _apart(*squares) > 2 * tolerance
    return tuple(
        Difference(
            stored.sample_ids[row],
            int(stored.top_classes_NK[row, 0]),
            int(found.top_classes_NK[row, 0]),
            float(differences_N[row]),
        )
        for row in np.nonzero(bad_N)[0].tolist()
    )


def _class_apart(stored: Predictions, found: Predictions) -> npt.NDArray[np.float64]:
    """How far the log-probability of each stored class is from that of the same class in new answers, at least.

    One that is not among the new kept classes has no more than the last of these.
    """
    is_it_NKK = stored.top_classes_NK[:, :, None] == found.top_classes_NK[:, None, :]
    places_NK = is_it_NKK.argmax(axis=2)
    same_NK = _apart(stored.top_log_probs_NK, np.take_along_axis(found.top_log_probs_NK, places_NK, axis=1))
    # Answers without probabilities have only their order.
    same_NK[np.isnan(stored.top_log_probs_NK) & (places_NK != np.arange(places_NK.shape[1]))] = np.inf
    above_last_NK = np.maximum(stored.top_log_probs_NK.astype(np.float64) - found.top_log_probs_NK[:, -1:], 0)
    apart_NK: npt.NDArray[np.float64] = np.where(
        is_it_NKK.any(axis=2), same_NK, np.nan_to_num(above_last_NK, nan=np.inf)
    )
    return apart_NK


def _apart(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The distances of numbers: 0 for what is equal or missing in both, infinity for what is missing in one."""
    with np.errstate(invalid="ignore"):
        apart = np.nan_to_num(np.abs(one.astype(np.float64) - other), nan=np.inf, posinf=np.inf)
    same: npt.NDArray[np.float64] = np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0, apart)
    return same
