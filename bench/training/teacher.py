"""A teacher's stored predictions of the training images, and the loss of a network that learns from them.

Only what a run keeps can be learned from: ten probabilities an image, of the image as evaluation crops it. There is no
temperature, which would need all logits, and the teacher does not see what augmentation did to the image.

Shape letters: N images, C classes, K kept classes (at most 10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.data.dataset import Dataset
from bench.errors import PredictionsError, UsageError
from bench.records.predictions import Predictions, check_sample_ids
from bench.records.recipe import Distillation, Recipe
from bench.records.result import Result
from bench.store import Store
from bench.training.losses import make_loss

if TYPE_CHECKING:
    import torch

    PositionedLoss = Callable[[torch.Tensor, torch.Tensor, npt.NDArray[np.int64]], torch.Tensor]

__all__ = ["Teacher", "make_distillation", "open_teacher", "teacher_of"]

_RESULTS_FROM_FILE = 3
"""A result lies in RESULTS/PROTOCOL/TEAM/NAME."""


@dataclass(frozen=True, eq=False)
class Teacher:
    """What a teacher said about each training image."""

    run: str
    """The run that holds it."""
    classes_NK: npt.NDArray[np.int16]
    """Class indices, best first, in the order of the dataset; -1 where fewer were answered."""
    probs_NK: npt.NDArray[np.float32]
    """Their probabilities, 0 to 1; NaN where the teacher answered without."""
    num_classes: int
    """C."""

    def targets(self, positions_N: npt.NDArray[np.int64], kind: str) -> npt.NDArray[np.float32]:
        """The shares (N, C), float32, each row summing to 1, that a network should answer with.

        Args:
            positions_N: Positions of the images in the dataset.
            kind: `top10` or `hard`, see `Distillation.targets`.
        """
        classes_NK = self.classes_NK[positions_N].astype(np.int64)
        rows_N1 = np.arange(len(positions_N))[:, None]
        if kind == "hard":
            targets_NC = np.zeros((len(positions_N), self.num_classes), np.float32)
            targets_NC[rows_N1, classes_NK[:, :1]] = 1
            return targets_NC
        probs_NK = self.probs_NK[positions_N]
        num_others = self.num_classes - classes_NK.shape[1]
        rest_N1 = np.maximum(0, 1 - probs_NK.sum(axis=1, keepdims=True))
        targets_NC = np.broadcast_to(rest_N1 / max(1, num_others), (len(positions_N), self.num_classes)).copy()
        targets_NC[rows_N1, classes_NK] = probs_NK
        shares_NC: npt.NDArray[np.float32] = targets_NC / targets_NC.sum(axis=1, keepdims=True)
        return shares_NC


def open_teacher(
    distillation: Distillation, path: Path, dataset: Dataset, digest: str, *, predictions: Path | None = None
) -> Teacher:
    """The teacher that a recipe asks for, from the result of its run on the training images.

    Args:
        distillation: What the recipe says about it.
        path: The result, a JSON file below a results folder.
        dataset: The training images.
        digest: Their digest.
        predictions: The predictions folder; None for the one beside the results folder.

    Raises:
        UsageError: It is the run of another submission, or on other images.
        StoreError: The predictions are not on this machine.
        PredictionsError: They do not hold what the recipe needs.
        RecordError: The file holds no result.
    """
    result = Result.load(path)
    found = f"{result.submission.team}/{result.submission.name}"
    if found != distillation.teacher:
        raise UsageError(f"is a run of {found}, and the recipe's teacher is {distillation.teacher}", path=path)
    if result.dataset.digest != digest:
        raise UsageError(
            f"is a run on other images ({result.dataset.name}, split {result.dataset.split}) than those of this "
            "training; evaluate the teacher on the training images",
            path=path,
        )
    results = path.absolute().parents[_RESULTS_FROM_FILE]
    return teacher_of(distillation, Store(results, predictions).read_predictions(result), dataset, result.run)


def teacher_of(distillation: Distillation, predictions: Predictions, dataset: Dataset, run: str) -> Teacher:
    """A teacher whose predictions answer each image of a dataset.

    Raises:
        PredictionsError: Images or probabilities are missing, or there are other classes.
    """
    ids = [sample.id for sample in dataset.samples]
    check_sample_ids(list(predictions.sample_ids), tuple(ids), path=run)
    if predictions.num_classes != dataset.classes.num_classes:
        raise PredictionsError(
            f"chooses from {predictions.num_classes} classes, the training images have {dataset.classes.num_classes}",
            path=run,
        )
    if (predictions.top_classes_NK[:, 0] < 0).any():
        raise PredictionsError("leaves images without an answer", path=run)
    if distillation.targets == "top10" and not predictions.has_probabilities:
        raise PredictionsError(
            "holds classes without probabilities, and the recipe learns from probabilities (targets = 'top10')",
            path=run,
        )
    position_of = {name: position for position, name in enumerate(predictions.sample_ids)}
    order_N = np.array([position_of[name] for name in ids], dtype=np.int64)
    return Teacher(
        run=run,
        classes_NK=predictions.top_classes_NK[order_N],
        probs_NK=np.exp(predictions.top_log_probs_NK[order_N]),
        num_classes=predictions.num_classes,
    )


def make_distillation(recipe: Recipe, teacher: Teacher, *, background: bool) -> PositionedLoss:
    """The loss of a network that learns from labels and from a teacher.

    (1 - weight) * the recipe's loss of the labels + weight * cross-entropy with the teacher's shares, which differs
    from the divergence of the two by a constant.

    Args:
        recipe: Its loss and its distillation.
        teacher: Opened for the training images.
        background: The network has one more output, number 0, of which the teacher knows nothing.

    Returns:
        From logits (N, C), targets (N,) and positions in the dataset (N,) to the mean loss, a scalar.
    """
    import torch

    distillation = recipe.distillation
    assert distillation is not None, "a teacher belongs to a recipe that distils"  # noqa: S101 - our own invariant
    of_labels, weight, kind = (
        make_loss(recipe, teacher.num_classes + background),
        distillation.weight,
        distillation.targets,
    )

    def loss(logits_NC: torch.Tensor, targets: torch.Tensor, positions_N: npt.NDArray[np.int64]) -> torch.Tensor:
        shares_NC = torch.from_numpy(teacher.targets(positions_N, kind)).to(logits_NC.device)
        if background:
            shares_NC = torch.nn.functional.pad(shares_NC, (1, 0))
        of_teacher = torch.nn.functional.cross_entropy(logits_NC, shares_NC)
        return (1 - weight) * of_labels(logits_NC, targets) + weight * of_teacher

    return loss
