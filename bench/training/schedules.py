"""From a recipe to the learning rate of every optimizer step, by torch's or timm's own schedulers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.records.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch.optim.lr_scheduler import LRScheduler

__all__ = ["Schedule", "make_schedule"]


class Schedule:
    """The learning rates of a training, stepped once after every optimizer step.

    Args:
        optimizer: Its parameter groups get the learning rates, the first at once.
        recipe: Epochs, warm-up and schedule.
        steps_per_epoch: Optimizer steps of one pass.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, recipe: Recipe, steps_per_epoch: int) -> None:
        self._steps_per_move = 1 if recipe.schedule_unit == "step" else steps_per_epoch
        self._num_steps = 0
        moves_per_epoch = steps_per_epoch // self._steps_per_move
        self._inner = (_torch_schedule if recipe.warmup_prefix else _timm_schedule)(optimizer, recipe, moves_per_epoch)
        self._is_timm = not recipe.warmup_prefix

    def step(self) -> None:
        """Moves on to the next optimizer step."""
        self._num_steps += 1
        move, rest = divmod(self._num_steps, self._steps_per_move)
        if rest == 0:
            # timm is told where it is, torch counts itself.
            self._inner.step(*([move] if self._is_timm else []))

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes to go on from here; the optimizer's state holds the learning rate itself."""
        return {"num_steps": self._num_steps, "inner": self._inner.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from where `state_dict` was called."""
        self._num_steps = state["num_steps"]
        self._inner.load_state_dict(state["inner"])


def make_schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, steps_per_epoch: int) -> Schedule:
    """The recipe's schedule; the optimizer has the learning rate of the first step when it returns."""
    return Schedule(optimizer, recipe, steps_per_epoch)


def _torch_schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, moves_per_epoch: int) -> LRScheduler:
    """A warm-up and then the decay, as torchvision's reference joins them."""
    from torch.optim.lr_scheduler import LinearLR, SequentialLR

    warmup = round(recipe.warmup_epochs * moves_per_epoch)
    rest = recipe.epochs * moves_per_epoch - warmup
    if not warmup:
        return _decay(optimizer, recipe, rest, moves_per_epoch)
    rising = LinearLR(optimizer, start_factor=recipe.warmup_start, total_iters=warmup)
    if not rest:
        return rising
    return SequentialLR(optimizer, [rising, _decay(optimizer, recipe, rest, moves_per_epoch)], milestones=[warmup])


def _decay(optimizer: torch.optim.Optimizer, recipe: Recipe, num_moves: int, moves_per_epoch: int) -> LRScheduler:
    """How the learning rate falls over the moves that the warm-up leaves."""
    from torch.optim import lr_scheduler

    if recipe.schedule == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=num_moves, eta_min=recipe.min_learning_rate)
    if recipe.schedule == "poly":
        return lr_scheduler.PolynomialLR(optimizer, total_iters=num_moves, power=recipe.poly_power)
    if recipe.schedule == "step":
        # Epochs of the training, not of what follows the warm-up: a milestone stays where the recipe has it.
        warmup = recipe.epochs * moves_per_epoch - num_moves
        milestones = [epoch * moves_per_epoch - warmup for epoch in recipe.step_epochs]
        return lr_scheduler.MultiStepLR(optimizer, milestones, gamma=recipe.step_gamma)
    return lr_scheduler.ConstantLR(optimizer, factor=1.0)


def _timm_schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, moves_per_epoch: int) -> Any:
    """Timm's cosine, which begins with the warm-up and not after it."""
    from timm.scheduler import CosineLRScheduler

    return CosineLRScheduler(
        optimizer,
        t_initial=recipe.epochs * moves_per_epoch,
        lr_min=recipe.min_learning_rate,
        warmup_t=round(recipe.warmup_epochs * moves_per_epoch),
        warmup_lr_init=recipe.warmup_start * recipe.learning_rate,
        warmup_prefix=False,
    )
