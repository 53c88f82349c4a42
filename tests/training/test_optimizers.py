"""Optimizers and their groups of parameters, against torch's, torchvision's and timm's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from bench.errors import ModelError
from bench.training.optimizers import make_optimizer, parameter_groups
from tests.training.made_recipes import made_recipe


def a_network() -> nn.Module:
    """Convolution, normalisation of two kinds, a tied weight and a linear layer."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.Flatten(), nn.LayerNorm(144), nn.Linear(144, 2)
    )


def by_decay(groups: list[dict[str, Any]]) -> dict[float, set[int]]:
    return {group["weight_decay"]: {id(p) for p in group["params"]} for group in groups}


def test_matrices_alone_are_decayed_as_in_timm() -> None:
    """Biases and the scales of normalisation layers are in the group without decay."""
    from timm.optim import param_groups_weight_decay

    module = a_network()

    assert by_decay(parameter_groups(module, made_recipe(weight_decay=0.05))) == by_decay(
        param_groups_weight_decay(module, 0.05)
    )


def test_normalisation_has_its_own_decay_as_in_torchvision() -> None:
    """Biases of other layers are decayed."""
    from torchvision.ops._utils import split_normalization_params

    module = a_network()
    recipe = made_recipe(weight_decay=2e-5, decay_rule="all", norm_weight_decay=0.0)
    norm, others = split_normalization_params(module)

    assert by_decay(parameter_groups(module, recipe)) == {
        2e-5: {id(p) for p in others},
        0.0: {id(p) for p in norm},
    }


def test_all_parameters_may_be_decayed() -> None:
    """As torchvision's first recipe has it: one group."""
    module = a_network()
    (group,) = parameter_groups(module, made_recipe(decay_rule="all", weight_decay=1e-4))

    assert [id(p) for p in group["params"]] == [id(p) for p in module.parameters()]


def test_a_tied_weight_is_trained_once() -> None:
    """Torch refuses a parameter in two places."""
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    groups = parameter_groups(nn.Sequential(first, second), made_recipe())

    assert sum(len(group["params"]) for group in groups) == 3


def test_frozen_parameters_are_left_out() -> None:
    """And a network of nothing else cannot be trained."""
    module = a_network()
    module[:5].requires_grad_(False)  # type: ignore[index]
    assert sum(len(group["params"]) for group in parameter_groups(module, made_recipe())) == 2

    with pytest.raises(ModelError, match="no parameters to train"):
        make_optimizer(module.requires_grad_(False), made_recipe())


CASES = [
    ({"optimizer": "sgd"}, "momentum", {}),
    ({"optimizer": "nesterov"}, "sgd", {}),
    ({"optimizer": "adamw", "epsilon": 1e-6, "beta2": 0.99}, "adamw", {"eps": 1e-6, "betas": (0.9, 0.99)}),
    ({"optimizer": "lamb", "epsilon": 1e-6}, "lamb", {}),
    ({"optimizer": "rmsprop", "beta2": 0.9, "epsilon": 0.0316}, "rmsprop", {"alpha": 0.9, "eps": 0.0316}),
]


@pytest.mark.parametrize(("keys", "name", "more"), CASES, ids=[str(case[0]["optimizer"]) for case in CASES])
def test_steps_are_those_of_timms_factory(keys: dict[str, Any], name: str, more: dict[str, Any]) -> None:
    """`create_optimizer_v2` with the same numbers leads to the same weights, bit by bit, over five steps."""
    from timm.optim import create_optimizer_v2

    ours, theirs = a_network(), a_network()
    optimizers = [
        make_optimizer(ours, made_recipe(learning_rate=0.01, weight_decay=0.02, **keys)),
        create_optimizer_v2(theirs, opt=name, lr=0.01, weight_decay=0.02, momentum=0.9, **more),
    ]
    for step in range(5):
        images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        for module, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            module(images).square().sum().backward()
            optimizer.step()

    assert type(optimizers[0]) is type(optimizers[1])
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
