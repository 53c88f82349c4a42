"""Which image is drawn when: the order of an epoch, and a rank's share of a step.

An epoch's order depends on the seed and on the number of the epoch alone. Ranks share each step's global batch, so the
images of a step are the same on any number of them, and a run can begin at any step of any epoch.

Shape letters: N draws.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.data.dice import Dice

__all__ = ["Draws", "draws_of_epoch", "num_steps_per_epoch", "rows_of_step"]


class Draws(NamedTuple):
    """Images in the order in which they are drawn."""

    positions_N: npt.NDArray[np.int64]
    """Each image's position in the dataset, int64."""
    repeats_N: npt.NDArray[np.int64]
    """How often it was drawn before in this epoch, int64."""


def draws_of_epoch(num_images: int, *, batch_size: int, seed: int, epoch: int, repeats: int = 1) -> Draws:
    """All draws of an epoch, as many as there are images.

    With repeated augmentation (Hoffer et al. 2019, https://arxiv.org/abs/1901.09335) each of the first
    `num_images / repeats` shuffled images is drawn `repeats` times, so that a batch holds several versions of it. Each
    step has the images of timm's `RepeatAugSampler` and torchvision's `RASampler`, which deal the copies of an image to
    different devices. Here all first copies of a batch come first, then all second ones: the ranks' contiguous shares
    keep the copies apart too, and no image is beside its copy, with which mixing would pair it. (timm and torchvision
    round the epoch down to a multiple of 256 first.)

    Args:
        num_images: Images of the dataset.
        batch_size: Images a step, over all ranks together; without repeats the order does not depend on it.
        seed: The run's seed.
        epoch: The number of the pass, from 0.
        repeats: How often an image is drawn.
    """
    shuffled_N = Dice(f"{seed}/{epoch}/order").order(num_images)
    row_N = np.arange(num_images, dtype=np.int64)
    if repeats > 1:
        row_N = row_N[np.lexsort((row_N % repeats, row_N // batch_size))]
    return Draws(shuffled_N[row_N // repeats], row_N % repeats)


def num_steps_per_epoch(num_images: int, batch_size: int, *, drop_last: bool) -> int:
    """Optimizer steps in one pass; a dataset smaller than a batch is one step.

    Args:
        num_images: Images of the dataset.
        batch_size: Images a step, over all ranks together.
        drop_last: What is left after the last whole batch is not used.
    """
    return max(1, num_images // batch_size if drop_last else -(-num_images // batch_size))


def rows_of_step(step: int, num_images: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> slice:
    """The rows of an epoch's draws that a rank gets in a step: its even share of the global batch, in order.

    A rank gets no row where a last batch is smaller than the number of ranks.

    Args:
        step: The step within the epoch, from 0.
        num_images: Images of the dataset.
        batch_size: Images a step, over all ranks together.
        rank: Which rank, from 0.
        world_size: How many ranks.
    """
    start = min(step * batch_size, num_images)
    count = min(batch_size, num_images - start)
    return slice(start + rank * count // world_size, start + (rank + 1) * count // world_size)
