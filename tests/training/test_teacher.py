"""A teacher's stored predictions, and learning from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.data.dataset import Dataset
from bench.errors import BenchError, PredictionsError, StoreError, UsageError
from bench.metrics.topk import predictions_from_logits
from bench.records.predictions import Predictions
from bench.records.recipe import Distillation, Recipe
from bench.records.result import DatasetRef, Result, SubmissionRef
from bench.store import Store
from bench.training.teacher import Teacher, make_distillation, open_teacher, teacher_of
from tests.training.made_recipes import made_recipe

DIGEST = "d" * 64
SOFT = Distillation(teacher="acme/wise", targets="top10", weight=0.25)
HARD = Distillation(teacher="acme/wise", targets="hard", weight=1.0)


@pytest.fixture
def logits_NC(shapes: Dataset) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(len(shapes), 2)).astype(np.float32)


@pytest.fixture
def predictions(shapes: Dataset, logits_NC: np.ndarray) -> Predictions:
    ids = tuple(sample.id for sample in shapes.samples)
    return predictions_from_logits(ids, logits_NC, shapes.labels_N)


def a_teacher(probs_NK: list[list[float]], classes_NK: list[list[int]], num_classes: int) -> Teacher:
    return Teacher("run", np.array(classes_NK, np.int16), np.array(probs_NK, np.float32), num_classes)


def test_what_the_ten_leave_is_spread_over_the_others() -> None:
    """Twelve classes: ten known ones with 0.8 in all, two others with 0.1 each."""
    classes = [3, 0, 1, 2, 4, 5, 6, 7, 8, 9]
    teacher = a_teacher([[0.71] + [0.01] * 9], [classes], 12)
    (target_C,) = teacher.targets(np.array([0]), "top10")

    assert target_C[3] == pytest.approx(0.71)
    assert target_C[[10, 11]] == pytest.approx([0.1, 0.1])
    assert target_C.sum() == pytest.approx(1)
    assert teacher.targets(np.array([0]), "hard").argmax() == 3
    assert teacher.targets(np.array([0]), "hard").sum() == 1


def test_few_classes_are_known_completely(shapes: Dataset, predictions: Predictions, logits_NC: np.ndarray) -> None:
    """The targets are the teacher's softmax, image by image, in whatever order they are asked for."""
    teacher = teacher_of(SOFT, predictions, shapes, "run")
    positions_N = np.array([5, 0, 5, 17])
    expected = torch.from_numpy(logits_NC[positions_N]).softmax(dim=1).numpy()

    assert np.allclose(teacher.targets(positions_N, "top10"), expected, atol=1e-6)


def recipe_with(distillation: Distillation) -> Recipe:
    return made_recipe(distillation=distillation.as_json(), label_smoothing=0.1)


def test_the_loss_weighs_labels_and_teacher() -> None:
    """(1 - weight) of the recipe's loss and weight of the teacher's cross-entropy, also behind a background class."""
    teacher = a_teacher([[0.9, 0.1], [0.8, 0.2], [0.5, 0.5]], [[0, 1], [1, 0], [0, 1]], 2)
    labels_N, positions_N = torch.tensor([0, 1]), np.array([2, 0])
    logits_NC = torch.randn(2, 2, generator=torch.Generator().manual_seed(0))
    cross_entropy = torch.nn.functional.cross_entropy
    shares_NC = torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    expected = 0.75 * cross_entropy(logits_NC, labels_N, label_smoothing=0.1) + 0.25 * cross_entropy(
        logits_NC, shares_NC
    )
    loss = make_distillation(recipe_with(SOFT), teacher, background=False)
    assert loss(logits_NC, labels_N, positions_N) == pytest.approx(expected.item(), rel=1e-6)

    with_background = torch.cat([torch.zeros(2, 1), logits_NC], dim=1)
    loss = make_distillation(recipe_with(HARD), teacher, background=True)
    assert loss(with_background, labels_N + 1, np.array([1, 0])) == pytest.approx(
        cross_entropy(with_background, torch.tensor([2, 1])).item(), rel=1e-6
    )


@pytest.fixture
def stored(
    tmp_path: Path, predictions: Predictions, make_result: Callable[..., Result]
) -> Callable[..., tuple[Path, Store]]:
    """A function that stores a run of `acme/wise` with predictions, and gives its file."""

    def make(*, name: str = "wise", digest: str = DIGEST) -> tuple[Path, Store]:
        store = Store(tmp_path / "board" / "results")
        ref = store.add_predictions(predictions)
        result = make_result(
            submission=SubmissionRef(team="acme", name=name, title="Wise", digest="a" * 64, source="python"),
            dataset=DatasetRef(name="shapes2", split="train", digest=digest, num_samples=24),
            predictions=ref,
        )
        return store.add(result), store

    return make


def test_a_teacher_is_found_through_its_result(
    stored: Callable[..., tuple[Path, Store]], shapes: Dataset, predictions: Predictions
) -> None:
    """The predictions lie beside the results folder."""
    path, _ = stored()
    teacher = open_teacher(SOFT, path, shapes, DIGEST)

    assert teacher.run == Result.load(path).run
    assert np.array_equal(teacher.classes_NK, predictions.top_classes_NK)


def test_another_run_is_no_teacher(stored: Callable[..., tuple[Path, Store]], shapes: Dataset) -> None:
    """Of another submission, on other images, or without its predictions."""
    other, _ = stored(name="fool")
    with pytest.raises(UsageError, match=r"is a run of acme/fool, and the recipe's teacher is acme/wise"):
        open_teacher(SOFT, other, shapes, DIGEST)
    path, store = stored()
    with pytest.raises(UsageError, match=r"is a run on other images \(shapes2, split train\)"):
        open_teacher(SOFT, path, shapes, "e" * 64)
    for file in store.predictions.glob("*.parquet"):
        file.unlink()
    with pytest.raises(StoreError, match="not on this machine"):
        open_teacher(SOFT, path, shapes, DIGEST)


def _without_probabilities(predictions: Predictions) -> Predictions:
    nothing = np.full_like(predictions.label_log_prob_N, np.nan)
    return replace(
        predictions, label_log_prob_N=nothing, top_log_probs_NK=np.full_like(predictions.top_log_probs_NK, np.nan)
    )


def _without_the_first(predictions: Predictions) -> Predictions:
    return replace(
        predictions,
        sample_ids=predictions.sample_ids[1:],
        top_classes_NK=predictions.top_classes_NK[1:],
        top_log_probs_NK=predictions.top_log_probs_NK[1:],
        label_log_prob_N=predictions.label_log_prob_N[1:],
        sum_squared_probs_N=predictions.sum_squared_probs_N[1:],
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without_probabilities, "classes without probabilities"),
        (_without_the_first, "1 missing sample ids"),
        (lambda predictions: replace(predictions, num_classes=3), "expected"),
    ],
)
def test_what_predictions_lack_is_said(
    shapes: Dataset, predictions: Predictions, change: Callable[[Predictions], Predictions], words: str
) -> None:
    """Probabilities, images, or the right number of classes."""
    with pytest.raises(BenchError, match=words):
        teacher_of(SOFT, change(predictions), shapes, "run")


def test_answers_without_probabilities_teach_their_first_class(shapes: Dataset, predictions: Predictions) -> None:
    """A hard teacher needs no more."""
    teacher = teacher_of(HARD, _without_probabilities(predictions), shapes, "run")

    assert teacher.targets(np.arange(24), "hard").sum() == 24
    silent = replace(_without_probabilities(predictions), top_classes_NK=np.full_like(predictions.top_classes_NK, -1))
    with pytest.raises(PredictionsError, match="images without an answer"):
        teacher_of(HARD, silent, shapes, "run")
