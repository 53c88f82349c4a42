"""The loop: a recipe's epochs, from wherever a training stands.

What happens is written as events, what a resumed run needs is saved now and then, and a request to stop is obeyed
between two steps. Values stay on the device until somebody needs them, so a GPU never waits for this code.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

from bench.errors import NonFiniteError, RequeueError
from bench.records.recipe import Recipe
from bench.training.checkpoint import Saver
from bench.training.distributed import StopVote, World
from bench.training.energy import EnergyMeter
from bench.training.epoch_end import end_epoch
from bench.training.evaluating import Evaluator
from bench.training.events import EventLog
from bench.training.feeding import TrainingBatch, TrainingImages
from bench.training.progress import EpochReport, Progress, StepReport, Tally
from bench.training.randomness import captured_generators
from bench.training.saying import peak_memory_mib
from bench.training.signals import StopRequest
from bench.training.staging import DeviceBatch, RunningClock, pinned, staged
from bench.training.step import Stepper

__all__ = ["Loop", "run_epochs"]

_MOST_STEPS_A_REPORT = 50
_REPORTS_AN_EPOCH = 50


@dataclass(frozen=True, kw_only=True)
class Loop:
    """What a training goes on with."""

    stepper: Stepper
    """How a step is done."""
    images: TrainingImages
    """The training images."""
    recipe: Recipe
    """How long, and how often it is evaluated."""
    world: World
    """The ranks that train together."""
    log: EventLog
    """Where events go."""
    saver: Saver
    """Where checkpoints go."""
    checkpoint_every: int
    """Steps between two checkpoints; the end of an epoch is one in any case."""
    setting: dict[str, Any]
    """What the training consists of, for its checkpoints."""
    stop: StopRequest
    """Whether it was asked to stop."""
    energy: EnergyMeter
    """The energy of this rank's device."""
    evaluator: Evaluator | None = None
    """How the network is evaluated meanwhile; None where that is left for later."""
    on_progress: Callable[[int], None] | None = None
    """Takes how many more images were seen."""
    on_epoch: Callable[[EpochReport], None] | None = None
    """Takes the report of each epoch."""

    @property
    def steps_a_report(self) -> int:
        """Steps between two events `step`, and between two looks at the losses."""
        return min(_MOST_STEPS_A_REPORT, max(1, self.images.num_steps // _REPORTS_AN_EPOCH))


def run_epochs(loop: Loop, progress: Progress) -> None:
    """Trains until the budget is used up or the target reached; `progress` says from where, and is moved on.

    Raises:
        DataError: An image cannot be decoded.
        SubmissionError: The network raised, or gave no logits.
        DeviceError: The device's memory is too small.
        NonFiniteError: The loss is NaN or infinite; the last checkpoint is from before that.
        RankError: Another process has ended.
        RequeueError: It was asked to stop by SIGTERM, and has saved all.
        KeyboardInterrupt: It was asked to stop by Ctrl-C, and has saved all.
        StoreError: A checkpoint or an event could not be written; the last checkpoint is whole.
    """
    steps = loop.images.num_steps
    vote = StopVote(loop.world)
    while not progress.finished:
        epoch, first_step = divmod(progress.step, steps)
        _run_epoch(loop, progress, vote, epoch, first_step)
    vote.end()
    loop.saver.wait()


def _run_epoch(loop: Loop, progress: Progress, vote: StopVote, epoch: int, first_step: int) -> None:
    """Trains one epoch, from some step on."""
    steps, tally, clock = loop.images.num_steps, Tally(loop.world), RunningClock(progress)
    batches = loop.images.epoch(
        epoch,
        seed=loop.stepper.seed,
        first_step=first_step,
        rank=loop.world.rank,
        world_size=loop.world.size,
        allocate=pinned if loop.stepper.device.startswith("cuda") else None,
    )
    with closing(cast("Generator[TrainingBatch]", batches)):  # its threads end with the loop, however that ends
        for batch in staged(batches, loop.stepper.device, clock):
            if vote(bool(loop.stop)):
                _look(loop, progress, tally, clock, epoch)
                _save_and_leave(loop, progress)
            progress.learning_rate = loop.stepper.learner.learning_rate
            stepped = loop.stepper(batch, epoch=epoch, step=progress.step)
            progress.step += 1
            progress.num_overflows += not stepped.applied
            tally.put(progress.step, stepped.sums_K)
            _tell_skipped(loop, progress, batch)
            if loop.on_progress is not None:
                loop.on_progress(batch.host.global_size)
            is_last = progress.step % steps == 0
            is_saved = is_last or progress.step % loop.checkpoint_every == 0
            if is_saved or progress.step % loop.steps_a_report == 0:
                _look(loop, progress, tally, clock, epoch)
            if is_last:
                end_epoch(loop, progress, clock, epoch)
            if is_saved:
                _save(loop, progress)
                clock.leave_out()


def _look(loop: Loop, progress: Progress, tally: Tally, clock: RunningClock, epoch: int) -> None:
    """Reads the losses of the steps since the last look, and writes an event where one is due."""
    reports = tally.read()
    clock.stop()
    for report in reports:
        _check_finite(report, progress, epoch)
        progress.add(report)
        if report.step % loop.steps_a_report == 0:
            seconds, wait_s = clock.take_window()
            num_images = progress.window_sums[2]
            window = progress.take_window()
            loop.log.emit(
                "step",
                epoch=epoch + 1,
                step=report.step,
                images=progress.images,
                loss=window.loss,
                top1=None if loop.recipe.mixes else window.top1,
                learning_rate=progress.learning_rate,
                img_s=num_images / seconds if seconds else None,
                wait_share=wait_s / seconds if seconds else None,
                memory_mib=peak_memory_mib(loop.stepper.device),
            )


def _save(loop: Loop, progress: Progress) -> None:
    """Saves all that a resumed run needs."""
    learner = loop.stepper.learner
    if not learner.is_finite():
        raise NonFiniteError(
            f"the weights are not finite after step {progress.step:,}: training diverged; the last good checkpoint "
            "is from before that"
        )
    loop.log.emit("checkpoint", step=progress.step)
    tree = {
        "setting": loop.setting,
        "learner": learner.tree(),
        "progress": progress.tree(),
        "events": loop.log.position,
        "saved_at": time.time(),
        "generators": loop.world.gather(captured_generators(loop.stepper.device)),
    }
    loop.saver.save(progress.step, tree)


def _save_and_leave(loop: Loop, progress: Progress) -> None:
    if loop.saver.last_step != progress.step:
        _save(loop, progress)
    loop.saver.wait()
    if loop.stop.is_interrupt:
        raise KeyboardInterrupt
    total = loop.recipe.epochs * loop.images.num_steps
    raise RequeueError(f"stopped and saved after step {progress.step:,} of {total:,}; go on with --resume")


def _tell_skipped(loop: Loop, progress: Progress, batch: DeviceBatch) -> None:
    if not loop.recipe.skip_corrupt:
        return
    for skipped in [found for part in loop.world.gather(batch.host.skipped) for found in part]:
        progress.num_skipped += 1
        loop.log.emit("skip", step=progress.step, sample=skipped.sample_id, message=skipped.message)


def _check_finite(report: StepReport, progress: Progress, epoch: int) -> None:
    if not math.isfinite(report.loss):
        raise NonFiniteError(
            f"the loss is {report.loss} in epoch {epoch + 1}, step {report.step:,}, at learning rate "
            f"{progress.learning_rate:.3g}: training diverged; normalise within the network, or train under a recipe "
            "with a lower learning rate"
        )
