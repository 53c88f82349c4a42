"""From a recipe to optimizer and schedule, against torch's and timm's own objects."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bench.protocols import load_protocol
from bench.records.protocol import Protocol, Recipe
from bench.training.recipe import learning_rate_factor, make_optimizer, make_schedule, num_steps_per_epoch


def a_recipe(**keys: object) -> Recipe:
    shipped = load_protocol("shapes10-train").recipe
    assert shipped is not None
    return Recipe.parse(shipped.as_json() | keys)


def rates(recipe: Recipe, steps_per_epoch: int) -> list[float]:
    """The learning rate of every step, as the optimizer sees it."""
    optimizer = make_optimizer(nn.Linear(2, 2), recipe)
    schedule = make_schedule(optimizer, recipe, steps_per_epoch)
    found = []
    for _ in range(recipe.epochs * steps_per_epoch):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_cosine_is_torchs_cosine() -> None:
    """Without warm-up every step has the rate of CosineAnnealingLR."""
    recipe = a_recipe(warmup_epochs=0.0, epochs=5, learning_rate=0.1)
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=35)
    expected = []
    for _ in range(35):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()

    assert rates(recipe, 7) == pytest.approx(expected)


def test_cosine_after_warm_up_is_timms() -> None:
    """With `warmup_prefix`, from the first step after the warm-up on."""
    from timm.scheduler import CosineLRScheduler

    recipe = a_recipe(warmup_epochs=2.0, epochs=6, learning_rate=0.1)
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    theirs = CosineLRScheduler(optimizer, t_initial=20, warmup_t=10, warmup_prefix=True, t_in_epochs=False)
    found = rates(recipe, 5)

    assert found[10:] == pytest.approx([theirs._get_lr(step)[0] for step in range(10, 30)])
    assert found[:10] == pytest.approx([0.1 * (step + 1) / 10 for step in range(10)])


def test_the_step_schedule_is_torchvisions() -> None:
    """Divided by ten at 30 and 60 of 90 epochs: StepLR(30, 0.1)."""
    recipe = a_recipe(schedule="step", step_epochs=[3, 6], warmup_epochs=0.0, epochs=9, learning_rate=0.1)

    assert rates(recipe, 2) == pytest.approx([0.1] * 6 + [0.01] * 6 + [0.001] * 6)


@given(
    st.sampled_from(["cosine", "step"]),
    st.integers(1, 40),
    st.floats(0, 5),
    st.integers(1, 50),
)
def test_the_factor_is_never_above_one_and_falls_after_the_warm_up(
    schedule: str, epochs: int, warmup: float, steps: int
) -> None:
    """Whatever the recipe, also one that is all warm-up."""
    warmup = min(warmup, epochs)
    milestones = [epochs] if schedule == "step" else []
    recipe = a_recipe(schedule=schedule, epochs=epochs + 1, step_epochs=milestones, warmup_epochs=warmup)
    factors = [learning_rate_factor(step, recipe, steps) for step in range((epochs + 1) * steps + 1)]
    after = factors[round(warmup * steps) :]

    assert all(0 <= factor <= 1 for factor in factors)
    assert after == sorted(after, reverse=True)


def test_only_weights_are_decayed() -> None:
    """Biases and the scales of normalisation are in the group without decay, as in timm."""
    from timm.optim import param_groups_weight_decay

    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    ours = make_optimizer(module, a_recipe(weight_decay=0.05)).param_groups
    theirs = param_groups_weight_decay(module, 0.05)

    assert {group["weight_decay"]: {id(p) for p in group["params"]} for group in ours} == {
        group["weight_decay"]: {id(p) for p in group["params"]} for group in theirs
    }


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_the_optimizer_is_torchs_own(name: str, kind: type[torch.optim.Optimizer]) -> None:
    """With the recipe's learning rate and momentum."""
    optimizer = make_optimizer(nn.Linear(2, 2), a_recipe(optimizer=name, momentum=0.8, learning_rate=0.02))
    group = optimizer.param_groups[0]

    assert type(optimizer) is kind
    assert group["lr"] == 0.02
    assert (group["momentum"] if name == "sgd" else group["betas"][0]) == 0.8


def test_only_whole_batches_are_steps(make_protocol: Callable[..., Protocol]) -> None:
    """Except for datasets smaller than a batch."""
    recipe = make_protocol(batch_size=10).recipe
    assert recipe is not None
    assert [num_steps_per_epoch(recipe, count) for count in (4, 10, 19, 20)] == [1, 1, 1, 2]
