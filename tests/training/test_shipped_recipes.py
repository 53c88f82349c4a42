"""The shipped recipes, step by step, against objects of the reference libraries that their own scripts would make.

What the scripts are told is written out here as their commands have it; what they then build is built here by the same
functions, from which the learning rate of every epoch, the members of every group and every number of the optimizer are
read.
"""

from __future__ import annotations

from math import ceil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR, StepLR

import bench.protocols
from bench.protocols import load_protocol
from bench.training.averaging import ema_decay
from bench.training.optimizers import make_optimizer
from bench.training.order import num_steps_per_epoch
from bench.training.schedules import make_schedule
from tests.training.made_recipes import shipped_recipe

STEPS = 3
"""Optimizer steps of a pass here; what happens an epoch or a step at a time does not depend on how many there are."""


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """A small ResNet."""
    import timm

    return timm.create_model("test_resnet", num_classes=10)


def rates(protocol: str) -> np.ndarray:
    """The learning rate of every step under a shipped recipe, float64 (epochs, STEPS)."""
    recipe = shipped_recipe(protocol)
    optimizer = make_optimizer(nn.Linear(2, 2), recipe)
    schedule = make_schedule(optimizer, recipe, STEPS)
    found = []
    for _ in range(recipe.epochs * STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return np.array(found).reshape(recipe.epochs, STEPS)


def groups(optimizer: torch.optim.Optimizer) -> list[tuple[float, list[int]]]:
    """The decay and the members of each group, in order."""
    return [(group["weight_decay"], [id(p) for p in group["params"]]) for group in optimizer.param_groups]


TORCHVISION = {
    "imagenet-train-torchvision-v1": SimpleNamespace(  # the script's defaults
        epochs=90, lr=0.1, scheduler="steplr", warmup=0, wd=1e-4, norm_wd=None
    ),
    "imagenet-train-torchvision-v2": SimpleNamespace(
        epochs=600, lr=0.5, scheduler="cosineannealinglr", warmup=5, wd=2e-5, norm_wd=0.0
    ),
}


def torchvision_scheduler(optimizer: torch.optim.Optimizer, args: SimpleNamespace) -> LRScheduler:
    """As main() of references/classification/train.py builds it."""
    main: LRScheduler
    if args.scheduler == "steplr":
        main = StepLR(optimizer, step_size=30, gamma=0.1)
    else:
        main = CosineAnnealingLR(optimizer, T_max=args.epochs - args.warmup, eta_min=0.0)
    if not args.warmup:
        return main
    warmup = LinearLR(optimizer, start_factor=0.01, total_iters=args.warmup)
    return SequentialLR(optimizer, schedulers=[warmup, main], milestones=[args.warmup])


@pytest.mark.parametrize("protocol", TORCHVISION)
def test_torchvisions_script_has_the_learning_rate_of_every_epoch(protocol: str) -> None:
    """All of them, to the last."""
    args = TORCHVISION[protocol]
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=args.lr)
    scheduler = torchvision_scheduler(optimizer, args)
    expected = []
    for _ in range(args.epochs):
        expected.append([optimizer.param_groups[0]["lr"]] * STEPS)
        optimizer.step()
        scheduler.step()

    assert np.array_equal(rates(protocol), np.array(expected))


@pytest.mark.parametrize("protocol", TORCHVISION)
def test_torchvisions_script_has_the_same_groups_and_numbers(protocol: str, network: nn.Module) -> None:
    """Of its SGD, with the parameters of normalisation layers apart where the command says so."""
    from torchvision.ops._utils import split_normalization_params

    args = TORCHVISION[protocol]
    parameters: Any = network.parameters()
    if args.norm_wd is not None:
        decays = [args.norm_wd, args.wd]
        split = split_normalization_params(network)
        parameters = [{"params": p, "weight_decay": w} for p, w in zip(split, decays, strict=True) if p]
    theirs = torch.optim.SGD(parameters, lr=args.lr, momentum=0.9, weight_decay=args.wd, nesterov=False)
    ours = make_optimizer(network, shipped_recipe(protocol))

    assert type(ours) is type(theirs)
    assert groups(ours) == groups(theirs)
    assert _numbers(ours) == _numbers(theirs)


def _numbers(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """All that an optimizer was told but its groups' decay."""
    return {key: value for key, value in optimizer.defaults.items() if key != "weight_decay"}


def test_torchvisions_average_has_the_same_decay() -> None:
    """1 - min(1, (1 - 0.99998) * 8 GPUs * 128 images * 32 steps / 600 epochs)."""
    recipe = shipped_recipe("imagenet-train-torchvision-v2")

    assert ema_decay(recipe) == 1.0 - min(1.0, (1.0 - 0.99998) * (8 * 128 * 32 / 600))
    assert (recipe.ema_every, recipe.ranked_weights) == (32, "ema")


@pytest.mark.parametrize(
    ("protocol", "steps"),
    [
        ("imagenet-train-torchvision-v1", ceil(ceil(1_281_167 / 8) / 32)),  # DistributedSampler, then DataLoader
        ("imagenet-train-torchvision-v2", 1_281_167 // 256 * 256 // 8 // 128),  # RASampler.num_selected_samples
        ("imagenet-train-a2", 1_281_167 // 256 * 256 // 8 // 256),  # timm's RepeatAugSampler, last batch dropped
        ("imagenet-train-a3", 1_281_167 // 2048),
        ("imagenet-train-budget-16", 1_281_167 // 8 // 512),
    ],
)
def test_an_epoch_has_as_many_steps_as_in_the_reference(protocol: str, steps: int) -> None:
    """On eight GPUs, as all of these were trained."""
    recipe = shipped_recipe(protocol)

    assert num_steps_per_epoch(1_281_167, recipe.batch_size, drop_last=recipe.drop_last) == steps


RSB = {
    "imagenet-train-a1": (600, 5e-3, 0.01),
    "imagenet-train-a2": (300, 5e-3, 0.02),
    "imagenet-train-a3": (100, 8e-3, 0.02),
}


@pytest.mark.parametrize("protocol", RSB)
def test_timms_script_has_the_learning_rate_of_every_epoch(protocol: str) -> None:
    """`create_scheduler_v2` from the arguments of train.py, stepped with the number of the next epoch."""
    from timm.scheduler import create_scheduler_v2, scheduler_kwargs

    epochs, lr, _ = RSB[protocol]
    args = SimpleNamespace(sched="cosine", epochs=epochs, warmup_epochs=5, warmup_lr=1e-4, min_lr=1e-6)
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=lr)
    scheduler, num_epochs = create_scheduler_v2(optimizer, **scheduler_kwargs(args))
    expected = []
    for epoch in range(num_epochs):
        expected.append([optimizer.param_groups[0]["lr"]] * STEPS)
        scheduler.step(epoch + 1)

    assert num_epochs == epochs
    assert rates(protocol) == pytest.approx(np.array(expected), rel=1e-12)


@pytest.mark.parametrize("protocol", RSB)
def test_timms_script_has_the_same_groups_and_numbers(protocol: str, network: nn.Module) -> None:
    """`create_optimizer_v2` from the arguments of train.py."""
    from timm.optim import create_optimizer_v2, optimizer_kwargs

    _, lr, weight_decay = RSB[protocol]
    args = SimpleNamespace(opt="lamb", lr=lr, weight_decay=weight_decay, momentum=0.9)
    theirs = create_optimizer_v2(network, **optimizer_kwargs(cfg=args))
    ours = make_optimizer(network, shipped_recipe(protocol))

    assert type(ours) is type(theirs)
    assert groups(ours) == groups(theirs)
    assert _numbers(ours) == _numbers(theirs)


AUTO = {"imagenet-train-a1": (224, 7), "imagenet-train-a2": (224, 7), "imagenet-train-a3": (160, 6)}


@pytest.mark.parametrize("protocol", AUTO)
def test_timms_script_has_the_same_augmentation_in_the_same_order(protocol: str) -> None:
    """`create_transform` from the arguments of train.py: each transform's numbers, and what comes after what.

    That an image of ours goes through these steps to the byte is proved in test_augment.py.
    """
    from timm.data import create_transform

    size, magnitude = AUTO[protocol]
    policy = f"rand-m{magnitude}-mstd0.5-inc1"
    theirs = create_transform(size, is_training=True, auto_augment=policy, interpolation="bicubic", re_prob=0.0)
    crop, mirror, operations, *rest = theirs.transforms
    ours = shipped_recipe(protocol).augmentation

    assert (ours.crop_from, ours.crop) == ("original", "random-resized")
    assert crop.size == (ours.train_crop, ours.train_crop)
    assert (crop.scale, crop.ratio) == (ours.crop_scale, ours.crop_ratio)
    assert crop.interpolation.value == ours.interpolation
    assert mirror.p == ours.horizontal_flip
    assert operations.num_layers == ours.auto_ops
    assert {op.magnitude for op in operations.ops} == {ours.auto_magnitude}
    assert {op.magnitude_std for op in operations.ops} == {ours.auto_magnitude_sd}
    assert any("Increasing" in op.name for op in operations.ops)
    assert [type(step).__name__ for step in rest] == ["MaybeToTensor", "Normalize"]
    assert (ours.colour_jitter, ours.pca_noise, ours.erase_probability) == ((0.0, 0.0, 0.0), 0.0, 0.0)


@pytest.mark.parametrize(
    ("protocol", "size"), [("imagenet-train-torchvision-v1", 224), ("imagenet-train-torchvision-v2", 176)]
)
def test_torchvisions_script_has_the_same_augmentation(protocol: str, size: int) -> None:
    """Defaults of RandomResizedCrop, RandomHorizontalFlip(0.5) and RandomErasing, as its presets use them."""
    from torchvision.transforms import RandomErasing, RandomHorizontalFlip, RandomResizedCrop

    crop, ours = RandomResizedCrop(size), shipped_recipe(protocol).augmentation
    is_new = protocol.endswith("v2")

    assert (ours.crop_from, ours.crop) == ("original", "random-resized")
    assert crop.size == (ours.train_crop, ours.train_crop)
    assert (crop.scale, crop.ratio) == (ours.crop_scale, ours.crop_ratio)
    assert crop.interpolation.value == ours.interpolation
    assert RandomHorizontalFlip().p == ours.horizontal_flip
    assert ours.auto == ("trivialaugment" if is_new else "none")
    assert ours.erase_probability == (RandomErasing(p=0.1).p if is_new else 0.0)
    assert (ours.colour_jitter, ours.pca_noise) == ((0.0, 0.0, 0.0), 0.0)


def test_fb_resnets_crops_have_the_same_range_of_ratios() -> None:
    """Its width is sqrt(area) * r and its height sqrt(area) / r, for r from 3/4 to 4/3: the ratio is r squared."""
    low, high = shipped_recipe("imagenet-train-classic-step").augmentation.crop_ratio

    assert (low, high) == pytest.approx(((3 / 4) / (4 / 3), (4 / 3) / (3 / 4)))


@pytest.mark.parametrize("epochs", [16, 88])
def test_ffcvs_script_has_the_learning_rate_of_every_step(epochs: int) -> None:
    """`get_cyclic_lr` at the ends of an epoch, interpolated between them."""
    ends = np.interp(np.arange(epochs + 1), [0, 2, epochs], [1e-4 * 1.7, 1.7, 0])
    steps = np.arange(STEPS)
    expected = np.array([np.interp(steps, [0, STEPS], ends[epoch : epoch + 2]) for epoch in range(epochs)])

    assert rates(f"imagenet-train-budget-{epochs}") == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("protocol", "falls"), [("imagenet-train-classic-step", (30, 60)), ("imagenet-train-alexnet", (30, 60, 80))]
)
def test_steps_fall_by_ten(protocol: str, falls: tuple[int, ...]) -> None:
    """After as many epochs as the file says, and at no other time."""
    first = shipped_recipe(protocol).learning_rate
    expected = [first * 0.1 ** sum(epoch >= fall for fall in falls) for epoch in range(90)]

    assert rates(protocol) == pytest.approx(np.array([[rate] * STEPS for rate in expected]))


def test_every_number_of_a_long_recipe_has_its_source_beside_it() -> None:
    """In a comment on the line, in the files that follow someone else's recipe."""
    for name in [*TORCHVISION, *RSB, "imagenet-train-classic-step", "imagenet-train-alexnet"]:
        lines = (Path(bench.protocols.__file__).parent / f"{name}.toml").read_text(encoding="utf-8").splitlines()
        recipe = lines[lines.index("[recipe]") : lines.index("[reference]")]
        numbers = [line for line in recipe if "=" in line and any(letter.isdigit() for letter in line.split("#")[0])]
        assert [line for line in numbers if "#" not in line] == []
        assert load_protocol(name).sources


def test_recipes_that_follow_papers_say_what_they_should_reach() -> None:
    """And that nobody has reached it with this program yet."""
    names = [
        *TORCHVISION,
        *RSB,
        "imagenet-train-classic-step",
        "imagenet-train-classic-cosine",
        "imagenet-train-alexnet",
    ]
    names += ["imagenet-train-budget-16", "imagenet-train-budget-88", "cifar10-train-finetuned"]
    for name in [*names, "cifar10-train-linear-probe"]:
        reference = load_protocol(name).reference
        assert reference is not None
        assert 0.5 < reference.top1 < 1
        assert reference.reproduced == "never"
