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
from bench.training.evaluating import Evaluated, Evaluator
from bench.training.events import EventLog
from bench.training.feeding import TrainingBatch, TrainingImages
from bench.training.progress import EpochReport, Progress, StepReport, Tally
from bench.training.randomness import captured_generators
from bench.training.saying import peak_memory_mib
from bench.training.signals import StopRequest
from bench.training.staging import Clock, DeviceBatch, pinned, staged
from bench.training.step import Stepper
from bench.training.target import passes

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
    steps, tally, clock = loop.images.num_steps, Tally(loop.world), _Running(progress)
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
                _end_epoch(loop, progress, clock, epoch)
            if is_saved:
                _save(loop, progress)
                clock.leave_out()


class _Running(Clock):
    """Adds the seconds of the training to its progress, but for those that are left out."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._since = time.perf_counter()
        self._window = (progress.train_s, progress.wait_s)

    def stop(self) -> None:
        """Counts the seconds until now."""
        now = time.perf_counter()
        self._progress.train_s += now - self._since
        self._progress.wait_s += self.wait_s
        self._since, self.wait_s = now, 0.0

    def leave_out(self) -> None:
        """Does not count the seconds since the last `stop`."""
        self._since = time.perf_counter()

    def take_window(self) -> tuple[float, float]:
        """Seconds, and seconds of waiting, since the last call."""
        before, self._window = self._window, (self._progress.train_s, self._progress.wait_s)
        return self._window[0] - before[0], self._window[1] - before[1]


def _look(loop: Loop, progress: Progress, tally: Tally, clock: _Running, epoch: int) -> None:
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


def _end_epoch(loop: Loop, progress: Progress, clock: _Running, epoch: int) -> None:
    """Writes the epoch's event, and evaluates where the recipe says so."""
    report = progress.take_epoch(epoch + 1)
    progress.epochs = report.epoch
    energy_j = _energy_j(loop, progress)
    loop.log.emit(
        "epoch",
        epoch=report.epoch,
        step=progress.step,
        images=progress.images,
        loss=report.loss,
        top1=None if loop.recipe.mixes else report.top1,
        learning_rate=progress.learning_rate,
        img_s=progress.images / progress.train_s if progress.train_s else None,
        train_s=progress.train_s,
        wait_s=progress.wait_s,
        memory_mib=peak_memory_mib(loop.stepper.device),
        skipped=progress.num_skipped,
        energy_j=energy_j,
    )
    if loop.on_epoch is not None:
        loop.on_epoch(report)
    every, is_last = loop.recipe.evaluate_every_epochs, report.epoch == loop.recipe.epochs
    reached = False
    if loop.evaluator is not None and (is_last or (every > 0 and report.epoch % every == 0)):
        reached = _evaluate(loop, progress, loop.evaluator, report.epoch, energy_j)
    progress.finished = is_last or reached
    clock.leave_out()


def _evaluate(loop: Loop, progress: Progress, evaluator: Evaluator, epoch: int, energy_j: float | None) -> bool:
    """Evaluates the last weights and their average; returns whether those that are ranked reached the target."""
    learner, recipe = loop.stepper.learner, loop.recipe
    last = evaluator.evaluate(learner.module)
    averaged = None if learner.average is None else evaluator.evaluate(learner.average.module)
    progress.evaluate_s += last.seconds + (averaged.seconds if averaged is not None else 0.0)
    ranked_module, ranked = learner.module, last
    if recipe.ranked_weights == "ema" and learner.average is not None and averaged is not None:
        ranked_module, ranked = learner.average.module, averaged
    if (top1 := ranked.metrics["top1"].value) > progress.best.get("top1", -1.0):
        progress.best = {"top1": top1, "epoch": float(epoch)}
    place = {"epoch": epoch, "step": progress.step, "images": progress.images}
    loop.log.emit(
        "evaluate",
        **place,
        metrics=_values(last),
        ema_metrics=None if averaged is None else _values(averaged),
        seconds=last.seconds + (averaged.seconds if averaged is not None else 0.0),
        num_samples=last.metrics["top1"].num_samples,
        train_s=progress.train_s,
        energy_j=energy_j,
    )
    reached = False
    if recipe.target is not None and passes(recipe.target, ranked.metrics):
        again = evaluator.evaluate(ranked_module)
        progress.evaluate_s += again.seconds
        reached = passes(recipe.target, again.metrics)
        value, confirmed = (found.metrics[recipe.target.metric].value for found in (ranked, again))
        clocks = {"train_s": progress.train_s, "energy_j": energy_j}
        loop.log.emit("target", **place, value=value, confirmed=confirmed, reached=reached, **clocks)
    return reached


def _energy_j(loop: Loop, progress: Progress) -> float | None:
    """The energy of all devices so far, in joules; None where one does not tell it."""
    parts = loop.world.gather(loop.energy.joules())
    if any(part is None for part in parts):
        return None
    progress.energy_j = sum(parts)
    return progress.energy_j


def _values(evaluated: Evaluated) -> dict[str, float]:
    return {name: found.value for name, found in evaluated.metrics.items()}


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
