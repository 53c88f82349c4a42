"""The network of a training on its device, with all that trains it, put together in the order that matters.

What draws random numbers comes first on every rank, what wraps the network last.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.errors import ModelError
from bench.training.learner import make_learner
from bench.training.losses import make_loss
from bench.training.network import first_look, warning_of_unused
from bench.training.parallel import with_synced_statistics
from bench.training.randomness import own_generators
from bench.training.step import Stepper, autocast_of
from bench.training.teacher import make_distillation
from bench.training.transfer import Prepared, freeze, prepare_network, training_mode

if TYPE_CHECKING:
    from bench.training.session import Session
    from bench.training.step import Loss

__all__ = ["make_stepper", "prepared", "rehearsed"]


def prepared(session: Session) -> Prepared:
    """The network with its initial weights, on the CPU; the first rank downloads what has to be downloaded."""
    for is_turn in (session.world.is_first, not session.world.is_first):
        with session.world.unison():
            if is_turn:
                network = prepare_network(
                    session.submission,
                    session.recipe,
                    session.dataset.classes,
                    cache_folder=session.cache_folder,
                    seed=session.seed,
                )
    return network


def make_stepper(session: Session, network: Prepared, steps_per_epoch: int) -> Stepper:
    """How a step is done with the network: on its device, shared among ranks, with optimizer and schedule.

    Raises:
        SubmissionError: The network cannot be trained.
        UsageError: Options exclude each other, or the teacher is not the recipe's.
    """
    recipe, device, world, options = session.recipe, session.device, session.world, session.options
    background = network.manifest.outputs.background
    num_classes = session.dataset.classes.num_classes
    with world.unison():
        _make_ready(session, network, num_classes + background)
        module = network.module
        if recipe.bn == "sync":
            module = with_synced_statistics(module, world, device)
        loss = _loss(session, num_classes, background=background)
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
    return Stepper(
        learner=learner,
        recipe=recipe,
        inputs=network.input,
        loss=loss,
        num_classes=num_classes,
        background=background,
        crop=session.crop,
        seed=session.seed,
        device=device,
        precision=session.precision,
        accumulate=options.accumulate,
        world=world,
    )


def rehearsed(session: Session, stepper: Stepper) -> float:
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


def _make_ready(session: Session, network: Prepared, num_outputs: int) -> None:
    """Puts the network on its device and into training; parameters that do not take part are named."""
    import torch

    module = network.module
    if not any(True for _ in module.parameters()):
        raise ModelError("the model has no parameters to train")
    # Channels last: a quarter faster for small convolutions on a CPU, and the layout that GPUs want.
    module.to(session.device).to(memory_format=torch.channels_last)
    freeze(module, session.recipe, network.head)
    training_mode(module, session.recipe, network.head)
    autocast = autocast_of(session.precision, session.device)
    with own_generators(session.device):
        unused = first_look(
            module, crop=session.crop, num_outputs=num_outputs, device=session.device, autocast=autocast
        )
    if unused:
        session.note(f"Warning: {warning_of_unused(unused)}")
    if session.world.size > 1:  # ranks would wait for gradients that never come
        for name, weight in module.named_parameters():
            weight.requires_grad_(weight.requires_grad and name not in unused)


def _loss(session: Session, num_classes: int, *, background: bool) -> Loss:
    """The recipe's loss, of labels alone or also of a teacher's answers."""
    if session.teacher is not None:
        return make_distillation(session.recipe, session.teacher, background=background)
    of_logits = make_loss(session.recipe, num_classes + background)
    return lambda logits_NC, targets, _: of_logits(logits_NC, targets)
