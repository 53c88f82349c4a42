"""Batches are ordered and complete, whatever the number of threads; faults and interruptions end them at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from bench.data.dataset import Dataset, Sample, read_sample
from bench.data.loader import batches_a_turn, iter_batches
from bench.data.transforms import decode, view_pixels
from bench.errors import DataError, UsageError
from bench.records.protocol import Geometry

GEOMETRY = Geometry(resize=32, crop=28)


@pytest.fixture
def dataset(eleven_images: Dataset) -> Dataset:
    """Eleven images of three classes."""
    return eleven_images


def decode_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("bench-decode")]


@pytest.mark.parametrize(("batch_size", "turn"), [(1, 1), (2, 3), (4, 2), (11, 5), (100, 1)])
def test_decoding_takes_turns_with_its_receiver(batch_size: int, turn: int, dataset: Dataset) -> None:
    """The batches are the same, and while the receiver has those of a turn no image is being decoded."""
    beside = list(iter_batches(dataset, GEOMETRY, batch_size=batch_size, num_threads=2))
    batches = []
    for batch in iter_batches(dataset, GEOMETRY, batch_size=batch_size, num_threads=2, turn=turn):
        before = batch.images_NHWC.copy()
        time.sleep(0.01)
        batches.append(batch)

        assert np.array_equal(batch.images_NHWC, before)
    assert [batch.start for batch in batches] == [batch.start for batch in beside]
    for one, other in zip(batches, beside, strict=True):
        assert np.array_equal(one.images_NHWC, other.images_NHWC)


def test_a_turn_is_bounded_in_memory() -> None:
    """At 224 pixels and batch 32, a turn has as many batches as fit into 64 MiB, and never none."""
    assert batches_a_turn(Geometry(resize=256, crop=224), "single", 32) == (64 << 20) // (32 * 224 * 224 * 3)
    assert batches_a_turn(Geometry(resize=256, crop=224), "ten-crop", 256) == 1


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


def test_memory_is_a_fixed_number_of_batches(dataset: Dataset) -> None:
    """However long the dataset, a receiver that keeps nothing lets the memory of old batches go."""
    given: list[weakref.ref[npt.NDArray[np.uint8]]] = []
    most = 0

    def allocate(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        images_NHWC = np.empty(shape, dtype=np.uint8)
        given.append(weakref.ref(images_NHWC))
        return images_NHWC

    long = replace(dataset, samples=dataset.samples * 20)
    for _ in iter_batches(long, GEOMETRY, batch_size=11, num_threads=2, allocate=allocate):
        most = max(most, sum(memory() is not None for memory in given))

    assert len(given) == 20
    assert most <= 4  # three ahead, one in use


def test_batches_lie_in_the_memory_that_is_given(dataset: Dataset) -> None:
    """Pinned buffers are filled in place, the last one at its own size."""
    given: list[npt.NDArray[np.uint8]] = []

    def allocate(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        given.append(np.full(shape, 7, dtype=np.uint8))
        return given[-1]

    batches = list(iter_batches(dataset, GEOMETRY, batch_size=4, num_threads=2, allocate=allocate))

    assert all(batch.images_NHWC is memory for batch, memory in zip(batches, given, strict=True))
    assert [memory.shape for memory in given] == [(4, 28, 28, 3), (4, 28, 28, 3), (3, 28, 28, 3)]


def test_ten_crops_decode_each_file_once(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The views of an image are cut out of one decoded and resized picture."""
    read: list[str] = []

    def spy(sample: Sample) -> bytes:
        read.append(sample.id)
        return read_sample(sample)

    monkeypatch.setattr("bench.data.loader.read_sample", spy)
    num_rows = sum(
        len(batch.images_NHWC)
        for batch in iter_batches(dataset, GEOMETRY, views="ten-crop", batch_size=4, num_threads=3)
    )

    assert num_rows == 110
    assert sorted(read) == list(dataset.sample_ids)


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
