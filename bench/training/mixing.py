"""Mixing the images of a batch, and erasing parts of them, on the device and with chance that can be repeated.

torchvision and timm draw from global generators. Here these get a seed that belongs to the step, for the call alone, so
that a step can be repeated anywhere and all ranks mix by the same amount.

Shape letters: N images, C = 3 colours in images and classes in targets, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from bench.errors import UsageError
from bench.records.recipe import Augmentation, Recipe

if TYPE_CHECKING:
    import torch

    Mixer = Callable[[torch.Tensor, torch.Tensor, torch.Generator], "Mixed"]

__all__ = ["Mixed", "erase", "make_mixer"]


class Mixed(NamedTuple):
    """A batch after mixing."""

    images_NCHW: torch.Tensor
    """float32 (N, C, H, W)."""
    targets_NC: torch.Tensor
    """float32 (N, C): the shares of the classes in each image; each row sums to 1."""


def make_mixer(recipe: Recipe, num_classes: int) -> Mixer | None:
    """The recipe's Mixup and CutMix.

    Images are mixed with others of the same call, so pairs never cross devices; by how much is drawn from the generator
    alone and equal on all of them.

    Args:
        recipe: Its mixing.
        num_classes: Outputs of the network.

    Returns:
        From normalised float32 images (N, C, H, W), int64 labels (N,) and a generator on the CPU to the mixed batch;
        None where nothing is mixed.
    """
    if not recipe.mixes:
        return None
    mix = (_timm_mixing if recipe.mixing == "timm" else _torchvision_mixing)(recipe, num_classes)

    def mixer(images_NCHW: torch.Tensor, labels_N: torch.Tensor, generator: torch.Generator) -> Mixed:
        with _drawing_from(generator):
            return mix(images_NCHW, labels_N)

    return mixer


def erase(
    images_NCHW: torch.Tensor, augmentation: Augmentation, generator: torch.Generator, *, first_row: int, num_rows: int
) -> torch.Tensor:
    """Erases a rectangle of some images, as torchvision's RandomErasing does with its default sizes.

    Args:
        images_NCHW: Normalised float32 images, changed in place.
        augmentation: Its `erase_probability`.
        generator: On the CPU; the same for all parts of a batch.
        first_row: The position of the first of these images in the batch of the step.
        num_rows: How many images that whole batch has.

    Returns:
        The images.
    """
    import torch
    from torchvision.transforms import RandomErasing

    if not augmentation.erase_probability:
        return images_NCHW
    # Drawn for the whole batch, so that an image's rectangle does not depend on which device has it.
    is_erased_B = torch.rand(num_rows, generator=generator) < augmentation.erase_probability
    seeds_B = torch.randint(1 << 62, (num_rows,), generator=generator)
    transform = RandomErasing(p=1.0)
    rows = range(first_row, first_row + len(images_NCHW))
    for image_CHW, row in zip(images_NCHW, rows, strict=True):
        if is_erased_B[row]:
            with _drawing_from(torch.Generator().manual_seed(int(seeds_B[row]))):
                image_CHW.copy_(transform(image_CHW))
    return images_NCHW


def _torchvision_mixing(recipe: Recipe, num_classes: int) -> Callable[[torch.Tensor, torch.Tensor], Mixed]:
    """Torchvision's MixUp and CutMix: each image with the one before it."""
    import torch
    from torchvision.transforms import v2

    mixup = v2.MixUp(alpha=recipe.mixup_alpha, num_classes=num_classes) if recipe.mixup_alpha else None
    cutmix = v2.CutMix(alpha=recipe.cutmix_alpha, num_classes=num_classes) if recipe.cutmix_alpha else None

    def mix(images_NCHW: torch.Tensor, labels_N: torch.Tensor) -> Mixed:
        if torch.rand(()) >= recipe.mix_probability:
            return Mixed(images_NCHW, torch.nn.functional.one_hot(labels_N, num_classes).to(images_NCHW.dtype))
        takes_cutmix = mixup is None or (cutmix is not None and bool(torch.rand(()) < recipe.switch_probability))
        chosen = cutmix if takes_cutmix else mixup
        assert chosen is not None, "a recipe that mixes has one of the two"  # noqa: S101 - our own invariant
        return Mixed(*chosen(images_NCHW, labels_N))

    return mix


def _timm_mixing(recipe: Recipe, num_classes: int) -> Callable[[torch.Tensor, torch.Tensor], Mixed]:
    """Timm's Mixup, a batch at a time: the first image with the last."""
    from timm.data import Mixup

    mixup = Mixup(
        mixup_alpha=recipe.mixup_alpha,
        cutmix_alpha=recipe.cutmix_alpha,
        prob=recipe.mix_probability,
        switch_prob=recipe.switch_probability,
        label_smoothing=0.0,  # in the loss, see `make_loss`
        num_classes=num_classes,
    )

    def mix(images_NCHW: torch.Tensor, labels_N: torch.Tensor) -> Mixed:
        if len(images_NCHW) % 2:
            raise UsageError(
                f"timm's mixing pairs the first image with the last and needs an even number on each device, found "
                f"{len(images_NCHW)}; choose another number of devices"
            )
        images_NCHW, targets_NC = mixup(images_NCHW, labels_N)
        return Mixed(images_NCHW, targets_NC)

    return mix


@contextmanager
def _drawing_from(generator: torch.Generator) -> Iterator[None]:
    """Seeds the global generators of torch's CPU and numpy from `generator`; afterwards they are as they were."""
    import numpy as np
    import torch

    seed = int(torch.randint(1 << 32, (), generator=generator))
    numpy_state = np.random.get_state()  # noqa: NPY002 - timm draws from it
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would seed the devices too, whose dropout goes its own way.
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - timm draws from it
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002 - timm draws from it
