"""One training on one rank, from the submission's code to the last step: everything is put together here.

The order matters: what draws random numbers, what wraps the network, and what must be over before a state is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.backends.device import device_type
from bench.data.dataset import Dataset
from bench.errors import BenchError, ModelError, RankError, RequeueError
from bench.files import digest_of
from bench.models.build import BuiltModel, build_model
from bench.models.source import LoadedSubmission
from bench.records.protocol import Precision, Protocol
from bench.records.recipe import Recipe
from bench.training.attempts import round_name
from bench.training.checkpoint import Checkpoint, Saver
from bench.training.distributed import World
from bench.training.evaluating import Evaluator
from bench.training.events import EventLog, Listener
from bench.training.feeding import TrainingImages
from bench.training.learner import make_learner
from bench.training.loop import Loop, run_epochs
from bench.training.losses import make_loss
from bench.training.network import first_look, warning_of_unused
from bench.training.options import TrainOptions
from bench.training.parallel import with_synced_statistics
from bench.training.progress import EpochReport, Progress
from bench.training.randomness import captured_generators, own_generators, restore_generators, seed_generators
from bench.training.resume import (
    Setting,
    check_same_setting,
    check_world_size,
    lost_since,
    rank_dependencies,
    what_may_differ,
)
from bench.training.run_folder import CHECKPOINTS, EVENTS_FILE
from bench.training.saying import flops_of, say_end, say_failure, say_ready, say_start
from bench.training.signals import StopRequest
from bench.training.state import on_host, same_state
from bench.training.step import Stepper, autocast_of
from bench.training.tensorboard import tensorboard_listener
from bench.version import __version__

if TYPE_CHECKING:
    import torch

__all__ = ["MakeEvaluator", "Session", "Weights", "run_session"]

MakeEvaluator = Callable[[BuiltModel, str], Evaluator | None]
"""From the built network and its device to what evaluates it meanwhile."""
Weights = dict[str, "torch.Tensor"]


@dataclass(frozen=True, kw_only=True)
class Session:
    """What is trained, how, on what, where."""

    submission: LoadedSubmission
    protocol: Protocol
    recipe: Recipe
    dataset: Dataset
    digest: str
    """Of the dataset."""
    options: TrainOptions
    seed: int
    precision: Precision
    device: str
    deterministic: bool
    world: World
    stop: StopRequest
    run: Path
    """The folder of the training."""
    checkpoint: Checkpoint | None = None
    """Where it goes on; None for at the beginning."""
    make_evaluator: MakeEvaluator | None = None
    listeners: tuple[Listener, ...] = ()
    on_progress: Callable[[int], None] | None = None
    on_epoch: Callable[[EpochReport], None] | None = None
    on_note: Callable[[str], None] | None = None
    started: float = field(default_factory=time.perf_counter)

    @property
    def crop(self) -> int:
        """Side of the square that the network sees while training, in pixels."""
        assert self.protocol.geometry is not None, "kind 'train' has a geometry"  # noqa: S101 - checked by the record
        return self.recipe.augmentation.train_crop or self.protocol.geometry.crop

    def facts(self) -> dict[str, Any]:
        """What the event `start` says of the training before anything is built."""
        submission, options = self.submission, self.options
        return {
            "team": submission.team,
            "name": submission.name,
            "title": submission.manifest.title,
            "source": submission.manifest.model.source,
            "submission_digest": submission.digest,
            "protocol": self.protocol.id,
            "protocol_digest": self.protocol.digest(),
            "recipe_digest": digest_of(self.recipe.as_json()),
            "dataset_digest": self.digest,
            "num_images": len(self.dataset),
            "attempt": options.attempt,
            "seed": self.seed,
            "round": round_name(options.round_key),
            "epochs": self.recipe.epochs,
            "world_size": self.world.size,
            "precision": self.precision,
            "compiled": options.compiled,
            "accumulate": options.accumulate,
            "sharded": options.shard,
            "deterministic": self.deterministic,
            "bn": self.recipe.bn,
            "device_type": device_type(self.device),
            "bench_version": __version__,
        }

    def note(self, sentence: str) -> None:
        """Tells the user something."""
        if self.on_note is not None:
            self.on_note(sentence)


def run_session(session: Session, images: TrainingImages | None) -> tuple[Progress, Weights]:
    """Trains to the end.

    Args:
        session: What is trained.
        images: The training images where they are decoded already.

    Returns:
        How it went, and the state dict of the weights that are ranked, on the CPU.

    Raises:
        BenchError: See `bench.training.train.train`.
    """
    from bench.backends.arithmetic import arithmetic

    with ExitStack() as held:
        held.enter_context(arithmetic(session.precision, deterministic=session.deterministic))
        held.enter_context(own_generators(session.device))
        built = _built(session)
        with session.world.unison():
            images = images or TrainingImages(session.dataset, session.protocol, session.options.num_threads)
            images.prepare(_heeding(session))
        # Before the network is spread over the ranks: one of them counts.
        flops = flops_of(built.module, session.crop) if session.world.is_first else None
        stepper = _stepper(session, built, images.num_steps)
        compile_s = _rehearsed(session, stepper)
        setting = _setting(session)
        with session.world.unison():
            progress, log = _begun(session, stepper, setting, images.num_steps, held)
            if session.checkpoint is None:
                say_start(log, session.facts() | {"steps_per_epoch": images.num_steps, "flops_img": flops})
        progress.compile_s += compile_s
        progress.startup_s += time.perf_counter() - session.started - compile_s
        if session.checkpoint is None:
            say_ready(log, progress)
        saver = Saver(session.run / CHECKPOINTS, keep=session.options.keep, writes=session.world.is_first)
        loop = Loop(
            stepper=stepper,
            images=images,
            recipe=session.recipe,
            world=session.world,
            log=log,
            saver=held.enter_context(saver),
            checkpoint_every=session.options.checkpoint_every or images.num_steps,
            setting=setting.as_json(),
            stop=session.stop,
            evaluator=None if session.make_evaluator is None else session.make_evaluator(built, session.device),
            on_progress=session.on_progress,
            on_epoch=session.on_epoch,
        )
        try:
            run_epochs(loop, progress)
            weights = _ranked_weights(session, stepper)
        except (RequeueError, RankError):
            raise
        except BenchError as error:
            say_failure(log, error, progress, images.num_steps)
            raise
        say_end(log, progress, images.num_steps, session.device)
    return progress, weights


def _heeding(session: Session) -> Callable[[int], None]:
    """Shows the progress of decoding, and leaves it when asked to stop."""

    def advance(count: int) -> None:
        session.stop.leave_if_asked("before the first step; nothing was lost")
        if session.on_progress is not None:
            session.on_progress(count)

    return advance


def _built(session: Session) -> BuiltModel:
    """The network with its initial weights; the first rank downloads what has to be downloaded."""
    from_weights = session.recipe.start == "pretrained"
    for is_turn in (session.world.is_first, not session.world.is_first):
        with session.world.unison():
            if is_turn:
                built = build_model(
                    session.submission, cache_folder=session.run, with_weights=from_weights, seed=session.seed
                )
    return built


def _stepper(session: Session, built: BuiltModel, steps_per_epoch: int) -> Stepper:
    """The network on its device, with all that trains it, after a first look at it."""
    recipe, device, world, options = session.recipe, session.device, session.world, session.options
    background = session.submission.manifest.outputs.background
    num_classes = session.dataset.classes.num_classes
    with world.unison():
        module = _ready(session, built.module, num_classes + background)
        if recipe.bn == "sync":
            module = with_synced_statistics(module, world, device)
    learner = make_learner(
        module,
        recipe,
        steps_per_epoch,
        world=world,
        device=device,
        precision=session.precision,
        compiled=options.compiled,
        shard=options.shard,
    )
    of_logits = make_loss(recipe, num_classes + background)
    return Stepper(
        learner=learner,
        recipe=recipe,
        inputs=built.input,
        loss=lambda logits_NC, targets, _: of_logits(logits_NC, targets),
        num_classes=num_classes,
        background=background,
        crop=session.crop,
        seed=session.seed,
        device=device,
        precision=session.precision,
        accumulate=options.accumulate,
        world=world,
    )


def _ready(session: Session, module: torch.nn.Module, num_outputs: int) -> torch.nn.Module:
    """The network on its device, in training mode; parameters that do not take part are named and left alone."""
    import torch

    # Channels last: a quarter faster for small convolutions on a CPU, and the layout that GPUs want.
    module.to(session.device).to(memory_format=torch.channels_last).train().requires_grad_(True)
    if not any(True for _ in module.parameters()):
        raise ModelError("the model has no parameters to train")
    autocast = autocast_of(session.precision, session.device)
    with own_generators(session.device):
        unused = first_look(
            module, crop=session.crop, num_outputs=num_outputs, device=session.device, autocast=autocast
        )
    if unused:
        session.note(f"Warning: {warning_of_unused(unused)}")
        for name, weight in module.named_parameters():
            if name in unused:
                weight.requires_grad_(False)  # ranks would wait for their gradients
    return module


def _rehearsed(session: Session, stepper: Stepper) -> float:
    """Takes steps that change nothing where the first one would be slow; returns the seconds of compiling."""
    if not session.options.compiled and session.world.size == 1:
        return 0.0
    num_images = session.recipe.batch_size // session.world.size // session.options.accumulate
    seconds = []
    for _ in range(2 if session.options.compiled else 1):
        started = time.perf_counter()
        stepper.rehearse(num_images)
        seconds.append(time.perf_counter() - started)
    return max(0.0, seconds[0] - seconds[-1])


def _begun(
    session: Session, stepper: Stepper, setting: Setting, steps_per_epoch: int, held: ExitStack
) -> tuple[Progress, EventLog]:
    """Where the training stands, at its beginning or where its checkpoint has it, and where its events go."""
    seed_generators(session.seed, session.world.rank)
    path = session.run / EVENTS_FILE if session.world.is_first else None
    listeners = session.listeners
    if session.options.tensorboard and session.world.is_first:
        resumed_at = None if session.checkpoint is None else session.checkpoint.step
        folder = session.run / "tensorboard"
        listeners = (*listeners, held.enter_context(tensorboard_listener(folder, resumed_at=resumed_at)))
    if session.checkpoint is None:
        return Progress(), held.enter_context(EventLog(path, listeners))
    tree = session.checkpoint.tree
    then = Setting.parse(tree["setting"], path=session.checkpoint.path)
    check_same_setting(then, setting, session.checkpoint.path)
    check_world_size(then.world_size, setting.world_size, _rank_dependencies(session, stepper, tree))
    for phrase in what_may_differ(then, setting):
        session.note(f"Warning: {phrase} since the checkpoint; the last bits of the weights may differ")
    stepper.learner.load(tree["learner"])
    if then.world_size == setting.world_size:
        restore_generators(tree["generators"][session.world.rank], session.device)
    progress = Progress(**tree["progress"])
    lost = lost_since(path, progress.step, tree["saved_at"])
    progress.num_restarts += 1
    progress.train_s += lost.seconds
    log = held.enter_context(EventLog.resume(path, tree["events"], listeners))
    log.emit("restart", step=progress.step, lost_steps=lost.steps, lost_s=lost.seconds)
    session.note(f"Going on after step {progress.step:,} of {session.recipe.epochs * steps_per_epoch:,}.")
    if session.on_progress is not None:
        session.on_progress(progress.images)
    return progress, log


def _rank_dependencies(session: Session, stepper: Stepper, tree: dict[str, Any]) -> list[str]:
    """Why another number of ranks would change the training."""
    seed_generators(session.seed, 0)
    untouched = captured_generators(session.device)
    seed_generators(session.seed, session.world.rank)
    recipe = session.recipe
    return rank_dependencies(
        stepper.learner.module,
        mixes=recipe.mixes,
        synced=recipe.bn == "sync",
        drew=not same_state(untouched, tree["generators"][0]),
    )


def _ranked_weights(session: Session, stepper: Stepper) -> Weights:
    """The state dict of the weights that the recipe ranks, on the CPU; every rank takes part."""
    learner = stepper.learner
    takes_average = session.recipe.ranked_weights == "ema" and learner.average is not None
    ranked = learner.average.module if takes_average and learner.average is not None else learner.module
    return on_host(ranked.state_dict())


def _setting(session: Session) -> Setting:
    """What the training consists of, as its checkpoints say it."""
    import torch

    return Setting(
        protocol=session.protocol.id,
        protocol_digest=session.protocol.digest(),
        dataset_digest=session.digest,
        trained_from=session.submission.digest,
        attempt=session.options.attempt,
        seed=session.seed,
        precision=session.precision,
        accumulate=session.options.accumulate,
        compiled=session.options.compiled,
        deterministic=session.deterministic,
        sharded=session.options.shard,
        device_type=device_type(session.device),
        world_size=session.world.size,
        num_threads=torch.get_num_threads(),
        torch=str(torch.__version__),
        bench_version=__version__,
    )
