"""Images a second from JPEG files to augmented uint8 batches: ours, timm's loader and torchvision's, on the same cores.

    python benchmarks/training_loading.py [--data DIR] [--recipe plain] [--pairs 9] [--images 900] [--cores 2]

DIR holds photographs as <DIR>/val/<WNID>/*.JPEG (by default those of BENCH_TEST_DATA), which are gone through several
times an epoch. All loaders make the same random crops, mirrors and drawn operations of the recipe at 224 pixels, with
as many workers as cores, in batches of 50. They stay resident and take turns in drawn order; a figure is the median
over the rounds of the ratio to ours in the same round, with its range. CPU time, of all processes together, tells more
on a machine that others use.

    ours             threads, each image written into its row of the batch
    ours, stored     resized images kept as pixels (recipe resized)
    ours, processes  the same pixels from the worker processes of torch's DataLoader
    timm, uint8      timm's `create_loader`, taken before its prefetcher normalises: the least it can do
    timm             the same with its prefetcher, which normalises on the device, here the CPU
    torchvision      the reference's preset (backend PIL): workers convert to float and normalise
    other pixels     threads with torchvision's JPEG decoder and its resize of tensors, which rounds otherwise
"""

from __future__ import annotations

import argparse
import atexit
import os
import random
import shutil
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image
from torchvision import transforms as tv
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2 import functional as of_tensors

from bench.data.dataset import Dataset, open_dataset, read_sample
from bench.data.dice import Dice
from bench.data.resized import ResizedImages, fill_resized
from bench.data.transforms import decode
from bench.protocols import load_protocol
from bench.records.protocol import Protocol
from bench.records.recipe import Augmentation
from bench.training.augment import augment
from bench.training.crops import crop_box
from bench.training.feeding import TrainingImages

BATCH, SIDE = 50, 224
RECIPES: dict[str, tuple[dict[str, Any], str | None, Callable[[], list[Any]]]] = {
    # ours, timm's name of it (None: timm has it not), torchvision's transforms
    "plain": ({}, "", list),
    "randaugment": (
        {"auto": "randaugment", "auto_ops": 2, "auto_magnitude": 7.0, "auto_magnitude_sd": 0.5},
        "rand-m7-mstd0.5-inc1",
        lambda: [tv.RandAugment(interpolation=tv.InterpolationMode.BILINEAR)],
    ),
    "trivialaugment": (
        {"auto": "trivialaugment"},
        None,
        lambda: [tv.TrivialAugmentWide(interpolation=tv.InterpolationMode.BILINEAR)],
    ),
}
Epoch = Callable[[], Iterator[int]]
"""Goes through all images once; yields how many are in each batch."""


def the_protocol(augmentation: dict[str, Any]) -> Protocol:
    """A training protocol at 224 pixels."""
    content = load_protocol("shapes10-train").as_json()
    content["id"] = "loading-train"
    content["geometry"] |= {"resize": 256, "crop": SIDE}
    content["recipe"] |= {
        "batch_size": BATCH,
        "drop_last": False,
        "augmentation": {"crop_from": "original"} | augmentation,
    }
    return Protocol.parse(content)


def the_images(folder: Path, num_images: int) -> Dataset:
    """The photographs, as often as it takes, each time with ids of their own."""
    spec = load_protocol("imagenet-val-open").dataset
    once = open_dataset(folder, spec, allow_partial=True)
    rounds = range(-(-num_images // len(once)))
    samples = tuple(replace(sample, id=f"{sample.id}#{number}") for number in rounds for sample in once.samples)
    return replace(once, samples=samples[:num_images])


def ours(dataset: Dataset, protocol: Protocol, workers: int, stored: ResizedImages | None = None) -> Epoch:
    """Our loader."""
    images = TrainingImages(dataset, protocol, workers, stored=stored)
    epochs = iter(range(1_000_000))
    return lambda: (len(batch.labels_N) for batch in images.epoch(next(epochs), seed=0))


class Drawn(torch.utils.data.Dataset[Any]):
    """Our pixels, one image at a time."""

    def __init__(self, dataset: Dataset, augmentation: Augmentation) -> None:
        self.dataset, self.augmentation = dataset, augmentation

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: int) -> tuple[np.ndarray, int]:
        sample = self.dataset.samples[position]
        dice = Dice(f"{random.random()}/{sample.id}")  # noqa: S311
        image = decode(read_sample(sample), sample.shown)
        return np.array(augment(image, self.augmentation, SIDE, dice)), sample.label


class Opened(torch.utils.data.Dataset[Any]):
    """Pillow images from the files, with a library's transform, as ImageFolder and timm's ImageDataset have them."""

    def __init__(self, dataset: Dataset, transform: Any = None) -> None:
        self.paths = [(sample.path, sample.label) for sample in dataset.samples]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> tuple[Any, int]:
        path, label = self.paths[position]
        with path.open("rb") as file:
            image = Image.open(file).convert("RGB")
        return self.transform(image), label


def of_loader(loader: Any) -> Epoch:
    """An epoch of a library's loader."""
    return lambda: (len(labels) for _, labels in loader)


def torch_loader(dataset: Any, workers: int) -> Any:
    """What torch loads it with."""
    return torch.utils.data.DataLoader(
        dataset, BATCH, shuffle=True, num_workers=workers, persistent_workers=True, drop_last=False
    )


def timm_loader(dataset: Dataset, name: str, workers: int) -> Any:
    """What timm trains with."""
    from timm.data import create_loader

    return create_loader(
        Opened(dataset),
        (3, SIDE, SIDE),
        BATCH,
        is_training=True,
        hflip=0.5,
        color_jitter=None,
        auto_augment=name or None,
        interpolation="bilinear",
        num_workers=workers,
        device=torch.device("cpu"),
        pin_memory=False,
        persistent_workers=True,
    )


def torchvision_preset(operations: list[Any], crop: Any = None) -> Any:
    """`ClassificationPresetTrain` of torchvision's references/classification/presets.py, backend PIL."""
    return tv.Compose(
        [
            crop or tv.RandomResizedCrop(SIDE, interpolation=tv.InterpolationMode.BILINEAR, antialias=True),
            tv.RandomHorizontalFlip(0.5),
            *operations,
            tv.PILToTensor(),
            tv.ConvertImageDtype(torch.float),
            tv.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )


def other_pixels(dataset: Dataset, augmentation: Augmentation, workers: int) -> Epoch:
    """Crop, mirror and nothing else, on tensors."""

    def fill(row_HWC: np.ndarray, position: int) -> None:
        sample = dataset.samples[position]
        dice = Dice(f"{random.random()}/{sample.id}")  # noqa: S311
        content = torch.frombuffer(bytearray(read_sample(sample)), dtype=torch.uint8)
        pixels_CHW = decode_jpeg(content, mode=ImageReadMode.RGB)
        left, top, width, height = crop_box(pixels_CHW.shape[2], pixels_CHW.shape[1], augmentation, dice)
        part_CHW = of_tensors.resized_crop(pixels_CHW, top, left, height, width, [SIDE, SIDE], antialias=True)
        part_HWC = part_CHW.permute(1, 2, 0).numpy()
        row_HWC[:] = part_HWC[:, ::-1] if dice.fraction() < 0.5 else part_HWC

    def epoch() -> Iterator[int]:
        with ThreadPoolExecutor(workers) as pool:
            pending: deque[list[Future[None]]] = deque()
            for start in range(0, len(dataset), BATCH):
                rows_NHWC = np.empty((min(BATCH, len(dataset) - start), SIDE, SIDE, 3), dtype=np.uint8)
                pending.append([pool.submit(fill, row, start + number) for number, row in enumerate(rows_NHWC)])
                if len(pending) > 3:
                    yield len([future.result() for future in pending.popleft()])
            for futures in pending:
                yield len([future.result() for future in futures])

    return epoch


def resized_loaders(dataset: Dataset, workers: int) -> dict[str, Epoch]:
    """AlexNet's way: squares at random places of resized images, which may be kept as pixels."""
    protocol = the_protocol({"crop_from": "resized", "crop": "random"})
    assert protocol.geometry is not None
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    stored = fill_resized(Path(folder), dataset, "0" * 64, protocol.geometry, num_threads=workers)
    preset = torchvision_preset([], tv.Compose([tv.Resize(256, antialias=True), tv.RandomCrop(SIDE)]))
    return {
        "ours": ours(dataset, protocol, workers),
        "ours, stored": ours(dataset, protocol, workers, stored),
        "torchvision": of_loader(torch_loader(Opened(dataset, preset), workers)),
    }


def the_loaders(dataset: Dataset, recipe: str, workers: int) -> dict[str, Epoch]:
    """All that can do the recipe, by name."""
    if recipe == "resized":
        return resized_loaders(dataset, workers)
    keys, of_timm, of_torchvision = RECIPES[recipe]
    protocol = the_protocol(keys)
    assert protocol.recipe is not None
    augmentation = protocol.recipe.augmentation
    loaders = {
        "ours": ours(dataset, protocol, workers),
        "ours, processes": of_loader(torch_loader(Drawn(dataset, augmentation), workers)),
        "torchvision": of_loader(torch_loader(Opened(dataset, torchvision_preset(of_torchvision())), workers)),
    }
    if of_timm is not None:
        loaders["timm, uint8"] = of_loader(timm_loader(dataset, of_timm, workers).loader)
        loaders["timm"] = of_loader(timm_loader(dataset, of_timm, workers))
    if recipe == "plain":
        loaders["other pixels"] = other_pixels(dataset, augmentation, workers)
    return loaders


def cpu_seconds() -> float:
    """Of this process and its children."""
    process = psutil.Process()
    times = [found.cpu_times() for found in (process, *process.children(recursive=True))]
    return sum(spent.user + spent.system for spent in times)


def measure(loaders: dict[str, Epoch], num_rounds: int) -> dict[str, list[tuple[float, float]]]:
    """(images a second, CPU milliseconds an image) of each loader in each round; a round before them is not counted."""
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in loaders}
    for number in range(num_rounds + 1):
        for name in random.sample(list(loaders), len(loaders)):
            cpu, start = cpu_seconds(), time.perf_counter()
            count = sum(loaders[name]())
            seconds = time.perf_counter() - start
            if number:
                figures[name].append((count / seconds, (cpu_seconds() - cpu) / count * 1000))
    return figures


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Prints a row a loader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("BENCH_TEST_DATA", ".")) / "imagenet-sample"
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--recipe", choices=[*RECIPES, "resized"], default="plain")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--images", type=int, default=900)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    torch.set_num_threads(1)
    figures = measure(
        the_loaders(the_images(options.data, options.images), options.recipe, options.cores), options.pairs
    )
    print(f"{'loader':16} {'images/s':>24} {'ours over it':>22} {'CPU ms/image':>22} {'its CPU over ours':>22}")
    for name, found in figures.items():
        rates, cpus = ([figure[column] for figure in found] for column in (0, 1))
        mine = figures["ours"]
        faster = [reference[0] / rate for reference, rate in zip(mine, rates, strict=True)]
        dearer = [cpu / reference[1] for reference, cpu in zip(mine, cpus, strict=True)]
        print(f"{name:16} {spread(rates):>24} {spread(faster):>22} {spread(cpus):>22} {spread(dearer):>22}")


if __name__ == "__main__":
    main()
