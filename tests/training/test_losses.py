"""Losses, against torch's functions and timm's own objects."""

from __future__ import annotations

import pytest
import torch

from bench.training.losses import make_loss
from tests.training.made_recipes import made_recipe

CLASSES = 5


@pytest.fixture
def logits_NC() -> torch.Tensor:
    return torch.randn(8, CLASSES, generator=torch.Generator().manual_seed(1))


LABELS_N = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2])


def mixed_targets(smoothing: float) -> torch.Tensor:
    """What timm's Mixup makes of the labels at a share of 0.7."""
    from timm.data.mixup import mixup_target

    return mixup_target(LABELS_N, CLASSES, lam=0.7, smoothing=smoothing)


def test_cross_entropy_is_torchs(logits_NC: torch.Tensor) -> None:
    """With and without smoothing, of labels and of shares."""
    for smoothing in (0.0, 0.1):
        loss = make_loss(made_recipe(label_smoothing=smoothing), CLASSES)
        for targets in (LABELS_N, mixed_targets(0.0)):
            expected = torch.nn.functional.cross_entropy(logits_NC, targets, label_smoothing=smoothing)
            assert torch.equal(loss(logits_NC, targets), expected)


def test_smoothing_after_mixing_is_timms_smoothing_before_it(logits_NC: torch.Tensor) -> None:
    """timm: smoothed targets into SoftTargetCrossEntropy; here: the plain mixture into a loss that smooths."""
    from timm.loss import SoftTargetCrossEntropy

    loss = make_loss(made_recipe(label_smoothing=0.1, mixup_alpha=0.2), CLASSES)

    assert loss(logits_NC, mixed_targets(0.0)) == pytest.approx(
        SoftTargetCrossEntropy()(logits_NC, mixed_targets(0.1)).item(), rel=1e-6
    )


@pytest.mark.parametrize(("smoothing", "threshold"), [(0.0, None), (0.1, None), (0.0, 0.2)])
def test_binary_cross_entropy_is_timms(logits_NC: torch.Tensor, smoothing: float, threshold: float | None) -> None:
    """Of labels, which timm smooths in the loss, and of mixtures, which it smooths while mixing."""
    from timm.loss import BinaryCrossEntropy

    loss = make_loss(made_recipe(loss="bce", label_smoothing=smoothing, bce_threshold=threshold), CLASSES)
    theirs = BinaryCrossEntropy(smoothing=smoothing, target_threshold=threshold)

    assert loss(logits_NC, LABELS_N) == pytest.approx(theirs(logits_NC, LABELS_N).item(), rel=1e-6)
    assert loss(logits_NC, mixed_targets(0.0)) == pytest.approx(
        theirs(logits_NC, mixed_targets(smoothing)).item(), rel=1e-6
    )


def test_targets_above_the_threshold_count_as_one(logits_NC: torch.Tensor) -> None:
    """Both classes of a mixture at 0.7 are there, and at 0.9 only the first."""
    loss = make_loss(made_recipe(loss="bce", bce_threshold=0.2), CLASSES)
    both = torch.zeros(1, CLASSES)
    both[0, :2] = 1
    first = torch.zeros(1, CLASSES)
    first[0, 0] = 1
    bce = torch.nn.functional.binary_cross_entropy_with_logits

    assert loss(logits_NC[:1], torch.tensor([[0.7, 0.3, 0, 0, 0]])) == bce(logits_NC[:1], both)
    assert loss(logits_NC[:1], torch.tensor([[0.9, 0.1, 0, 0, 0]])) == bce(logits_NC[:1], first)
