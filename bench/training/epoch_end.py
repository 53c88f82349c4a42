"""The end of an epoch: its event, and the evaluation where one is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.training.evaluating import Evaluated, Evaluator
from bench.training.parallel import share_buffers
from bench.training.progress import Progress
from bench.training.saying import peak_memory_mib
from bench.training.staging import RunningClock
from bench.training.target import passes

if TYPE_CHECKING:
    from bench.training.loop import Loop

__all__ = ["end_epoch"]


def end_epoch(loop: Loop, progress: Progress, clock: RunningClock, epoch: int) -> None:
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
    for module in (learner.module, *([learner.average.module] if learner.average is not None else [])):
        share_buffers(module, loop.world)
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
