"""One optimizer step: from a rank's share of a batch to changed weights.

Shape letters: N images, H and W pixels, C = 3 colours or outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.backends.normalising import normalised
from bench.records.protocol import Precision
from bench.records.recipe import Recipe
from bench.records.submission import InputSpec
from bench.training.distributed import World
from bench.training.learner import Learner
from bench.training.mixing import erase, make_mixer
from bench.training.network import checked_logits, restored_buffers, submitted_code
from bench.training.parallel import local_gradients
from bench.training.randomness import own_generators, step_seed

if TYPE_CHECKING:
    import torch

    from bench.training.mixing import Mixer
    from bench.training.staging import DeviceBatch

    Loss = Callable[[torch.Tensor, torch.Tensor, npt.NDArray[np.int64]], torch.Tensor]
    """From logits (N, C), targets (N,) or (N, C), and positions in the dataset (N,) to the mean loss."""

__all__ = ["Stepped", "Stepper", "autocast_of"]


class Stepped(NamedTuple):
    """What a step gave."""

    sums_K: torch.Tensor
    """float32 on the device, of this rank's images: the sum of their losses, how many were right, how many they are."""
    applied: bool
    """The weights changed; False where an fp16 gradient overflowed and the loss scale was lowered instead."""


class _Micro(NamedTuple):
    """What passes the network at once."""

    images_NCHW: torch.Tensor
    targets: torch.Tensor
    labels_N: torch.Tensor
    positions_N: npt.NDArray[np.int64]
    weight: float
    """Share of its mean loss in the mean of the step, times the number of ranks, over which gradients are averaged."""


@dataclass(frozen=True, kw_only=True)
class Stepper:
    """How a recipe's step is done on this rank."""

    learner: Learner
    """What learns."""
    recipe: Recipe
    """How."""
    inputs: InputSpec
    """Mean and standard deviation of the normalisation."""
    loss: Loss
    """The recipe's loss."""
    num_classes: int
    """Classes of the images."""
    background: bool
    """The network has one more output, number 0, which no image has."""
    crop: int
    """Side of the images, in pixels."""
    seed: int
    """The run's seed."""
    device: str
    """A torch device."""
    precision: Precision
    """The arithmetic."""
    accumulate: int
    """Parts that pass the network one after the other."""
    world: World
    """The ranks that share a batch."""

    @property
    def num_outputs(self) -> int:
        """Logits of the network."""
        return self.num_classes + self.background

    @cached_property
    def _mixer(self) -> Mixer | None:
        return make_mixer(self.recipe, self.num_outputs)

    @cached_property
    def _statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the normalisation, float32 (C,), on the device."""
        import torch

        mean_C, std_C = (
            torch.tensor(values, dtype=torch.float32, device=self.device)
            for values in (self.inputs.mean, self.inputs.std)
        )
        return mean_C, std_C

    def __call__(self, batch: DeviceBatch, *, epoch: int, step: int) -> Stepped:
        """Takes one step.

        Args:
            batch: This rank's images, perhaps none.
            epoch: The number of the pass, from 0.
            step: The number of the step in the training, from 0.

        Raises:
            SubmissionError: The network raised, or returned no logits.
            DeviceError: The device's memory is too small.
        """
        import torch

        generator = torch.Generator().manual_seed(step_seed(self.seed, epoch, batch.host.step))
        images_NCHW, labels_N = self._normalised(batch.pixels_NHWC), batch.labels_N + self.background
        num_rows = batch.host.global_size
        first_row = self.world.rank * num_rows // self.world.size  # as `rows_of_step` shares a batch
        erase(images_NCHW, self.recipe.augmentation, generator, first_row=first_row, num_rows=num_rows)
        targets = labels_N
        if self._mixer is not None and len(labels_N):
            images_NCHW, targets = self._mixer(images_NCHW, labels_N, generator)
        self.learner.optimizer.zero_grad(set_to_none=True)
        sums_K = self._gradients(self._parts(images_NCHW, targets, labels_N, batch.host.positions_N, num_rows))
        return Stepped(sums_K, self._update(step))

    def rehearse(self, num_images: int) -> None:
        """Computes the gradients of a made-up part of a batch and drops them: what is slow only once is over then.

        Compiling, choosing kernels, asking for memory, and DDP's order of gradients. Weights, buffers and generators
        are afterwards as they were.

        Args:
            num_images: As many as a part has.
        """
        import torch

        shape = (num_images, self.crop, self.crop, 3)
        pixels_NHWC = torch.zeros(shape, dtype=torch.uint8, device=self.device)
        labels_N = torch.arange(num_images, device=self.device) % self.num_classes + self.background
        targets = labels_N
        if self.recipe.mixes:
            targets = torch.nn.functional.one_hot(labels_N, self.num_outputs).float()
        with own_generators(self.device), restored_buffers(self.learner.module):
            positions_N = np.zeros(num_images, np.int64)
            part = _Micro(self._normalised(pixels_NHWC), targets, labels_N, positions_N, 1.0)
            self._gradients([part])
        self.learner.optimizer.zero_grad(set_to_none=True)

    def _normalised(self, pixels_NHWC: torch.Tensor) -> torch.Tensor:
        """Float32 (N, C, H, W), channels last in memory."""
        import torch

        return normalised(pixels_NHWC, *self._statistics, torch.channels_last)

    def _parts(
        self,
        images_NCHW: torch.Tensor,
        targets: torch.Tensor,
        labels_N: torch.Tensor,
        positions_N: npt.NDArray[np.int64],
        num_rows: int,
    ) -> list[_Micro]:
        """Equally many parts on each rank, so that ranks stay in step; one without images has a weight of zero."""
        parts = []
        for rows in np.array_split(np.arange(len(labels_N)), self.accumulate):
            if len(rows):
                cut = slice(int(rows[0]), int(rows[-1]) + 1)
                weight = len(rows) * self.world.size / num_rows
                parts.append(_Micro(images_NCHW[cut], targets[cut], labels_N[cut], positions_N[cut], weight))
            else:
                parts.append(self._nothing(images_NCHW))
        return parts

    def _nothing(self, images_NCHW: torch.Tensor) -> _Micro:
        labels_N = images_NCHW.new_zeros(2).long()
        targets = images_NCHW.new_zeros(2, self.num_outputs) if self.recipe.mixes else labels_N
        images_NCHW = images_NCHW.new_zeros(2, *images_NCHW.shape[1:])
        return _Micro(images_NCHW, targets, labels_N, np.zeros(2, np.int64), 0.0)

    def _gradients(self, parts: list[_Micro]) -> torch.Tensor:
        """Forward and backward passes; gradients are shared among ranks after the last part."""
        import torch

        sums_K = torch.zeros(3, device=self.device)
        for number, part in enumerate(parts, 1):
            stays: AbstractContextManager[None] = nullcontext()
            if number < len(parts):
                stays = local_gradients(self.learner.model)
            num_images = len(part.labels_N)
            with stays, submitted_code(num_images):
                with autocast_of(self.precision, self.device):
                    output = self.learner.model(part.images_NCHW)
                logits_NC = checked_logits(output, num_images, self.num_outputs).float()
                loss = self.loss(logits_NC, part.targets, part.positions_N)
                weighed = loss * part.weight
                scaled = weighed if self.learner.scaler is None else self.learner.scaler.scale(weighed)
                scaled.backward()  # type: ignore[no-untyped-call]
            if part.weight:
                right = (logits_NC.detach().argmax(dim=1) == part.labels_N).sum()
                sums_K += torch.stack([loss.detach() * num_images, right, torch.full_like(right, num_images)])
        return sums_K

    def _update(self, step: int) -> bool:
        """Changes the weights; clipping sees gradients as they are without the loss scale."""
        import torch

        learner, applied = self.learner, True
        if learner.scaler is not None:
            learner.scaler.unscale_(learner.optimizer)
        if self.recipe.clip_grad_norm is not None:
            trained = [weight for weight in learner.module.parameters() if weight.grad is not None]
            torch.nn.utils.clip_grad_norm_(trained, self.recipe.clip_grad_norm)
        if learner.scaler is None:
            learner.optimizer.step()
        else:
            before = learner.scaler.get_scale()
            learner.scaler.step(learner.optimizer)
            learner.scaler.update()
            applied = learner.scaler.get_scale() >= before
        if applied:
            learner.schedule.step()
            if learner.average is not None:
                learner.average.update(learner.module, step)
        return applied


def autocast_of(precision: Precision, device: str) -> AbstractContextManager[Any]:
    """The arithmetic inside the network; weights and the loss stay float32."""
    import torch

    from bench.backends.arithmetic import AUTOCAST

    dtype = AUTOCAST.get(precision)
    return nullcontext() if dtype is None else torch.autocast(device.partition(":")[0], dtype=dtype)
