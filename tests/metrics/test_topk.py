"""Ranking logits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bench.metrics.topk import predictions_from_logits, predictions_from_ranked, rank_logits

# Few distinct values, so that ties are everywhere, also at the border of the kept classes.
tied_logits = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 5), st.integers(1, 30)), elements=st.sampled_from([-1, 0, 1, 2])
)


@given(tied_logits)
def test_ties_go_to_the_lower_class_index(logits_NC: np.ndarray) -> None:
    """The ranking equals sorting pairs of (minus logit, class index), row by row."""
    ranked = rank_logits(logits_NC, np.zeros(len(logits_NC), np.int64))
    expected = [sorted(range(len(row)), key=lambda index: (-row[index], index))[:10] for row in logits_NC.tolist()]

    assert ranked.classes_NK.tolist() == expected


@settings(max_examples=60)
@given(st.integers(60, 400), st.sampled_from([1, 2, 5, 1000]), st.integers(0, 2**32 - 1))
def test_many_classes_are_ranked_like_few(num_classes: int, num_values: int, seed: int) -> None:
    """Also where the best are found without sorting all: any number of classes, few or many equal logits."""
    logits_NC = np.random.default_rng(seed).integers(0, num_values, (40, num_classes)).astype(np.float32)
    ranked = rank_logits(logits_NC, np.zeros(40, np.int64))

    np.testing.assert_array_equal(ranked.classes_NK, np.argsort(-logits_NC, axis=1, kind="stable")[:, :10])


@given(tied_logits)
def test_ties_are_counted(logits_NC: np.ndarray) -> None:
    """How many rankings rest on the tie rule is known, at rank 1 and at rank 5."""
    ranked = rank_logits(logits_NC, np.zeros(len(logits_NC), np.int64))
    rows = [sorted(row, reverse=True) for row in logits_NC.tolist()]

    assert ranked.num_ties_at_1 == sum(len(row) > 1 and row[0] == row[1] for row in rows)
    assert ranked.num_ties_at_5 == sum(len(row) > 5 and row[4] == row[5] for row in rows)


@pytest.mark.parametrize("num_classes", [2, 10, 11, 1000])
def test_probabilities_are_those_of_the_softmax(num_classes: int) -> None:
    """Against torch's log_softmax in float64, for logits of any size."""
    import torch

    random = np.random.default_rng(0)
    logits_NC = (random.standard_normal((600, num_classes)) * 50).astype(np.float32)
    labels_N = random.integers(0, num_classes, 600)
    predictions = predictions_from_logits(tuple(map(str, range(600))), logits_NC, labels_N)
    log_probs_NC = torch.from_numpy(logits_NC).double().log_softmax(dim=1)

    top = log_probs_NC.topk(min(10, num_classes), dim=1)
    np.testing.assert_array_equal(predictions.top_classes_NK, top.indices)
    np.testing.assert_allclose(predictions.top_log_probs_NK, top.values, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(predictions.label_log_prob_N, log_probs_NC[range(600), labels_N], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(predictions.sum_squared_probs_N, log_probs_NC.exp().square().sum(dim=1), rtol=1e-6)


@settings(max_examples=25)
@given(st.integers(1, 3000), st.integers(0, 2**32 - 1))
def test_the_split_into_batches_does_not_matter(cut: int, seed: int) -> None:
    """Ranking in two parts is ranking at once."""
    random = np.random.default_rng(seed)
    logits_NC, labels_N = random.standard_normal((1500, 12), dtype=np.float32), random.integers(0, 12, 1500)
    whole = rank_logits(logits_NC, labels_N)
    parts = [
        rank_logits(logits_NC[part], labels_N[part])
        for part in (slice(0, cut), slice(cut, None))
        if len(logits_NC[part])
    ]

    for index in range(4):
        np.testing.assert_array_equal(whole[index], np.concatenate([part[index] for part in parts]))


def test_a_constant_added_to_the_logits_changes_nothing() -> None:
    """Softmax and ranking look at differences only."""
    logits_NC = np.arange(24, dtype=np.float32).reshape(2, 12)
    labels_N = np.array([0, 11])
    moved = predictions_from_logits(("a", "b"), logits_NC + 64, labels_N)

    assert moved.sha256() == predictions_from_logits(("a", "b"), logits_NC, labels_N).sha256()


def test_a_long_list_of_answers_is_cut_to_what_is_kept() -> None:
    """Twenty answers of twenty classes: the first ten are kept, in order."""
    predictions = predictions_from_ranked(("a",), np.arange(20)[None, ::-1], num_classes=20)

    assert predictions.top_classes_NK.tolist() == [list(range(19, 9, -1))]


def test_logits_at_the_ends_of_float32_are_ranked_without_a_warning() -> None:
    """They lie further apart than float32 reaches, so the logarithm of the lower one's probability is -inf."""
    most = np.finfo(np.float32).max
    found = rank_logits(np.array([[-most, most, 0.0]], np.float32), np.array([0]))

    assert found.classes_NK.tolist() == [[1, 2, 0]]
    assert found.label_log_prob_N.tolist() == [-np.inf]
