"""The loop: one network, one device, a recipe's epochs.

Shape letters: N images, H height, W width, C = 3 colours or classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.backends.memory import is_out_of_memory
from bench.errors import DeviceError, ModelError, NonFiniteError, OutputError
from bench.records.protocol import Recipe
from bench.records.submission import InputSpec
from bench.training.feeding import TrainingImages
from bench.training.recipe import make_optimizer, make_schedule, num_steps_per_epoch

if TYPE_CHECKING:
    import torch

__all__ = ["EpochReport", "run_epochs"]


class EpochReport(NamedTuple):
    """How an epoch went, on the cropped and mirrored images as they were trained on."""

    epoch: int
    """From 1."""
    loss: float
    """Mean cross-entropy."""
    top1: float
    """Accuracy during training, a fraction."""


def run_epochs(
    module: torch.nn.Module,
    images: TrainingImages,
    recipe: Recipe,
    inputs: InputSpec,
    *,
    num_classes: int,
    background: bool,
    device: str,
    on_progress: Callable[[int], None] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> None:
    """Trains a network in place; two runs on one machine's CPU give equal weights.

    Args:
        module: The network, with its initial weights.
        images: The training images.
        recipe: All else that can move a number.
        inputs: Mean and standard deviation of the normalisation.
        num_classes: Classes of the images.
        background: The network has one more output, number 0, which no image has.
        device: A torch device.
        on_progress: Takes how many more images were seen.
        on_epoch: Takes the report of each epoch.

    Raises:
        DataError: An image cannot be decoded.
        ModelError: The network's own code raises, or it has nothing to train.
        OutputError: The outputs are not as many as the classes.
        DeviceError: The device's memory is too small.
        NonFiniteError: The loss is NaN or infinite.
    """
    import torch

    steps = num_steps_per_epoch(recipe, len(images))
    # Channels last: a quarter faster for small convolutions on a CPU, and the layout that GPUs want.
    module.to(device).to(memory_format=torch.channels_last).train().requires_grad_(True)
    optimizer = make_optimizer(module, recipe)
    schedule = make_schedule(optimizer, recipe, steps)
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (inputs.mean, inputs.std))
    # Dropout draws from torch's generator; the caller's stays as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        for epoch in range(recipe.epochs):
            loss_sum, num_right, num_seen = 0.0, 0, 0
            for batch in images.epoch(epoch, steps):
                labels_N = torch.from_numpy(batch.labels_N + background).to(device)
                images_NCHW = _normalised(batch.images_NHWC, mean, std)
                with _submission_code(len(labels_N)):
                    logits_NC = _checked(module(images_NCHW), len(labels_N), num_classes + background)
                    smoothing = recipe.label_smoothing
                    loss = torch.nn.functional.cross_entropy(logits_NC, labels_N, label_smoothing=smoothing)
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                loss_sum += _finite(loss.item(), epoch, optimizer) * len(labels_N)
                num_right += int((logits_NC.argmax(dim=1) == labels_N).sum())
                num_seen += len(labels_N)
                if on_progress is not None:
                    on_progress(len(labels_N))
            if on_epoch is not None:
                on_epoch(EpochReport(epoch + 1, loss_sum / num_seen, num_right / num_seen))
    module.eval().requires_grad_(False)


def _normalised(images_NHWC: npt.NDArray[np.uint8], mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Float32 (N, C, H, W), channels last in memory, order "unit": divide by 255, subtract the mean, divide by std."""
    import torch

    pixels_NCHW = torch.from_numpy(images_NHWC).to(mean.device).permute(0, 3, 1, 2)
    return pixels_NCHW.to(torch.float32).div_(255).sub_(mean).div_(std)


@contextmanager
def _submission_code(batch_size: int) -> Iterator[None]:
    """Turns what a network raises into a sentence."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:  # the border to the submission's own code, which may raise anything
        if is_out_of_memory(error):
            raise DeviceError(
                f"out of memory at batch size {batch_size}, which the recipe fixes; use a device with more memory"
            ) from error
        raise ModelError(f"training the model raised {type(error).__name__}: {error}") from error


def _checked(output: object, num_images: int, num_outputs: int) -> torch.Tensor:
    import torch

    if not isinstance(output, torch.Tensor):
        raise OutputError(f"the model returned {type(output).__name__} while training, expected one tensor of logits")
    if output.shape != (num_images, num_outputs):
        raise OutputError(
            f"the model returned shape {tuple(output.shape)} for {num_images} images, "
            f"expected ({num_images}, {num_outputs}); see [outputs] in submission.toml"
        )
    return output


def _finite(loss: float, epoch: int, optimizer: torch.optim.Optimizer) -> float:
    if not np.isfinite(loss):
        rate = optimizer.param_groups[0]["lr"]
        raise NonFiniteError(
            f"the loss is {loss} in epoch {epoch + 1}, at learning rate {rate:.3g}: training diverged; "
            "normalise within the network, or train under a recipe with a lower learning rate"
        )
    return loss
