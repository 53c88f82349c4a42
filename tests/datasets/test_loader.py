"""Batches are ordered and complete, whatever the number of threads; faults and interruptions end them at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.data.classes import ClassTable
from bench.data.dataset import Dataset, open_dataset, read_sample
from bench.data.loader import iter_batches
from bench.data.transforms import decode, view_pixels
from bench.errors import DataError, UsageError
from bench.records.protocol import DatasetSpec, Geometry

VAL = DatasetSpec(name="imagenet-1k", split="val", num_samples=50_000)
GEOMETRY = Geometry(resize=32, crop=28)


@pytest.fixture
def dataset(tmp_path: Path, imagenet: ClassTable, photo_bytes: Callable[..., bytes]) -> Dataset:
    """Eleven images of three classes."""
    for number in range(11):
        folder = tmp_path / "val" / imagenet.wnids[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{folder.name}_{number}.JPEG").write_bytes(photo_bytes(40 + number, 60 - number, seed=number))
    return open_dataset(tmp_path, VAL, allow_partial=True)


def decode_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("bench-decode")]


@pytest.mark.parametrize("views", ["single", "ten-crop"])
@pytest.mark.parametrize(("batch_size", "num_threads"), [(1, 1), (4, 3), (11, 2), (100, 2)])
def test_batches_hold_every_sample_in_order(batch_size: int, num_threads: int, views: str, dataset: Dataset) -> None:
    """Each row is what decoding that sample alone gives; all views of a sample stand together."""
    kind = "single" if views == "single" else "ten-crop"
    expected = np.concatenate(
        [view_pixels(decode(read_sample(sample), sample.id), GEOMETRY, kind) for sample in dataset.samples]
    )

    batches = list(iter_batches(dataset, GEOMETRY, views=kind, batch_size=batch_size, num_threads=num_threads))

    assert np.array_equal(np.concatenate([batch.images_NHWC for batch in batches]), expected)
    assert [batch.start for batch in batches] == list(range(0, 11, batch_size))
    assert sum(batch.count for batch in batches) == 11
    assert decode_threads() == []


def test_the_first_bad_file_in_canonical_order_is_named(dataset: Dataset) -> None:
    """Later bad files, and faster threads, do not hide it; the good batches before it are delivered."""
    for position in (9, 6):
        dataset.samples[position].path.write_bytes(b"not an image")
    batches = iter_batches(dataset, GEOMETRY, batch_size=3, num_threads=4)
    assert [next(batches).start, next(batches).start] == [0, 3]

    with pytest.raises(DataError) as caught:
        next(batches)

    assert str(caught.value).startswith(f"{dataset.samples[6].path}: is not an image")
    assert decode_threads() == []


def test_a_receiver_that_stops_early_leaves_no_threads(dataset: Dataset) -> None:
    """Closing the iterator ends the decoding."""
    batches = iter_batches(dataset, GEOMETRY, batch_size=1, num_threads=2)
    next(batches)
    batches.close()  # type: ignore[attr-defined]

    assert decode_threads() == []


def test_few_batches_are_decoded_ahead(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays flat: a slow receiver is waited for; two images a thread are ready for it."""
    read: list[str] = []

    def spy(sample: object) -> bytes:
        read.append(str(sample))
        return read_sample(sample)  # type: ignore[arg-type]

    monkeypatch.setattr("bench.data.loader.read_sample", spy)
    batches = iter_batches(dataset, GEOMETRY, batch_size=1, num_threads=2)
    next(batches)
    time.sleep(0.1)

    assert len(read) <= 5
    batches.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("batch_size", "num_threads"), [(0, 1), (1, 0)])
def test_sizes_must_be_positive(batch_size: int, num_threads: int, dataset: Dataset) -> None:
    """A batch of nothing is a mistake, told before the first batch is asked for."""
    with pytest.raises(UsageError, match="both must be 1 or more"):
        iter_batches(dataset, GEOMETRY, batch_size=batch_size, num_threads=num_threads)


def test_an_interrupt_ends_at_once(dataset: Dataset) -> None:
    """Ctrl-C while batches are being decoded: no hang, no waiting for what is queued."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "import bench.data.loader as loader; from bench.data.dataset import open_dataset\n"
        "from bench.records.protocol import DatasetSpec, Geometry\n"
        "original = loader.read_sample\n"
        "loader.read_sample = lambda sample: (time.sleep(1), original(sample))[1]\n"
        "spec = DatasetSpec(name='imagenet-1k', split='val', num_samples=50_000)\n"
        "dataset = open_dataset(Path(sys.argv[1]), spec, allow_partial=True)\n"
        "print('ready', flush=True)\n"
        "list(loader.iter_batches(dataset, Geometry(resize=32, crop=28), batch_size=11, num_threads=1))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, dataset.root], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(0.4)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        child.wait(timeout=10)

    assert time.monotonic() - began < 5  # eleven images would take eleven seconds
    assert child.returncode != 0
