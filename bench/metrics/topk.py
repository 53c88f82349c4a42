"""From logits to predictions: ranked once, exactly, with the tie rule of the protocols.

Shape letters: N samples, C classes, K kept classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.errors import PredictionsError
from bench.records.predictions import NUM_KEPT, Predictions

__all__ = ["Ranked", "join_ranked", "predictions_from_logits", "predictions_from_ranked", "rank_logits"]

_ROWS_AT_ONCE = 128  # 128 x 1000 float64 stay in the cache of one core
_NUM_GROUPS = 64
_COLUMNS = ("classes_NK", "log_probs_NK", "label_log_prob_N", "sum_squared_probs_N")


class Ranked(NamedTuple):
    """The columns of `Predictions` for some samples, and how many of their rankings rest on the tie rule."""

    classes_NK: npt.NDArray[np.int16]
    log_probs_NK: npt.NDArray[np.float32]
    label_log_prob_N: npt.NDArray[np.float32]
    sum_squared_probs_N: npt.NDArray[np.float32]
    num_ties_at_1: int
    """Samples whose first and second logit are equal."""
    num_ties_at_5: int
    """Samples whose fifth and sixth logit are equal."""


def rank_logits(logits_NC: npt.NDArray[np.float32], labels_N: npt.NDArray[np.int64]) -> Ranked:
    """Ranks finite logits by (logit descending, class index ascending), and takes what the metrics need.

    Args:
        logits_NC: Float32, all finite, any range.
        labels_N: Class indices 0..C-1.

    Returns:
        The best K = min(10, C) classes of each sample with natural-log softmax probabilities, computed in float64.
    """
    starts = range(0, len(logits_NC), _ROWS_AT_ONCE)
    parts = [_rank_rows(logits_NC[at : at + _ROWS_AT_ONCE], labels_N[at : at + _ROWS_AT_ONCE]) for at in starts]
    return _concatenate(parts, num_classes=logits_NC.shape[1])


def join_ranked(
    sample_ids: tuple[str, ...],
    parts: Iterable[Ranked],
    *,
    num_classes: int,
    positions_N: npt.NDArray[np.int64] | None = None,
) -> Predictions:
    """The predictions that consist of the parts.

    Args:
        sample_ids: The samples, in canonical order.
        parts: Their rankings, one after the other.
        num_classes: C.
        positions_N: Which sample each row of the parts is about, every one once; None for the canonical order.

    Raises:
        PredictionsError: A sample is missing or comes twice.
    """
    whole = _concatenate(list(parts), num_classes=num_classes)
    if positions_N is not None:
        rows_N = np.argsort(positions_N, kind="stable")
        if not np.array_equal(positions_N[rows_N], np.arange(len(sample_ids))):
            raise PredictionsError(f"{len(positions_N):,} answers do not cover {len(sample_ids):,} samples once each")
        whole = whole._replace(**{name: getattr(whole, name)[rows_N] for name in _COLUMNS})
    return Predictions(
        sample_ids=sample_ids,
        top_classes_NK=whole.classes_NK,
        top_log_probs_NK=whole.log_probs_NK,
        label_log_prob_N=whole.label_log_prob_N,
        sum_squared_probs_N=whole.sum_squared_probs_N,
        num_classes=num_classes,
    )


def predictions_from_logits(
    sample_ids: tuple[str, ...], logits_NC: npt.NDArray[np.float32], labels_N: npt.NDArray[np.int64]
) -> Predictions:
    """The predictions that a whole matrix of finite float32 logits stands for; see `rank_logits`."""
    return join_ranked(sample_ids, [rank_logits(logits_NC, labels_N)], num_classes=logits_NC.shape[1])


def predictions_from_ranked(
    sample_ids: tuple[str, ...], ranked_NK: npt.NDArray[np.integer], num_classes: int
) -> Predictions:
    """The predictions of a list of classes without probabilities.

    Args:
        sample_ids: The sample ids, sorted.
        ranked_NK: Class indices 0..C-1, best first, -1 where nothing was answered; any number of columns.
        num_classes: C, the number of classes.
    """
    num_samples, kept = len(sample_ids), min(NUM_KEPT, num_classes)
    classes_NK = np.full((num_samples, kept), -1, np.int16)
    taken = min(kept, ranked_NK.shape[1])
    classes_NK[:, :taken] = ranked_NK[:, :taken]
    unknown_N = np.full(num_samples, np.nan, np.float32)
    return Predictions(
        sample_ids=sample_ids,
        top_classes_NK=classes_NK,
        top_log_probs_NK=np.full((num_samples, kept), np.nan, np.float32),
        label_log_prob_N=unknown_N,
        sum_squared_probs_N=unknown_N.copy(),
        num_classes=num_classes,
    )


def _rank_rows(logits_NC: npt.NDArray[np.float32], labels_N: npt.NDArray[np.int64]) -> Ranked:
    num_classes = logits_NC.shape[1]
    best_NK = _best_classes(logits_NC, min(NUM_KEPT, num_classes))
    top_NK = np.take_along_axis(logits_NC, best_NK, axis=1)
    shifted_NC = logits_NC.astype(np.float64)
    highest_N1 = top_NK[:, :1].astype(np.float64)
    shifted_NC -= highest_N1
    probs_NC = np.exp(shifted_NC)
    total_N1 = probs_NC.sum(axis=1, keepdims=True)
    probs_NC /= total_N1
    log_total_N1 = np.log(total_N1)
    label_log_prob_N = np.take_along_axis(shifted_NC, labels_N[:, None], axis=1)[:, 0] - log_total_N1[:, 0]

    def num_equal(first: int, second: int) -> int:
        return int((top_NK[:, first] == top_NK[:, second]).sum()) if top_NK.shape[1] > second else 0

    with np.errstate(over="ignore"):  # logits that are further apart than float32 reaches: minus infinity is right
        return Ranked(
            classes_NK=best_NK.astype(np.int16),
            log_probs_NK=(top_NK - highest_N1 - log_total_N1).astype(np.float32),
            label_log_prob_N=label_log_prob_N.astype(np.float32),
            sum_squared_probs_N=np.einsum("nc,nc->n", probs_NC, probs_NC).astype(np.float32),
            num_ties_at_1=num_equal(0, 1),
            num_ties_at_5=num_equal(4, 5),
        )


def _best_classes(logits_NC: npt.NDArray[np.float32], kept: int) -> npt.NDArray[np.intp]:
    """The indices of the `kept` largest logits, by (logit descending, index ascending).

    The columns are dealt into groups. The `kept` largest group maxima are `kept` logits of the row, so nothing below
    the least of them is among the best; the few candidates that are left are sorted, ties and all.
    """
    num_samples, num_classes = logits_NC.shape
    if num_classes <= _NUM_GROUPS:
        return np.argsort(-logits_NC, axis=1, kind="stable")[:, :kept]
    num_dealt = num_classes - num_classes % _NUM_GROUPS
    maxima_NG = logits_NC[:, :num_dealt].reshape(num_samples, -1, _NUM_GROUPS).max(axis=1)
    rest_NG = logits_NC[:, num_dealt:]
    maxima_NG[:, : rest_NG.shape[1]] = np.maximum(maxima_NG[:, : rest_NG.shape[1]], rest_NG)
    bound_N1 = np.partition(maxima_NG, _NUM_GROUPS - kept, axis=1)[:, _NUM_GROUPS - kept, None]
    rows_M, columns_M = np.nonzero(logits_NC >= bound_N1)
    # Stable, and nonzero lists a row's columns in ascending order: equal logits keep that order.
    order_M = np.lexsort((-logits_NC[rows_M, columns_M], rows_M))
    starts_N = np.searchsorted(rows_M, np.arange(num_samples))
    best_NK: npt.NDArray[np.intp] = columns_M[order_M][starts_N[:, None] + np.arange(kept)]
    return best_NK


def _concatenate(parts: list[Ranked], *, num_classes: int) -> Ranked:
    if not parts:
        empty_NK, empty_N = np.empty((0, min(NUM_KEPT, num_classes))), np.empty(0, np.float32)
        return Ranked(empty_NK.astype(np.int16), empty_NK.astype(np.float32), empty_N, empty_N.copy(), 0, 0)
    return Ranked(
        classes_NK=np.concatenate([part.classes_NK for part in parts]),
        log_probs_NK=np.concatenate([part.log_probs_NK for part in parts]),
        label_log_prob_N=np.concatenate([part.label_log_prob_N for part in parts]),
        sum_squared_probs_N=np.concatenate([part.sum_squared_probs_N for part in parts]),
        num_ties_at_1=sum(part.num_ties_at_1 for part in parts),
        num_ties_at_5=sum(part.num_ties_at_5 for part in parts),
    )
