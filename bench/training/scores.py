"""Scores: what all attempts of a submission under a training protocol come to.

A fixed budget is scored by the accuracy after it: the mean over the attempts, with their standard deviation. Where the
protocol has a target, the time to reach it is scored: the median over the attempts, a miss being infinite. Start-up,
compiling and evaluation are told apart from the training clock in both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from bench.records.recipe import Recipe
from bench.records.result import Cost, Estimate, Failure
from bench.records.training import Attempt, Reached
from bench.stats.intervals import wilson
from bench.stats.repeats import mean_of_runs, median_of_runs

__all__ = ["costs_of", "failure_of", "metrics_of", "notes_of", "timing_of"]

_TO_TARGET: dict[str, tuple[str, Callable[[Reached], float | None]]] = {
    "time_to_target_s": ("s", lambda reached: reached.train_s),
    "epochs_to_target": ("epochs", lambda reached: reached.epoch),
    "images_to_target": ("images", lambda reached: reached.images),
    "compute_to_target_pflop": ("PFLOP", lambda reached: reached.pflop),
    "energy_to_target_j": ("J", lambda reached: reached.energy_j),
}
"""From the name of a cost to its unit and where an attempt has it."""
_WHOLE: dict[str, tuple[str, Callable[[Attempt], float | None]]] = {
    "training_time_s": ("s", lambda attempt: attempt.train_s),
    "images_seen": ("images", lambda attempt: attempt.images),
    "training_compute_pflop": ("PFLOP", lambda attempt: attempt.pflop),
    "training_energy_j": ("J", lambda attempt: attempt.energy_j),
}
"""The same of whole trainings."""
_APART: dict[str, Callable[[Attempt], float | None]] = {
    "start_s": lambda attempt: attempt.start_s,
    "compile_s": lambda attempt: attempt.compile_s,
    "evaluate_s": lambda attempt: attempt.evaluate_s,
    "wait_for_data_s": lambda attempt: attempt.wait_s,
}
_DEPENDS_ON_A_DEVICE = ("time_to_target_s", "energy_to_target_j", "training_time_s", "training_energy_j")


def metrics_of(attempts: Sequence[Attempt], names: Sequence[str]) -> dict[str, Estimate]:
    """Mean, standard deviation and 95 % interval of each metric over the attempts; nothing where one failed.

    The interval is about the seeds. A single attempt has none to compare with: it has its count and, for a proportion,
    the interval over the images.

    Args:
        attempts: Every attempt.
        names: The metrics that the protocol reports.
    """
    if any(attempt.outcome != "ok" for attempt in attempts):
        return {}
    found = {}
    for name in names:
        finals = [attempt.final[name] for attempt in attempts if name in attempt.final]
        if len(finals) < len(attempts):
            continue
        first = finals[0]
        if len(finals) == 1:
            interval = None if first.count is None else wilson(first.count, first.num_samples)
            low, high = interval or (None, None)
            found[name] = Estimate(
                value=first.value, ci_low=low, ci_high=high, num_samples=first.num_samples, count=first.count
            )
            continue
        mean = mean_of_runs([final.value for final in finals])
        low, high = mean.interval or (None, None)
        if first.count is not None and low is not None and high is not None:  # a rate stays one
            low, high = max(0.0, low), min(1.0, high)
        found[name] = Estimate(value=mean.value, ci_low=low, ci_high=high, num_samples=first.num_samples, sd=mean.sd)
    return found


def costs_of(attempts: Sequence[Attempt], recipe: Recipe) -> dict[str, Cost]:
    """The median over the attempts with the range: of whole trainings, and of the way to the target where there is one.

    A miss is infinite, so a median that is infinite is left out; so is what no device told.
    """
    costs: dict[str, Cost] = {}
    ended = [attempt for attempt in attempts if attempt.outcome == "ok"]
    for name, (unit, read) in _WHOLE.items():
        values = [value for attempt in ended if (value := read(attempt)) is not None]
        if values and len(values) == len(ended):
            costs |= _median(name, unit, values, attempts)
    if recipe.target is not None:
        for name, (unit, read_reached) in _TO_TARGET.items():
            reached = [None if attempt.reached is None else read_reached(attempt.reached) for attempt in attempts]
            told = all(
                attempt.reached is None or value is not None for attempt, value in zip(attempts, reached, strict=True)
            )
            if told:
                costs |= _median(name, unit, reached, attempts)
    return costs


def _median(name: str, unit: str, values: Sequence[float | None], attempts: Sequence[Attempt]) -> dict[str, Cost]:
    found = median_of_runs(values)
    if found.value is None:
        return {}
    device = attempts[0].device if name in _DEPENDS_ON_A_DEVICE else None
    several = len(values) > 1
    return {
        name: Cost(
            value=found.value,
            lowest=found.lowest if several else None,
            highest=found.highest if several else None,
            unit=unit,
            device=device,
        )
    }


def timing_of(attempts: Sequence[Attempt]) -> dict[str, float]:
    """Medians of what no training clock counts, and of the part of it that went into waiting for data."""
    timing = {}
    for name, read in _APART.items():
        values = [value for attempt in attempts if (value := read(attempt)) is not None]
        if values:
            timing[name] = round(float(median(values)), 3)
    return timing


def failure_of(attempts: Sequence[Attempt], recipe: Recipe) -> Failure | None:
    """Why there is no score: an attempt at a fixed budget failed, or none reached the target because all failed.

    Where time to a target is scored, a failed attempt is a miss like any other.
    """
    failed = [attempt for attempt in attempts if attempt.outcome != "ok"]
    if not failed or (recipe.target is not None and len(failed) < len(attempts)):
        return None
    first = failed[0]
    return Failure(
        outcome=first.outcome, message=f"attempt {first.number} of {len(attempts)} failed: {first.message or ''}"
    )


def notes_of(attempts: Sequence[Attempt], recipe: Recipe, *, evaluated_with: str) -> tuple[str, ...]:
    """Sentences for a reader of the score."""
    many = len(attempts)
    words = "1 attempt" if many == 1 else f"{many} attempts"
    notes = [f"{words}, with seeds drawn by bench; the exported weights were evaluated under {evaluated_with}."]
    if recipe.target is not None:
        missed = sum(attempt.reached is None for attempt in attempts)
        target = (
            f"{recipe.target.metric} of {100 * recipe.target.value:g}% with a margin of {100 * recipe.target.margin:g}"
        )
        notes.append(f"{missed} of {many} missed the target, a {target} points; a miss counts as infinite time.")
    if skipped := sum(attempt.num_skipped for attempt in attempts):
        notes.append(f"{skipped:,} training images could not be decoded and were left out, as the protocol allows.")
    if restarts := sum(attempt.num_restarts for attempt in attempts):
        notes.append(f"Interrupted {restarts} times; the clock counts the work that was lost.")
    return tuple(notes)
