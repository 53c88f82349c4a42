"""The moving average of the weights, against the update of torchvision's script."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from bench.training.averaging import MovingAverage, ema_decay, make_ema
from tests.training.made_recipes import made_recipe


def a_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def moved(module: nn.Module, step: int) -> nn.Module:
    """Other weights and batch statistics after every step."""
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
    module.train()(torch.randn(5, 3, generator=generator))
    return module


def test_no_average_where_the_recipe_says_none() -> None:
    """There is nothing to update then."""
    assert make_ema(a_network(), made_recipe(), 4) is None


def test_decay_is_rescaled_as_in_torchvision() -> None:
    """World size x batch x steps / epochs; 2,048 images and one epoch would give more than the whole."""
    recipe = made_recipe(ema_decay=0.9, ema_every=2, ema_rule="torchvision", batch_size=8, epochs=16)
    assert ema_decay(recipe) == pytest.approx(1 - 0.1 * 8 * 2 / 16)
    assert ema_decay(recipe.model_copy(update={"batch_size": 2048})) == 0.0
    assert ema_decay(made_recipe(ema_decay=0.9)) == 0.9


def test_every_update_is_that_of_torchvisions_script() -> None:
    """Every second step of an epoch, the first epoch copies: AveragedModel driven as in train_one_epoch."""
    recipe = made_recipe(ema_decay=0.9, ema_every=2, ema_rule="torchvision", batch_size=8, epochs=16, warmup_epochs=1.0)
    ours_of, theirs_of = a_network(), a_network()
    ours = MovingAverage(ours_of, recipe, steps_per_epoch=3)
    decay = ema_decay(recipe)

    def average(kept: torch.Tensor, new: torch.Tensor, _: object) -> torch.Tensor:
        return decay * kept + (1 - decay) * new

    theirs = AveragedModel(theirs_of, avg_fn=average, use_buffers=True)  # utils.ExponentialMovingAverage
    for epoch in range(3):
        for i in range(3):
            ours.update(moved(ours_of, epoch * 3 + i), epoch * 3 + i)
            moved(theirs_of, epoch * 3 + i)
            if i % 2 == 0:
                theirs.update_parameters(theirs_of)
                if epoch < 1:
                    theirs.n_averaged.fill_(0)
        state = ours.module.state_dict()
        assert all(torch.allclose(state[name], tensor) for name, tensor in theirs.module.state_dict().items())
    assert not torch.allclose(ours.module[0].weight, ours_of[0].weight)  # type: ignore[index]


def test_a_resumed_average_goes_on_bit_by_bit() -> None:
    """Weights, buffers and the number of updates come back."""
    recipe = made_recipe(ema_decay=0.9)
    module = a_network()
    straight = MovingAverage(module, recipe, 4)
    for step in range(3):
        straight.update(moved(module, step), step)
    resumed = MovingAverage(a_network(), recipe, 4)
    resumed.load_state_dict({name: tensor.clone() for name, tensor in straight.state_dict().items()})
    moved(module, 3)
    straight.update(module, 3)
    resumed.update(module, 3)

    states = straight.module.state_dict(), resumed.module.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
