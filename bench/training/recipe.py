"""From a recipe to torch's own optimizer and schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.errors import ModelError
from bench.records.protocol import Recipe

if TYPE_CHECKING:
    import torch

__all__ = ["learning_rate_factor", "make_optimizer", "make_schedule", "num_steps_per_epoch"]


def num_steps_per_epoch(recipe: Recipe, num_images: int) -> int:
    """Optimizer steps in one pass; what is left of a shuffled epoch after the last whole batch is not used in it.

    Every epoch leaves out other images, and no step is noisier than the others (as in timm and torchvision).
    """
    return max(1, num_images // recipe.batch_size)


def make_optimizer(module: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer; weight decay on weights of two or more dimensions only.

    Biases and the scales of normalisation layers are not decayed (He et al. 2018, https://arxiv.org/abs/1812.01187,
    section 3.1; timm does the same).

    Raises:
        ModelError: There is nothing to train.
    """
    import torch

    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not trained:
        raise ModelError("the model has no parameters to train")
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(recipe.momentum, 0.999))


def make_schedule(
    optimizer: torch.optim.Optimizer, recipe: Recipe, steps_per_epoch: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The recipe's schedule, stepped after every optimizer step."""
    import torch

    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, recipe, steps_per_epoch)
    )


def learning_rate_factor(step: int, recipe: Recipe, steps_per_epoch: int) -> float:
    """What the learning rate of a step is multiplied with, 0 to 1.

    Warm-up: (step + 1) / warm-up steps. Then, with t from 0 to 1 over the rest:
    cosine (Loshchilov, Hutter 2016): (1 + cos(pi t)) / 2; step: times `step_gamma` after each of `step_epochs`.

    Args:
        step: The optimizer step, from 0.
        recipe: Epochs, warm-up and schedule.
        steps_per_epoch: Steps of one pass.
    """
    total, warmup = recipe.epochs * steps_per_epoch, round(recipe.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return (step + 1) / warmup
    if recipe.schedule == "step":
        passed = sum(step >= epoch * steps_per_epoch for epoch in recipe.step_epochs)
        return float(recipe.step_gamma**passed)
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return (1 + math.cos(math.pi * progress)) / 2
