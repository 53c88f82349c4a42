"""Answers to the same images: what counts as the same answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.difference import differing
from bench.metrics.topk import predictions_from_logits
from bench.records.predictions import Predictions

LABELS_N = np.zeros(6, np.int64)
IDS = tuple("abcdef")


def _answers(logits_NC: np.ndarray) -> Predictions:
    return predictions_from_logits(IDS, logits_NC.astype(np.float32), LABELS_N)


LOGITS_NC = np.random.default_rng(0).normal(0, 3, (6, 20)).astype(np.float32)


def test_equal_bits_differ_nowhere() -> None:
    """With and without a tolerance."""
    for tolerance in (None, 0.01):
        assert differing(_answers(LOGITS_NC), _answers(LOGITS_NC.copy()), tolerance) == ()


def test_one_bit_counts_on_the_same_machine_and_not_on_another() -> None:
    """The image is named, with both classes and how far it moved."""
    moved_NC = LOGITS_NC.copy()
    moved_NC[2, LOGITS_NC[2].argmax()] += 1e-4
    (found,) = differing(_answers(LOGITS_NC), _answers(moved_NC), None)

    assert (found.sample_id, found.stored_class) == ("c", int(LOGITS_NC[2].argmax()))
    assert found.found_class == found.stored_class
    assert 0 < found.difference < 1e-3
    assert differing(_answers(LOGITS_NC), _answers(moved_NC), 0.01) == ()


def test_a_tie_may_break_otherwise_and_a_clear_answer_may_not() -> None:
    """Within the tolerance two classes may change places."""
    tied_NC, other_NC = LOGITS_NC.copy(), LOGITS_NC.copy()
    tied_NC[0, :2], other_NC[0, :2] = (20, 20.001), (20.001, 20)
    assert differing(_answers(tied_NC), _answers(other_NC), 0.01) == ()

    clear_NC = LOGITS_NC.copy()
    clear_NC[0] = -clear_NC[0]
    assert [one.sample_id for one in differing(_answers(LOGITS_NC), _answers(clear_NC), 0.01)] == ["a"]


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.01, 0.2, 0.5]))
def test_logits_that_move_within_half_the_tolerance_never_differ(seed: int, tolerance: float) -> None:
    """A log-probability moves by at most twice what the logits move by."""
    random = np.random.default_rng(seed)
    logits_NC = random.normal(0, 5, (6, 20))
    moved_NC = logits_NC + random.uniform(-0.49, 0.49, logits_NC.shape) * tolerance

    assert differing(_answers(logits_NC), _answers(moved_NC), tolerance) == ()


def test_a_class_cannot_stand_in_the_place_of_another_one() -> None:
    """Not even below the first place, where it would move top-5: each class has its own log-probability."""
    answers = _answers(LOGITS_NC)
    missing = next(label for label in range(20) if label not in answers.top_classes_NK[3])
    forged_NK = answers.top_classes_NK.copy()
    forged_NK[3, 4] = missing
    assert [one.sample_id for one in differing(replace(answers, top_classes_NK=forged_NK), answers, 0.01)] == ["d"]

    swapped_NK = answers.top_classes_NK.copy()
    swapped_NK[3, [1, 9]] = swapped_NK[3, [9, 1]]
    assert [one.sample_id for one in differing(replace(answers, top_classes_NK=swapped_NK), answers, 0.01)] == ["d"]


@pytest.mark.parametrize("column", ["top_log_probs_NK", "label_log_prob_N", "sum_squared_probs_N"])
@pytest.mark.parametrize("value", [np.nan, 0.75])
@pytest.mark.parametrize("tolerance", [None, 0.01])
def test_no_column_can_be_forged_or_left_out(column: str, value: float, tolerance: float | None) -> None:
    """A number that is missing in the stored answers alone is another one."""
    answers = _answers(LOGITS_NC)
    forged = getattr(answers, column).copy()
    forged[1] = value

    assert [one.sample_id for one in differing(replace(answers, **{column: forged}), answers, tolerance)] == ["b"]


@pytest.mark.parametrize("tolerance", [None, 0.01])
def test_answers_without_probabilities_are_compared_by_order(tolerance: float | None) -> None:
    """A list of ids has NaN for all probabilities."""
    answers = _answers(LOGITS_NC)
    columns = ("top_log_probs_NK", "label_log_prob_N", "sum_squared_probs_N")
    nothing = {name: np.full_like(getattr(answers, name), np.nan) for name in columns}
    order = replace(answers, **nothing)
    other_NK = order.top_classes_NK.copy()
    other_NK[5, :2] = other_NK[5, 1::-1]

    assert differing(order, replace(order, **nothing), tolerance) == ()
    assert [one.sample_id for one in differing(replace(order, top_classes_NK=other_NK), order, tolerance)] == ["f"]
