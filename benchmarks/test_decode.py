"""How long images take, decoded and from the cache: `pytest benchmarks --benchmark-only`.

Each benchmark reads 64 photographs of real sizes through the loader, so the figures are those of 64 images.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from workload import CROP_PCT, IMG_SIZE, plain_decode, write_photos

from bench.data.cache import CropCache, open_crops
from bench.data.contents import dataset_digest
from bench.data.dataset import Dataset, open_dataset
from bench.data.loader import iter_batches
from bench.data.transforms import geometry_of
from bench.protocols import load_protocol
from bench.records.submission import InputSpec

NUM_PHOTOS = 64
BATCH = 32
THREADS = len(os.sched_getaffinity(0))
GEOMETRY = geometry_of(InputSpec(img_size=IMG_SIZE, crop_pct=CROP_PCT))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Photographs of real sizes."""
    folder = write_photos(tmp_path_factory.mktemp("photos"), NUM_PHOTOS)
    return open_dataset(folder, load_protocol("imagenet-val-open").dataset, allow_partial=True)


def _open_cache(dataset: Dataset, folder: Path, views: Any = "single") -> CropCache:
    digest = dataset_digest(dataset, cache_folder=folder, num_threads=THREADS)
    cache = open_crops(folder, dataset, digest, GEOMETRY, views, on_note=print)
    assert cache is not None
    return cache


def _read(dataset: Dataset, cache: CropCache | None, views: Any = "single") -> int:
    batches = iter_batches(dataset, GEOMETRY, views=views, batch_size=BATCH, num_threads=THREADS, cache=cache)
    return sum(batch.count for batch in batches)


def test_plain_pillow(benchmark: Any, dataset: Dataset) -> None:
    """The reference: open, convert, resize, crop in as many threads."""
    images_NHWC = benchmark(plain_decode, [sample.path for sample in dataset.samples], THREADS)
    assert len(images_NHWC) == NUM_PHOTOS


def test_decode(benchmark: Any, dataset: Dataset) -> None:
    """The loader without a cache."""
    assert benchmark(_read, dataset, None) == NUM_PHOTOS


def test_decode_of_ten_crops(benchmark: Any, dataset: Dataset) -> None:
    """Ten crops an image are cut from one decoded square."""
    assert benchmark(_read, dataset, None, "ten-crop") == NUM_PHOTOS


@pytest.mark.parametrize("views", ["single", "ten-crop"])
def test_cache_read(benchmark: Any, dataset: Dataset, tmp_path: Path, views: str) -> None:
    """The loader from a warm cache: read, checked, and for ten crops cut."""
    with _open_cache(dataset, tmp_path, views) as cache:
        _read(dataset, cache, views)
        assert benchmark(_read, dataset, cache, views) == NUM_PHOTOS
        assert cache.num_read > NUM_PHOTOS


def test_cache_fill(benchmark: Any, dataset: Dataset, tmp_path: Path) -> None:
    """Decoding and filling an empty cache on the way."""
    number = iter(range(1_000_000))
    with ExitStack() as caches:

        def empty_cache() -> tuple[tuple[Dataset, CropCache], dict[str, Any]]:
            return (dataset, caches.enter_context(_open_cache(dataset, tmp_path / str(next(number))))), {}

        assert benchmark.pedantic(_read, setup=empty_cache, rounds=10) == NUM_PHOTOS
