"""Passes over a dataset in processes of their own, for the tests of the crop cache: `kills` or `together`.

Arguments: what to do, the dataset's folder, the cache folder, a number. Prints one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.data import loader
from bench.data.cache import open_crops
from bench.data.dataset import Dataset, open_dataset
from bench.records.protocol import DatasetSpec, Geometry

GEOMETRY = Geometry(resize=32, crop=28)
DIGEST = "d" * 64


def one_pass(dataset: Dataset, cache_folder: Path, *, batch_size: int = 7, tell: int | None = None) -> str:
    """The sha256 of all pixels of a pass with the cache; writes a byte to `tell` once the first batch is there."""
    pixels = hashlib.sha256()
    crops = open_crops(cache_folder, dataset, DIGEST, GEOMETRY, "single", on_note=notes.append)
    assert crops is not None
    with crops:
        for batch in loader.iter_batches(dataset, GEOMETRY, batch_size=batch_size, num_threads=2, cache=crops):
            pixels.update(batch.images_NHWC)
            if tell is not None and batch.start == 0:
                os.write(tell, b".")
    return pixels.hexdigest()


def kills(dataset: Dataset, cache_folder: Path, num_kills: int) -> dict[str, object]:
    """Kills so many passes at random moments, each resuming the one before, then does a last one."""
    one_pass(replace(dataset, samples=dataset.samples[:1]), cache_folder)  # imports all there is, before the forks
    chance = np.random.default_rng(0)
    missing = []
    for number in range(num_kills):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            one_pass(dataset, cache_folder, tell=writing)
            time.sleep(60)
        os.close(writing)
        if number % 4:  # every fourth is killed while it starts
            os.read(reading, 1)
        time.sleep(chance.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        missing.append(num_missing(dataset, cache_folder))
    return {"missing": missing, "pixels": one_pass(dataset, cache_folder)}


def num_missing(dataset: Dataset, cache_folder: Path) -> int:
    """How many images the cache lacks."""
    crops = open_crops(cache_folder, dataset, DIGEST, GEOMETRY, "single", on_note=notes.append)
    assert crops is not None
    with crops:
        return crops.num_missing


def together(dataset: Dataset, cache_folder: Path, num_processes: int) -> dict[str, object]:
    """Lets so many processes fill one cache at once; the pixels that each of them saw."""
    pipes = []
    for number in range(num_processes):
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.write(writing, one_pass(dataset, cache_folder, batch_size=3 + number).encode())
            os._exit(0 if not notes else 1)
        os.close(writing)
        pipes.append(reading)
    states = [os.wait()[1] for _ in pipes]
    return {"states": states, "pixels": [os.read(reading, 64).decode() for reading in pipes]}


if __name__ == "__main__":
    notes: list[str] = []
    what, data, cache_folder, number = sys.argv[1:]
    spec = DatasetSpec(name="imagenet-1k", split="val", num_samples=50_000)
    images = open_dataset(Path(data), spec, allow_partial=True)
    original = loader.read_sample
    loader.read_sample = lambda sample: (time.sleep(0.002), original(sample))[1]  # a slow disk: more moments to hit
    found = (kills if what == "kills" else together)(images, Path(cache_folder), int(number))
    sys.stdout.write(json.dumps(found | {"notes": notes}))
