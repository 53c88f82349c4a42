"""How many optimizer steps a recipe makes of a pass."""

from __future__ import annotations

from bench.records.recipe import Recipe
from bench.training.optimizers import make_optimizer
from bench.training.schedules import make_schedule

__all__ = ["make_optimizer", "make_schedule", "num_steps_per_epoch"]


def num_steps_per_epoch(recipe: Recipe, num_images: int) -> int:
    """Optimizer steps in one pass; what is left of a shuffled epoch after the last whole batch is not used in it.

    Every epoch leaves out other images, and no step is noisier than the others (as in timm and torchvision).
    """
    return max(1, num_images // recipe.batch_size)
