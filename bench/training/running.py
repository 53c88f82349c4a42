"""One training on one rank, from the submission's code to the last step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.data.resized import find_resized
from bench.errors import BenchError, RankError, RequeueError, SubmissionError
from bench.records.submission import Submission
from bench.training.beginning import begin, check_resumable
from bench.training.building import make_stepper, prepared, rehearsed
from bench.training.checkpoint import Saver
from bench.training.energy import EnergyMeter
from bench.training.events import EventLog
from bench.training.feeding import TrainingImages
from bench.training.learner import Learner
from bench.training.loop import Loop, run_epochs
from bench.training.progress import Progress
from bench.training.randomness import own_generators
from bench.training.run_folder import CHECKPOINTS, EVENTS_FILE
from bench.training.saying import flops_of, say_end, say_failure, say_ready, say_start
from bench.training.session import Session
from bench.training.state import on_host

if TYPE_CHECKING:
    import torch

__all__ = ["Outcome", "run_session"]


class Outcome(NamedTuple):
    """What a training gave."""

    progress: Progress
    """How it went."""
    state: dict[str, torch.Tensor]
    """The state dict of the weights that are ranked, on the CPU."""
    manifest: Submission
    """The submission's manifest, with the outputs that it has now."""


def run_session(session: Session, images: TrainingImages | None) -> Outcome:
    """Trains to the end.

    Args:
        session: What is trained.
        images: The training images where they are decoded already.

    Raises:
        BenchError: See `bench.training.train.train`.
    """
    from bench.backends.arithmetic import arithmetic
    from bench.backends.memory import keep_freed_memory

    keep_freed_memory()
    with ExitStack() as held:
        held.enter_context(arithmetic(session.precision, deterministic=session.deterministic))
        held.enter_context(own_generators(session.device))
        digest = session.world.gather(session.digest)[0]  # only the first rank has it
        with session.world.unison():
            check_resumable(session)
            images = images or _images_of(session, digest)
            images.prepare(_heeding(session))
        facts = session.facts() | {"steps_per_epoch": images.num_steps}
        with _failures_told(session, facts):
            network = prepared(session)
            # Before the network is spread over the ranks: one of them counts.
            facts["flops_img"] = flops_of(network.module, session.crop) if session.world.is_first else None
            stepper = make_stepper(session, network, images.num_steps)
            compile_s = rehearsed(session, stepper)
        with session.world.unison():
            progress, log = begin(session, stepper.learner, facts, held)
        saver = Saver(session.run / CHECKPOINTS, keep=session.options.keep, writes=session.world.is_first)
        loop = Loop(
            stepper=stepper,
            images=images,
            recipe=session.recipe,
            world=session.world,
            log=log,
            saver=held.enter_context(saver),
            checkpoint_every=session.options.checkpoint_every or images.num_steps,
            setting=session.setting().as_json(),
            stop=session.stop,
            energy=EnergyMeter.of(session.device, before_j=progress.energy_j if session.world.is_first else 0.0),
            evaluator=None if session.make_evaluator is None else session.make_evaluator(network, session.device),
            on_progress=session.on_progress,
            on_epoch=session.on_epoch,
        )
        progress.compile_s += compile_s
        progress.startup_s += time.perf_counter() - session.started - compile_s
        if session.checkpoint is None:
            say_ready(log, progress)
        try:
            run_epochs(loop, progress)
            state = _ranked_state(session, stepper.learner)
        except (RequeueError, RankError):
            raise
        except BenchError as error:
            say_failure(log, error, progress, images.num_steps)
            raise
        say_end(log, progress, images.num_steps, session.device)
    return Outcome(progress, state, network.manifest)


def _images_of(session: Session, digest: str) -> TrainingImages:
    """The training images; resized ones from the cache folder where they are kept there."""
    geometry = session.protocol.geometry
    assert geometry is not None, "kind 'train' has a geometry"  # noqa: S101 - checked by the record
    stored = None
    if session.recipe.augmentation.crop_from == "resized":
        stored = find_resized(session.cache_folder, session.dataset, digest, geometry)
    return TrainingImages(session.dataset, session.protocol, session.options.num_threads, stored=stored)


@contextmanager
def _failures_told(session: Session, facts: dict[str, Any]) -> Iterator[None]:
    """Lets a training that fails before its first step leave events all the same."""
    try:
        yield
    except SubmissionError as error:
        if session.checkpoint is None and session.world.is_first:
            with EventLog(session.run / EVENTS_FILE, session.listeners) as log:
                say_start(log, {"flops_img": None} | facts)
                say_failure(log, error, Progress(), facts["steps_per_epoch"])
        raise


def _heeding(session: Session) -> Callable[[int], None]:
    """Shows the progress of decoding, and leaves it when asked to stop."""

    def advance(count: int) -> None:
        session.stop.leave_if_asked("before the first step; nothing was lost")
        if session.on_progress is not None:
            session.on_progress(count)

    return advance


def _ranked_state(session: Session, learner: Learner) -> dict[str, torch.Tensor]:
    """The state dict of the weights that the recipe ranks, on the CPU; every rank takes part."""
    module = learner.module
    if session.recipe.ranked_weights == "ema" and learner.average is not None:
        module = learner.average.module
    return on_host(module.state_dict())
