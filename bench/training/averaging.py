"""The moving average of the weights, by torch's AveragedModel, updated as a recipe says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.records.recipe import Recipe

if TYPE_CHECKING:
    import torch

__all__ = ["MovingAverage", "ema_decay", "make_ema"]


def ema_decay(recipe: Recipe) -> float:
    """The decay of one update.

    `torchvision` keeps the average equally long, as a share of the training, whatever the batch size, the epochs and
    `ema_every` are (references/classification/train.py): 1 - min(1, (1 - decay) * batch_size * ema_every / epochs).

    >>> from types import SimpleNamespace as R
    >>> round(ema_decay(R(ema_rule="torchvision", ema_decay=0.99998, batch_size=1024, ema_every=32, epochs=600)), 6)
    0.998908
    """
    if recipe.ema_rule == "plain":
        return recipe.ema_decay
    factor = recipe.batch_size * recipe.ema_every / recipe.epochs
    return 1 - min(1.0, (1 - recipe.ema_decay) * factor)


class MovingAverage:
    """A copy of a network whose weights and buffers follow those of the network.

    Args:
        module: The network with its initial weights, without wrappers.
        recipe: Decay, rule and how often.
        steps_per_epoch: Optimizer steps of one pass.
    """

    def __init__(self, module: torch.nn.Module, recipe: Recipe, steps_per_epoch: int) -> None:
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        self._recipe = recipe
        self._steps_per_epoch = steps_per_epoch
        average = get_ema_multi_avg_fn(ema_decay(recipe))  # type: ignore[no-untyped-call]
        # Buffers too, or the averaged weights would meet the batch statistics of the network at its start.
        self._averaged = AveragedModel(module, multi_avg_fn=average, use_buffers=True)

    @property
    def module(self) -> torch.nn.Module:
        """The network with the averaged weights, for evaluation and export."""
        return self._averaged.module

    def update(self, module: torch.nn.Module, step: int) -> None:
        """Follows the network, where the recipe says that this step is one to do so.

        Args:
            module: The network after an optimizer step.
            step: The number of that step in the training, from 0.
        """
        epoch, step_of_epoch = divmod(step, self._steps_per_epoch)
        if step_of_epoch % self._recipe.ema_every:
            return
        self._averaged.update_parameters(module)
        if self._recipe.ema_rule == "torchvision" and epoch < self._recipe.warmup_epochs:
            self._averaged.n_averaged.fill_(0)  # the next update copies

    def state_dict(self) -> dict[str, Any]:
        """The averaged weights and buffers, and how many updates there were."""
        return dict(self._averaged.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from where `state_dict` was called."""
        self._averaged.load_state_dict(state)


def make_ema(module: torch.nn.Module, recipe: Recipe, steps_per_epoch: int) -> MovingAverage | None:
    """The recipe's moving average of the weights; None where it has none."""
    return MovingAverage(module, recipe, steps_per_epoch) if recipe.ema_decay else None
