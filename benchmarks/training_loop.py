"""The training loop beside a loop written by hand, on the same batches in memory: it must cost next to nothing.

    python benchmarks/training_loop.py [SUBMISSION] [--pairs 15] [--steps 40] [--batch-size 32] [--device cpu]

Both train a network of their own from the same weights with the same optimizer, in one process, in turns of as many
steps, in drawn order, so that what else runs on the machine meets both. Ours is the loop of `bench train` as it is:
batches through `TrainingImages`' interface, losses, accuracy, events and schedule; only checkpoints are left out, which
the other has none of. The other is the plainest loop that trains. A pair gives the ratio of their images a second.
Target: a median of at least 0.97.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any, cast

import numpy as np
import torch

from bench.backends.arithmetic import arithmetic
from bench.backends.memory import keep_freed_memory
from bench.data.classes import class_table
from bench.models.build import BuiltModel, build_model
from bench.models.source import open_submission
from bench.protocols import load_protocol
from bench.records.protocol import Precision
from bench.records.recipe import Recipe
from bench.training.checkpoint import Saver
from bench.training.distributed import ALONE
from bench.training.energy import EnergyMeter
from bench.training.events import EventLog
from bench.training.feeding import TrainingBatch, TrainingImages
from bench.training.learner import make_learner
from bench.training.loop import Loop, run_epochs
from bench.training.losses import make_loss
from bench.training.progress import Progress
from bench.training.signals import StopRequest
from bench.training.step import Stepper

TARGET = 0.97


class Preloaded:
    """Batches in memory, handed out as `TrainingImages` does."""

    def __init__(self, batches: list[TrainingBatch], num_steps: int) -> None:
        self.num_steps = num_steps
        self._batches = batches

    def epoch(self, *_: Any, **__: Any) -> Iterator[TrainingBatch]:
        """The batches, again and again."""
        for step in range(self.num_steps):
            yield self._batches[step % len(self._batches)]._replace(step=step)


class NoSaver:
    """Keeps nothing."""

    last_step: int | None = None

    def save(self, step: int, _: Any) -> None:
        """Only remembers when."""
        self.last_step = step

    def wait(self) -> None:
        """Nothing is on its way."""


def batches_of(num_batches: int, batch_size: int, crop: int, num_classes: int) -> list[TrainingBatch]:
    """Random pixels and labels."""
    drawn = np.random.default_rng(0)
    return [
        TrainingBatch(
            step=0,
            global_size=batch_size,
            positions_N=np.arange(batch_size),
            images_NHWC=drawn.integers(0, 256, (batch_size, crop, crop, 3), dtype=np.uint8),
            labels_N=drawn.integers(0, num_classes, batch_size),
        )
        for _ in range(num_batches)
    ]


def our_stepper(
    built: BuiltModel,
    recipe: Recipe,
    num_steps: int,
    num_classes: int,
    crop: int,
    device: str,
    precision: Precision,
    *,
    compiled: bool = False,
) -> Stepper:
    """The step of `bench train` for a network, which is put on its device and into training."""
    module = built.module.to(device).to(memory_format=torch.channels_last).requires_grad_(True).train()
    learner = make_learner(
        module, recipe, num_steps, world=ALONE, device=device, precision=precision, compiled=compiled, shard=False
    )
    of_logits = make_loss(recipe, num_classes)
    return Stepper(
        learner=learner,
        recipe=recipe,
        inputs=built.input,
        loss=lambda logits_NC, targets, _: of_logits(logits_NC, targets),
        num_classes=num_classes,
        background=False,
        crop=crop,
        seed=0,
        device=device,
        precision=precision,
        accumulate=1,
        world=ALONE,
    )


def our_loop(stepper: Stepper, recipe: Recipe, batches: list[TrainingBatch], num_steps: int) -> Callable[[], None]:
    """So many steps by the loop of `bench train`."""
    log = EventLog(Path(tempfile.mkdtemp(prefix="bench-loop-")) / "events.jsonl")

    def run() -> None:
        loop = Loop(
            stepper=stepper,
            images=cast("TrainingImages", Preloaded(batches, num_steps)),
            recipe=recipe.model_copy(update={"epochs": 1}),
            world=ALONE,
            log=log,
            saver=cast("Saver", NoSaver()),
            checkpoint_every=10 * num_steps,
            setting={},
            stop=StopRequest(),
            energy=EnergyMeter.of(stepper.device),
        )
        run_epochs(loop, Progress())

    return run


def plain_loop(
    built: BuiltModel,
    recipe: Recipe,
    batches: list[TrainingBatch],
    num_steps: int,
    device: str,
) -> Callable[[], None]:
    """As many steps by the plainest loop; it looks at the loss once, at the end."""
    module = built.module.to(device).to(memory_format=torch.channels_last).requires_grad_(True).train()
    weights = [
        {"params": [weight for weight in module.parameters() if weight.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [weight for weight in module.parameters() if weight.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(weights, lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10_000)
    mean, std = (torch.tensor(one, device=device).view(1, 3, 1, 1) for one in (built.input.mean, built.input.std))

    def run() -> None:
        for step in range(num_steps):
            batch = batches[step % len(batches)]
            pixels_NHWC = torch.from_numpy(batch.images_NHWC).to(device, non_blocking=True)
            labels_N = torch.from_numpy(batch.labels_N).to(device, non_blocking=True)
            images_NCHW = pixels_NHWC.permute(0, 3, 1, 2).float().div_(255).sub_(mean).div_(std)
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(module(images_NCHW), labels_N)
            loss.backward()
            optimizer.step()
            schedule.step()
        loss.item()

    return run


def interleaved(
    first: Callable[[], None],
    second: Callable[[], None],
    pairs: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """The ratio of the second's time to the first's, a pair a number, in drawn order."""
    coins, ratios = random.Random(0), []  # noqa: S311 - no secret
    first(), second()
    for _ in range(pairs):
        seconds = {}
        order = [first, second]
        coins.shuffle(order)
        for run in order:
            started = clock()
            run()
            seconds[run] = clock() - started
        ratios.append(seconds[second] / seconds[first])
    return ratios


def main() -> None:
    """Prints the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("submission", nargs="?", default="submissions/demo/tiny-resnet")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true", help="the processor's time: for a machine that others use")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    recipe = load_protocol("shapes10-train").recipe
    assert recipe is not None
    entry = open_submission(options.submission)
    num_classes = class_table(entry.manifest.outputs.classes).num_classes
    crop = build_model(entry, cache_folder=Path(), with_weights=False).input.img_size
    batches = batches_of(4, options.batch_size, crop, num_classes)
    fresh = [build_model(entry, cache_folder=Path(), with_weights=False) for _ in range(2)]
    with arithmetic("fp32"):
        stepper = our_stepper(fresh[0], recipe, options.steps, num_classes, crop, options.device, "fp32")
        ours = our_loop(stepper, recipe, batches, options.steps)
        plain = plain_loop(fresh[1], recipe, batches, options.steps, options.device)
        ratios = interleaved(ours, plain, options.pairs, time.process_time if options.cpu_time else time.perf_counter)
    low, _, high = quantiles(ratios, n=4)
    print(
        f"{entry.label}, {options.device}, batch {options.batch_size}, {options.pairs} pairs of {options.steps} steps"
    )
    print(f"images/s of our loop over the plain loop: {median(ratios):.3f} (quartiles {low:.3f} to {high:.3f})")
    print(f"target {TARGET}: {'met' if median(ratios) >= TARGET else 'missed'}")


if __name__ == "__main__":
    main()
