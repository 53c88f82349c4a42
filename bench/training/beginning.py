"""Where a training stands before its first step: at the beginning, or where its checkpoint has it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NamedTuple

from bench.training.checkpoint import Checkpoint
from bench.training.events import EventLog
from bench.training.learner import Learner
from bench.training.progress import Progress
from bench.training.randomness import captured_generators, restore_generators, seed_generators
from bench.training.resume import (
    Setting,
    check_same_setting,
    check_world_size,
    lost_since,
    rank_dependencies,
    what_may_differ,
)
from bench.training.run_folder import EVENTS_FILE
from bench.training.saying import say_start
from bench.training.session import Session
from bench.training.state import same_state
from bench.training.tensorboard import tensorboard_listener

__all__ = ["Begun", "begin", "check_resumable"]


class Begun(NamedTuple):
    """A training that can take its next step."""

    progress: Progress
    """How far it has come."""
    log: EventLog
    """Where its events go."""


def check_resumable(session: Session) -> None:
    """Makes sure that a training goes on as it began; says what may move the last bits of its weights.

    Raises:
        UsageError: Names what changed.
    """
    if session.checkpoint is None:
        return
    then, now = _setting_then(session.checkpoint), session.setting()
    check_same_setting(then, now, session.checkpoint.path)
    for phrase in what_may_differ(then, now):
        session.note(f"Warning: {phrase} since the checkpoint; the last bits of the weights may differ")


def begin(session: Session, learner: Learner, facts: dict[str, Any], held: ExitStack) -> Begun:
    """Seeds or restores everything that the next step depends on, and opens the events.

    Args:
        session: The training.
        learner: What learns; it gets the state of the checkpoint.
        facts: What the event `start` says.
        held: Closes the events.

    Raises:
        UsageError: Another number of ranks would change the training.
        RecordError: The events of the training are gone.
    """
    seed_generators(session.seed, session.world.rank)
    path = session.run / EVENTS_FILE if session.world.is_first else None
    listeners = session.listeners
    if session.options.tensorboard and session.world.is_first:
        resumed_at = None if session.checkpoint is None else session.checkpoint.step
        folder = session.run / "tensorboard"
        listeners = (*listeners, held.enter_context(tensorboard_listener(folder, resumed_at=resumed_at)))
    if session.checkpoint is None:
        log = held.enter_context(EventLog(path, listeners))
        say_start(log, facts)
        return Begun(Progress(), log)
    tree = session.checkpoint.tree
    _restore_generators(session, learner, _setting_then(session.checkpoint), tree)
    learner.load(tree["learner"])
    progress = Progress(**tree["progress"])
    lost = lost_since(path, progress.step, tree["saved_at"])
    progress.num_restarts += 1
    progress.train_s += lost.seconds
    log = held.enter_context(EventLog.resume(path, tree["events"], listeners))
    log.emit("restart", step=progress.step, lost_steps=lost.steps, lost_s=lost.seconds)
    session.note(f"Going on after step {progress.step:,} of {session.recipe.epochs * facts['steps_per_epoch']:,}.")
    if session.on_progress is not None:
        session.on_progress(progress.images)
    return Begun(progress, log)


def _restore_generators(session: Session, learner: Learner, then: Setting, tree: dict[str, Any]) -> None:
    """Gives each rank its generators back; other ranks than before need none where nothing was drawn."""
    if then.world_size == session.world.size:
        restore_generators(tree["generators"][session.world.rank], session.device)
        return
    seed_generators(session.seed, 0)
    untouched = captured_generators(session.device)
    seed_generators(session.seed, session.world.rank)
    reasons = rank_dependencies(
        learner.module,
        mixes=session.recipe.mixes,
        synced=session.recipe.bn == "sync",
        drew=not same_state(untouched, tree["generators"][0]),
    )
    check_world_size(then.world_size, session.world.size, reasons)


def _setting_then(checkpoint: Checkpoint) -> Setting:
    return Setting.parse(checkpoint.tree["setting"], path=checkpoint.path)
