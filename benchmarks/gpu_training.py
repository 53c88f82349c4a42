"""Training on a CUDA GPU: `python benchmarks/gpu.py train`, which runs this file; three rows of images a second.

- our step on batches that lie on the device: what the GPU can do
- our whole loop, fed from JPEG files by its own loader: what a training does; target 0.95 of the row above
- timm's training step (its train script's: autocast, zero_grad, backward, step) on batches that lie on the device

ResNet-50 at 224 px, bf16, channels last, compiled, SGD. Rounds are interleaved; ratios are medians over the rounds. The
loader needs about one core for 60 images a second, so `--threads` decides the second row on most machines.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import timm
import torch
from timm.optim import create_optimizer_v2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from training_loading import the_images, the_protocol
from training_loop import NoSaver, our_stepper
from workload import write_photos

from bench.backends.arithmetic import arithmetic
from bench.models.build import BuiltModel
from bench.records.submission import InputSpec
from bench.training.distributed import ALONE
from bench.training.energy import EnergyMeter
from bench.training.events import EventLog
from bench.training.feeding import TrainingBatch, TrainingImages
from bench.training.loop import Loop, run_epochs
from bench.training.progress import Progress
from bench.training.signals import StopRequest
from bench.training.staging import DeviceBatch

SIDE = 224
TARGET = 0.95


def rate(work: Callable[[], int], device: str) -> float:
    """Images a second of work that returns how many it saw."""
    synchronize = torch.cuda.synchronize if device.startswith("cuda") else (lambda: None)
    synchronize()
    started = time.perf_counter()
    num_images = work()
    synchronize()
    return num_images / (time.perf_counter() - started)


def timm_step(options: argparse.Namespace) -> Callable[[], int]:
    """Steps as those of timm's train script, on images that lie on the device, normalised already."""
    model = timm.create_model(options.model, num_classes=1000).to(options.device)
    model = model.to(memory_format=torch.channels_last).train()
    optimizer = create_optimizer_v2(model, opt="sgd", lr=0.1, weight_decay=1e-4, momentum=0.9)
    task = torch.compile(model) if options.compile else model
    loss_of = torch.nn.CrossEntropyLoss()
    images_NCHW = torch.randn(options.batch_size, 3, SIDE, SIDE, device=options.device)
    images_NCHW = images_NCHW.contiguous(memory_format=torch.channels_last)
    labels_N = torch.randint(0, 1000, (options.batch_size,), device=options.device)

    def run() -> int:
        for _ in range(options.steps):
            with torch.autocast(options.device.partition(":")[0], dtype=torch.bfloat16):
                loss = loss_of(task(images_NCHW), labels_N)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return options.steps * options.batch_size

    return run


def our_steps(options: argparse.Namespace, work: Path) -> tuple[Callable[[], int], Callable[[], int]]:
    """Our step on batches that lie on the device, and our loop on JPEG files; the same network in both."""
    protocol = the_protocol({})
    assert protocol.recipe is not None
    recipe = protocol.recipe.model_copy(
        update={
            "epochs": 1,
            "batch_size": options.batch_size,
            "drop_last": True,
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "weight_decay": 1e-4,
            "evaluate_every_epochs": 0,
        }
    )
    protocol = protocol.model_copy(update={"recipe": recipe})
    photos = write_photos(work / "photos", min(options.photos, options.steps * options.batch_size))
    dataset = the_images(photos, options.steps * options.batch_size)
    images = TrainingImages(dataset, protocol, options.threads)
    built = BuiltModel(module=timm.create_model(options.model, num_classes=1000), input=InputSpec(img_size=SIDE))
    stepper = our_stepper(built, recipe, options.steps, 1000, SIDE, options.device, "bf16", compiled=options.compile)
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (options.batch_size, SIDE, SIDE, 3), dtype=np.uint8)
    labels_N = np.arange(options.batch_size) % 1000
    host = TrainingBatch(0, options.batch_size, np.arange(options.batch_size), pixels_NHWC, labels_N)
    staged = DeviceBatch(
        host, torch.from_numpy(pixels_NHWC).to(options.device), torch.from_numpy(labels_N).to(options.device)
    )

    def resident() -> int:
        for step in range(options.steps):
            stepper(staged, epoch=0, step=step)
        return options.steps * options.batch_size

    def fed() -> int:
        progress = Progress()
        loop: Any = Loop(
            stepper=stepper,
            images=images,
            recipe=recipe,
            world=ALONE,
            log=EventLog(None),
            saver=NoSaver(),  # type: ignore[arg-type]
            checkpoint_every=10 * options.steps,
            setting={},
            stop=StopRequest(),
            energy=EnergyMeter.of(options.device),
        )
        run_epochs(loop, progress)
        print(f"    waiting for data: {100 * progress.wait_s / progress.train_s:.1f} % of the time", flush=True)
        return progress.images

    return resident, fed


def main() -> None:
    """Prints the rates and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", default="cuda:0", help="cpu only to see that it runs")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    if options.device.startswith("cuda"):
        if not torch.cuda.is_available():
            sys.exit("there is no CUDA device here; nothing was measured")
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}", flush=True)
    words = "compiled" if options.compile else "eager"
    print(f"{options.model}, bf16, batch {options.batch_size}, {words}, {options.threads} threads", flush=True)
    with tempfile.TemporaryDirectory() as name, arithmetic("bf16"):
        resident, fed = our_steps(options, Path(name))
        works = {"ours, on the device": resident, "ours, fed from JPEG": fed, "timm, on the device": timm_step(options)}
        for work in works.values():
            work()  # compiles, chooses kernels, fills caches of the file system
        rates: dict[str, list[float]] = {title: [] for title in works}
        for _ in range(options.rounds):
            for title, work in works.items():
                rates[title].append(rate(work, options.device))
    for title, found in rates.items():
        print(f"  {title}: {median(found):,.0f} images/s ({min(found):,.0f} to {max(found):,.0f})")
    ours, loop, timms = rates.values()
    fed_ratio = median(a / b for a, b in zip(loop, ours, strict=True))
    print(f"  fed over on the device: {fed_ratio:.3f}; target {TARGET}: {'met' if fed_ratio >= TARGET else 'missed'}")
    print(f"  our step over timm's: {median(a / b for a, b in zip(ours, timms, strict=True)):.3f}")


if __name__ == "__main__":
    main()
