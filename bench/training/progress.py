"""Where a training stands, and the sums from which its events are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.training.distributed import World

if TYPE_CHECKING:
    import torch

__all__ = ["EpochReport", "Progress", "StepReport", "Tally"]


class EpochReport(NamedTuple):
    """How an epoch went, on the images as they were trained on, cropped, mirrored and mixed."""

    epoch: int
    """From 1."""
    loss: float
    """Mean loss."""
    top1: float
    """Accuracy during training, a fraction."""


class StepReport(NamedTuple):
    """What one step gave on all ranks together."""

    step: int
    """The number of the step in the training, from 1."""
    loss: float
    """Mean loss of its images."""
    num_right: int
    """How many were right."""
    num_images: int
    """How many they were."""


@dataclass
class Progress:
    """How far a training has come; all of it goes into a checkpoint."""

    step: int = 0
    """Optimizer steps taken."""
    images: int = 0
    """Images seen, over all ranks."""
    epochs: int = 0
    """Epochs that are done."""
    finished: bool = False
    """The budget is used up, or the target reached."""
    learning_rate: float = 0.0
    """That of the last step."""
    num_overflows: int = 0
    """Steps whose fp16 gradients overflowed, so that nothing changed."""
    num_restarts: int = 0
    """How often it went on from a checkpoint."""
    num_skipped: int = 0
    """Images that were left out, each as often as it was drawn."""
    train_s: float = 0.0
    """Seconds of steps and of waiting for data, also of those that were lost in a restart."""
    wait_s: float = 0.0
    """Seconds of waiting for data."""
    evaluate_s: float = 0.0
    """Seconds of evaluation."""
    startup_s: float = 0.0
    """Seconds until the first step could run, of all starts."""
    compile_s: float = 0.0
    """Seconds of compiling, of all starts."""
    energy_j: float = 0.0
    """Energy of all devices that tell it, in joules."""
    best: dict[str, float] = field(default_factory=dict)
    """The best top-1 of an evaluation and its epoch: a note, never a rank."""
    epoch_sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """Of the epoch so far: the sum of losses, how many were right, how many images."""
    window_sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """The same since the last step event."""

    def add(self, report: StepReport) -> None:
        """Counts a step; in the order of the steps, so that sums do not depend on when they were read."""
        values = (report.loss * report.num_images, float(report.num_right), float(report.num_images))
        for sums in (self.epoch_sums, self.window_sums):
            for index, value in enumerate(values):
                sums[index] += value
        self.images += report.num_images

    def take_window(self) -> EpochReport:
        """Loss and accuracy since the last call, which begins anew."""
        loss_sum, num_right, num_images = self.window_sums
        self.window_sums = [0.0, 0.0, 0.0]
        return EpochReport(0, loss_sum / max(1.0, num_images), num_right / max(1.0, num_images))

    def take_epoch(self, epoch: int) -> EpochReport:
        """Loss and accuracy of the epoch, which ends.

        Args:
            epoch: Its number, from 1.
        """
        loss_sum, num_right, num_images = self.epoch_sums
        self.epoch_sums = [0.0, 0.0, 0.0]
        return EpochReport(epoch, loss_sum / max(1.0, num_images), num_right / max(1.0, num_images))

    def tree(self) -> dict[str, Any]:
        """For a checkpoint."""
        return dict(vars(self))


class Tally:
    """The sums of steps whose values are still on the device: reading them waits for it, so it is done now and then."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pending: list[tuple[int, torch.Tensor]] = []

    def put(self, step: int, sums_K: torch.Tensor) -> None:
        """Remembers what a step gave on this rank.

        Args:
            step: Its number in the training, from 1.
            sums_K: float32: the sum of losses, how many were right, how many images.
        """
        self._pending.append((step, sums_K))

    def read(self) -> list[StepReport]:
        """What all steps since the last call gave on all ranks; every rank has to call it at the same step."""
        import torch

        if not self._pending:
            return []
        steps = [step for step, _ in self._pending]
        totals_SK = self._world.total(torch.stack([sums_K for _, sums_K in self._pending])).tolist()
        self._pending = []
        return [
            StepReport(step, _ratio(loss_sum, num_images), int(num_right), int(num_images))
            for step, (loss_sum, num_right, num_images) in zip(steps, totals_SK, strict=True)
        ]


def _ratio(loss_sum: float, num_images: float) -> float:
    return loss_sum / num_images if num_images else 0.0
