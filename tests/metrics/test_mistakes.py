"""Hints at the classic label mistakes."""

from __future__ import annotations

import numpy as np
import pytest

from bench.data.classes import class_table
from bench.metrics.base import Answers
from bench.metrics.mistakes import label_hint
from bench.metrics.topk import predictions_from_ranked

TABLE = class_table("imagenet-1k")
LABELS_N = np.random.default_rng(0).integers(0, 1000, 2000)


def _hint(first_N: np.ndarray) -> str | None:
    ids = tuple(f"{index:05d}" for index in range(len(first_N)))
    return label_hint(Answers(predictions_from_ranked(ids, first_N[:, None], 1000), LABELS_N), TABLE.ilsvrc_ids)


def _index_of(ilsvrc_ids_N: np.ndarray) -> np.ndarray:
    """What a reader of devkit files makes of ids: class indices, -1 for 0."""
    known = {ilsvrc_id: index for index, ilsvrc_id in enumerate(TABLE.ilsvrc_ids)}
    return np.array([known.get(int(ilsvrc_id), -1) for ilsvrc_id in ilsvrc_ids_N])


IDS_N = np.array(TABLE.ilsvrc_ids)[LABELS_N]


@pytest.mark.parametrize(
    ("answered_N", "mistake"),
    [
        (_index_of(IDS_N - 1), "ILSVRC2012 ids minus one"),
        (_index_of(LABELS_N), "class indices from 0 in alphabetical order"),
        (_index_of(LABELS_N + 1), "class numbers from 1 in alphabetical order"),
        (IDS_N - 1, "ILSVRC2012 ids minus one, where class indices"),
        (np.minimum(LABELS_N + 1, 999), "background"),
        (LABELS_N - 1, "one too low"),
    ],
)
def test_right_answers_in_the_wrong_order_are_recognised(answered_N: np.ndarray, mistake: str) -> None:
    """Perfect answers under each mistake score nothing, and the hint names the mistake."""
    assert (answered_N == LABELS_N).mean() < 0.01
    hint = _hint(answered_N)

    assert hint is not None
    assert mistake in hint


def test_good_answers_and_random_answers_give_no_hint() -> None:
    """A hint is only given where it explains much."""
    random_N = np.random.default_rng(1).integers(0, 1000, len(LABELS_N))

    assert _hint(LABELS_N) is None
    assert _hint(random_N) is None
    assert _hint(np.where(np.arange(len(LABELS_N)) % 2, LABELS_N, random_N)) is None


def test_datasets_without_a_development_kit_know_shifts_alone() -> None:
    """Their ids are in order, so nothing looks like another order of the classes."""
    labels_N = np.arange(200) % 10
    ids, kit = tuple(f"{index:05d}" for index in range(200)), class_table("cifar10").ilsvrc_ids

    def hint(first_N: np.ndarray) -> str | None:
        return label_hint(Answers(predictions_from_ranked(ids, first_N[:, None], 10), labels_N), kit)

    assert hint(labels_N) is None
    assert "class indices one too low" in str(hint(labels_N - 1))
    assert "background" in str(hint(np.minimum(labels_N + 1, 9)))
