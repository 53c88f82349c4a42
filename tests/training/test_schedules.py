"""The learning rate of every step, against torch's and timm's own objects, put together as their references do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR, StepLR

from bench.records.recipe import Recipe
from bench.training.optimizers import make_optimizer
from bench.training.schedules import make_schedule
from tests.training.made_recipes import made_recipe

STEPS = 5


def rates(recipe: Recipe, steps_per_epoch: int = STEPS) -> list[float]:
    """The learning rate of every step, as the optimizer sees it."""
    optimizer = make_optimizer(nn.Linear(2, 2), recipe)
    schedule = make_schedule(optimizer, recipe, steps_per_epoch)
    found = []
    for _ in range(recipe.epochs * steps_per_epoch):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def reference_rates(make: Callable[[Optimizer], object], *, lr: float, num_moves: int) -> list[float]:
    """What torch's own scheduler gives, stepped once a move."""
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=lr)
    scheduler = make(optimizer)
    found = []
    for _ in range(num_moves):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()  # type: ignore[attr-defined]
    return found


def test_warm_up_and_cosine_an_epoch_at_a_time_are_those_of_torchvisions_script() -> None:
    """SequentialLR of LinearLR (start factor 0.01) and CosineAnnealingLR over the rest, once an epoch."""
    recipe = made_recipe(learning_rate=0.5, epochs=20, warmup_epochs=5.0, schedule_unit="epoch")

    def theirs(optimizer: Optimizer) -> SequentialLR:
        warmup = LinearLR(optimizer, start_factor=0.01, total_iters=5)
        return SequentialLR(optimizer, [warmup, CosineAnnealingLR(optimizer, T_max=15)], milestones=[5])

    by_epoch = reference_rates(theirs, lr=0.5, num_moves=20)
    assert rates(recipe) == pytest.approx([rate for rate in by_epoch for _ in range(STEPS)], rel=1e-12)


def test_steps_are_those_of_torchvisions_script() -> None:
    """Divided by ten at 30 and 60 of 90 epochs: StepLR(30, 0.1)."""
    recipe = made_recipe(epochs=90, schedule="step", step_epochs=[30, 60], schedule_unit="epoch")

    by_epoch = reference_rates(lambda optimizer: StepLR(optimizer, 30, 0.1), lr=0.1, num_moves=90)
    assert rates(recipe) == pytest.approx([rate for rate in by_epoch for _ in range(STEPS)], rel=1e-12)


def test_milestones_are_epochs_of_the_training_also_after_a_warm_up() -> None:
    """A warm-up does not shift them."""
    found = rates(made_recipe(schedule="step", step_epochs=[3, 5], warmup_epochs=2.0))

    assert found[2 * STEPS :] == pytest.approx([0.1] * STEPS + [0.01] * 2 * STEPS + [0.001] * STEPS)


def test_cosine_over_the_warm_up_is_timms() -> None:
    """`create_scheduler_v2` with timm's defaults, once an epoch: the cosine runs on below the warm-up."""
    from timm.scheduler import create_scheduler_v2

    recipe = made_recipe(
        learning_rate=5e-3,
        epochs=30,
        warmup_epochs=5.0,
        warmup_start=0.02,
        min_learning_rate=1e-6,
        warmup_prefix=False,
        schedule_unit="epoch",
    )
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=5e-3)
    theirs, num_epochs = create_scheduler_v2(
        optimizer, sched="cosine", num_epochs=30, warmup_epochs=5, warmup_lr=1e-4, min_lr=1e-6
    )
    expected = []
    for epoch in range(num_epochs):
        expected += [optimizer.param_groups[0]["lr"]] * STEPS
        theirs.step(epoch + 1)

    assert rates(recipe) == pytest.approx(expected, rel=1e-12)


def test_a_linear_fall_after_a_linear_rise_is_that_of_ffcv() -> None:
    """numpy.interp over (0, 1e-4 of the peak), (2, peak), (16, 0), in epochs and between them."""
    import numpy as np

    recipe = made_recipe(
        learning_rate=1.7, epochs=16, warmup_epochs=2.0, warmup_start=1e-4, schedule="poly", poly_power=1.0
    )
    epochs = np.arange(16 * STEPS) / STEPS
    expected = np.interp(epochs, [0, 2, 16], [1e-4 * 1.7, 1.7, 0])

    assert rates(recipe) == pytest.approx(expected.tolist(), rel=1e-9)


def test_a_constant_rate_stays() -> None:
    """Also an epoch at a time."""
    assert rates(made_recipe(schedule="constant")) == [0.1] * 6 * STEPS
    assert rates(made_recipe(schedule="constant", schedule_unit="epoch")) == [0.1] * 6 * STEPS


def test_every_group_of_parameters_follows() -> None:
    """Decayed or not."""
    recipe = made_recipe(warmup_epochs=1.0)
    optimizer = make_optimizer(nn.Linear(2, 2), recipe)
    schedule = make_schedule(optimizer, recipe, STEPS)
    for _ in range(9):
        optimizer.step()
        schedule.step()

    first, second = (group["lr"] for group in optimizer.param_groups)
    assert first == second != 0.1


RECIPES = st.fixed_dictionaries(
    {
        "schedule": st.sampled_from(["cosine", "poly", "constant"]),
        "schedule_unit": st.sampled_from(["step", "epoch"]),
        "epochs": st.integers(1, 9),
        "warmup_epochs": st.integers(0, 9).map(float),
    }
)


@settings(deadline=None, max_examples=60)
@given(RECIPES, st.booleans(), st.integers(1, 7))
def test_rates_rise_to_the_peak_and_then_fall(keys: dict[str, object], is_timm: bool, steps_per_epoch: int) -> None:
    """Whatever the recipe, also one that is all warm-up; none is above the peak, none is below zero."""
    epochs = keys["epochs"]
    assert isinstance(epochs, int)
    warmup = min(int(float(str(keys["warmup_epochs"]))), epochs)
    keys |= {"warmup_epochs": float(warmup)}
    if is_timm and warmup and keys["schedule"] == "cosine":
        keys |= {"warmup_prefix": False}
    found = rates(made_recipe(**keys), steps_per_epoch)
    rising, falling = found[: warmup * steps_per_epoch], found[warmup * steps_per_epoch :]

    assert all(0 <= rate <= 0.1 + 1e-12 for rate in found)
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)


@settings(deadline=None, max_examples=40)
@given(RECIPES, st.booleans(), st.integers(0, 29))
def test_a_resumed_schedule_goes_on_bit_by_bit(keys: dict[str, object], is_timm: bool, stop: int) -> None:
    """From the states of optimizer and schedule, at any step."""
    epochs = keys["epochs"]
    assert isinstance(epochs, int)
    keys |= {"warmup_epochs": min(float(str(keys["warmup_epochs"])), float(epochs))}
    if is_timm and keys["warmup_epochs"] and keys["schedule"] == "cosine":
        keys |= {"warmup_prefix": False}
    recipe = made_recipe(**keys)
    stop = min(stop, epochs * STEPS)
    optimizer = make_optimizer(nn.Linear(2, 2), recipe)
    schedule = make_schedule(optimizer, recipe, STEPS)
    for _ in range(stop):
        optimizer.step()
        schedule.step()
    resumed = make_optimizer(nn.Linear(2, 2), recipe)
    schedule_of_resumed = make_schedule(resumed, recipe, STEPS)
    resumed.load_state_dict(optimizer.state_dict())
    schedule_of_resumed.load_state_dict(schedule.state_dict())
    straight, after = [], []
    for _ in range(stop, epochs * STEPS):
        for found, one, other in ((straight, optimizer, schedule), (after, resumed, schedule_of_resumed)):
            found.append(one.param_groups[0]["lr"])
            one.step()
            other.step()

    assert straight == after
