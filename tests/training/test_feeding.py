"""Shuffled, cropped and mirrored batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import RandomResizedCrop

from bench.data.dataset import Dataset
from bench.data.dice import Dice
from bench.errors import DataError
from bench.records.protocol import Augmentation, Protocol
from bench.training import feeding
from bench.training.feeding import TrainingBatch, TrainingImages, crop_box

MakeProtocol = Callable[..., Protocol]


def epoch(dataset: Dataset, protocol: Protocol, number: int = 0, *, num_threads: int = 2) -> list[TrainingBatch]:
    images = TrainingImages(dataset, protocol, num_threads)
    images.prepare()
    return list(images.epoch(number, 3))


def pixels(batches: list[TrainingBatch]) -> np.ndarray:
    return np.concatenate([batch.images_NHWC for batch in batches])


def test_an_epoch_shows_every_image_once(shapes: Dataset, make_protocol: MakeProtocol) -> None:
    """In batches of the recipe's size, uint8, shuffled."""
    batches = epoch(shapes, make_protocol())
    labels = np.concatenate([batch.labels_N for batch in batches]).tolist()

    assert [batch.images_NHWC.shape for batch in batches] == [(8, 32, 32, 3)] * 3
    assert pixels(batches).dtype == np.uint8
    assert sorted(labels) == sorted(shapes.labels_N.tolist())
    assert labels != shapes.labels_N.tolist()


def test_batches_depend_on_seed_and_epoch_alone(shapes: Dataset, make_protocol: MakeProtocol) -> None:
    """Not on threads, not on what was drawn before: an epoch can be repeated anywhere."""
    first = pixels(epoch(shapes, make_protocol(), 3))

    assert np.array_equal(first, pixels(epoch(shapes, make_protocol(), 3, num_threads=1)))
    assert not np.array_equal(first, pixels(epoch(shapes, make_protocol(), 4)))
    assert not np.array_equal(first, pixels(epoch(shapes, make_protocol(seed=1), 3)))


def test_images_that_do_not_fit_in_memory_are_decoded_each_time(
    shapes: Dataset, make_protocol: MakeProtocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same pixels."""
    kept = pixels(epoch(shapes, make_protocol()))
    monkeypatch.setattr(feeding, "_MEMORY_LIMIT_BYTES", 1000)

    assert not TrainingImages(shapes, make_protocol(), 1).fits
    assert np.array_equal(kept, pixels(epoch(shapes, make_protocol())))


def test_without_augmentation_left_and_right_stay(shapes: Dataset, make_protocol: MakeProtocol) -> None:
    """A mirror with probability 1 is the mirror of one with probability 0."""
    whole = {"crop_scale": [1.0, 1.0], "crop_ratio": [0.75, 1.3333333333333333]}
    plain = pixels(epoch(shapes, make_protocol(augmentation=whole | {"horizontal_flip": 0.0})))
    mirrored = pixels(epoch(shapes, make_protocol(augmentation=whole | {"horizontal_flip": 1.0})))

    assert np.array_equal(plain, mirrored[:, :, ::-1])


def test_a_damaged_image_stops_the_training(
    shapes: Dataset, make_protocol: MakeProtocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the file; nothing takes its place."""
    bad = shapes.samples[7]
    true_read = feeding.read_sample
    monkeypatch.setattr(feeding, "read_sample", lambda sample: b"no" if sample is bad else true_read(sample))

    with pytest.raises(DataError, match=bad.path.name):
        TrainingImages(shapes, make_protocol(), 2).prepare()


@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 1 << 60))
def test_crops_lie_inside_the_image(width: int, height: int, name: int) -> None:
    """For every shape of image, also extreme ones."""
    left, top, w, h = crop_box(width, height, Augmentation(), Dice(str(name)))

    assert 0 <= left <= left + w <= width
    assert 0 <= top <= top + h <= height
    assert w > 0
    assert h > 0


def test_crops_are_distributed_as_torchvisions() -> None:
    """Means of area, ratio and place over 4,000 crops agree within four standard errors."""
    augmentation = Augmentation(crop_scale=(0.2, 1.0))
    ours = np.array([crop_box(500, 375, augmentation, Dice(f"{n}")) for n in range(4000)], dtype=float)
    torch.manual_seed(0)
    image = torch.empty(3, 375, 500)
    drawn = [RandomResizedCrop.get_params(image, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)]
    theirs = np.array([(left, top, w, h) for top, left, h, w in drawn], dtype=float)

    def facts(boxes: np.ndarray) -> np.ndarray:
        left, top, w, h = boxes.T
        return np.stack([w * h, np.log(w / h), left + w / 2, top + h / 2, (w * h) ** 2], axis=1)

    ours, theirs = facts(ours), facts(theirs)
    error = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / 4000)
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4 * error).all()
