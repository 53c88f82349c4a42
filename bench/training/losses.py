"""The losses of a recipe, by torch and timm.

Shape letters: N images, C classes (outputs of the network).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.records.recipe import Recipe

if TYPE_CHECKING:
    import torch

    Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

__all__ = ["make_loss"]


def make_loss(recipe: Recipe, num_classes: int) -> Loss:
    """The recipe's loss of a batch.

    Label smoothing belongs to the loss, also where images are mixed: a mixture of smoothed targets is the smoothed
    mixture, so this is what timm's Mixup, which smooths before it mixes, leads to.

    Args:
        recipe: Its loss, threshold and label smoothing.
        num_classes: Outputs of the network.

    Returns:
        From float32 logits (N, C) and targets, which are int64 class indices (N,) or float32 shares (N, C), to the mean
        loss, a scalar.
    """
    import torch

    smoothing = recipe.label_smoothing
    if recipe.loss == "cross-entropy":
        return torch.nn.CrossEntropyLoss(label_smoothing=smoothing)

    from timm.loss import BinaryCrossEntropy

    # The mean over all classes, not their sum: that is what the learning rates of Wightman et al. 2021 belong to.
    bce = BinaryCrossEntropy(smoothing=smoothing, target_threshold=recipe.bce_threshold, sum_classes=False)

    def loss(logits_NC: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if targets.ndim == 2 and smoothing:  # timm smooths class indices only
            targets = targets * (1 - smoothing) + smoothing / num_classes
        mean: torch.Tensor = bce(logits_NC, targets)
        return mean

    return loss
