"""Shuffled, augmented batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.dataset import Dataset
from bench.data.resized import fill_resized
from bench.errors import DataError, UsageError
from bench.records.protocol import Protocol
from bench.training import pictures
from bench.training.feeding import TrainingBatch, TrainingImages

MakeProtocol = Callable[..., Protocol]

JITTERED = {"auto": "randaugment", "auto_ops": 2, "auto_magnitude": 7.0, "colour_jitter": [0.4, 0.4, 0.4]}


def augmented(**keys: object) -> dict[str, object]:
    """An augmentation that crops from the original image."""
    return {"crop_from": "original", "crop_scale": [0.08, 1.0]} | keys


def epoch(
    dataset: Dataset, protocol: Protocol, number: int = 0, *, num_threads: int = 2, seed: int = 0, **where: int
) -> list[TrainingBatch]:
    images = TrainingImages(dataset, protocol, num_threads)
    images.prepare()
    return list(images.epoch(number, seed=seed, **where))


def pixels(batches: list[TrainingBatch]) -> np.ndarray:
    return np.concatenate([batch.images_NHWC for batch in batches])


@pytest.fixture
def spoil(shapes: Dataset, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that makes images unreadable, by their positions."""

    def replace(*positions: int) -> None:
        bad = {shapes.samples[position].id for position in positions}
        true_read = pictures.read_sample
        monkeypatch.setattr(pictures, "read_sample", lambda sample: b"no" if sample.id in bad else true_read(sample))

    return replace


def test_an_epoch_shows_every_image_once(shapes: Dataset, make_protocol: MakeProtocol) -> None:
    """In batches of the recipe's size, uint8, shuffled."""
    batches = epoch(shapes, make_protocol())
    positions = np.concatenate([batch.positions_N for batch in batches]).tolist()

    assert [batch.images_NHWC.shape for batch in batches] == [(8, 32, 32, 3)] * 3
    assert [(batch.step, batch.global_size) for batch in batches] == [(0, 8), (1, 8), (2, 8)]
    assert pixels(batches).dtype == np.uint8
    assert sorted(positions) == list(range(24)) != positions
    assert all(np.array_equal(batch.labels_N, shapes.labels_N[batch.positions_N]) for batch in batches)


@pytest.mark.parametrize("augmentation", [{}, augmented(), augmented(**JITTERED), augmented(auto="trivialaugment")])
def test_batches_depend_on_seed_and_epoch_alone(
    shapes: Dataset, make_protocol: MakeProtocol, augmentation: dict[str, object]
) -> None:
    """Not on threads, not on what was drawn before: an epoch can be repeated anywhere."""
    protocol = make_protocol(augmentation=augmentation | {"pca_noise": 0.1})
    first = pixels(epoch(shapes, protocol, 3, num_threads=4))

    assert np.array_equal(first, pixels(epoch(shapes, protocol, 3, num_threads=1)))
    assert not np.array_equal(first, pixels(epoch(shapes, protocol, 4)))
    assert not np.array_equal(first, pixels(epoch(shapes, protocol, 3, seed=1)))


@settings(deadline=None, max_examples=25)
@given(
    batch_size=st.integers(1, 30),
    world_size=st.integers(1, 5),
    first_step=st.integers(0, 5),
    drop_last=st.booleans(),
    repeats=st.integers(1, 3),
)
def test_ranks_and_restarts_see_the_images_of_one_run(
    shapes: Dataset,
    make_protocol: MakeProtocol,
    batch_size: int,
    world_size: int,
    first_step: int,
    drop_last: bool,
    repeats: int,
) -> None:
    """From any step on, the ranks' parts of each step, put together, are the step of a run on one rank, to the byte."""
    protocol = make_protocol(batch_size=batch_size, drop_last=drop_last, repeated_augmentation=repeats)
    images = TrainingImages(shapes, protocol, 2)
    images.prepare()
    straight = list(images.epoch(1, seed=5))
    ranks = [
        list(images.epoch(1, seed=5, first_step=first_step, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]

    assert len(straight) == images.num_steps
    for step, parts in enumerate(zip(*ranks, strict=True), first_step):
        whole = straight[step]
        sizes = [len(part.positions_N) for part in parts]
        assert {part.step for part in parts} == {step}
        assert {part.global_size for part in parts} == {len(whole.positions_N)}
        assert max(sizes) - min(sizes) <= 1
        assert np.array_equal(pixels(list(parts)), whole.images_NHWC)
        assert np.array_equal(np.concatenate([part.labels_N for part in parts]), whole.labels_N)


def test_a_drawn_again_image_is_augmented_differently(shapes: Dataset, make_protocol: MakeProtocol) -> None:
    """Repeated augmentation shows each image several times in a batch, never the same pixels."""
    batch = epoch(shapes, make_protocol(repeated_augmentation=4))[0]

    assert len(set(batch.positions_N.tolist())) == 2
    assert len({image.tobytes() for image in batch.images_NHWC}) == 8


@pytest.mark.parametrize("augmentation", [{}, augmented()])
def test_images_that_do_not_fit_in_memory_are_decoded_each_time(
    shapes: Dataset,
    make_protocol: MakeProtocol,
    monkeypatch: pytest.MonkeyPatch,
    augmentation: dict[str, object],
) -> None:
    """With the same pixels, and no image decoded before it is drawn."""
    protocol = make_protocol(augmentation=augmentation)
    kept = pixels(epoch(shapes, protocol))
    monkeypatch.setattr(pictures, "_MEMORY_LIMIT_BYTES", 1000)
    images = TrainingImages(shapes, protocol, 2)
    done: list[int] = []
    images.prepare(done.append)

    assert done == [24]
    assert np.array_equal(kept, pixels(list(images.epoch(0, seed=0))))


def test_stored_pixels_are_those_of_decoding(
    shapes: Dataset, make_protocol: MakeProtocol, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A training reads no image file then, and sees the same batches."""
    protocol = make_protocol(augmentation={"crop_from": "resized"})
    expected = pixels(epoch(shapes, protocol))
    assert protocol.geometry is not None
    stored = fill_resized(tmp_path, shapes, "ab" * 32, protocol.geometry, num_threads=1)
    monkeypatch.setattr(pictures, "_MEMORY_LIMIT_BYTES", 0)
    images = TrainingImages(shapes, protocol, 2, stored=stored)
    images.prepare()
    monkeypatch.setattr(pictures, "read_sample", None)

    assert np.array_equal(pixels(list(images.epoch(0, seed=0))), expected)


def test_preparing_twice_decodes_once(
    shapes: Dataset, make_protocol: MakeProtocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several networks train on images that are decoded once."""
    images = TrainingImages(shapes, make_protocol(), 2)
    done: list[int] = []
    images.prepare(done.append)
    monkeypatch.setattr(pictures, "read_sample", None)
    images.prepare(done.append)

    assert sum(done) == 48
    assert len(list(images.epoch(0, seed=0))) == 3


def test_without_augmentation_left_and_right_stay(shapes: Dataset, make_protocol: MakeProtocol) -> None:
    """A mirror with probability 1 is the mirror of one with probability 0, also where colours change."""
    whole = {"crop_from": "resized", "crop_scale": [1.0, 1.0], "crop_ratio": [0.75, 1.3333333333333333]}
    for colours in ({}, {"colour_jitter": [0.4, 0.4, 0.4]}):
        plain = pixels(epoch(shapes, make_protocol(augmentation=whole | colours | {"horizontal_flip": 0.0})))
        mirrored = pixels(epoch(shapes, make_protocol(augmentation=whole | colours | {"horizontal_flip": 1.0})))

        assert np.array_equal(plain, mirrored[:, :, ::-1])


def test_the_square_is_the_recipes_training_crop(shapes: Dataset, make_protocol: MakeProtocol) -> None:
    """Else the geometry's crop."""
    protocol = make_protocol(augmentation={"train_crop": 24})

    assert epoch(shapes, protocol)[0].images_NHWC.shape == (8, 24, 24, 3)


def test_squares_that_do_not_fit_are_refused(shapes: Dataset, make_protocol: MakeProtocol) -> None:
    """Before anything is decoded."""
    protocol = make_protocol(augmentation={"crop_from": "resized", "crop": "random", "train_crop": 40})

    with pytest.raises(UsageError, match="squares of 40 pixels, but its geometry resizes images to 36"):
        TrainingImages(shapes, protocol, 1)


def test_batches_get_their_memory_from_the_caller(shapes: Dataset, make_protocol: MakeProtocol) -> None:
    """Such as pinned buffers."""
    given_out: list[np.ndarray] = []

    def allocate(shape: tuple[int, ...]) -> np.ndarray:
        given_out.append(np.empty(shape, dtype=np.uint8))
        return given_out[-1]

    batches = list(TrainingImages(shapes, make_protocol(), 2).epoch(0, seed=0, allocate=allocate))

    assert all(batch.images_NHWC is memory for batch, memory in zip(batches, given_out, strict=True))


@pytest.mark.parametrize("limit", [1000, 2 << 30])
def test_a_damaged_image_stops_the_training(
    shapes: Dataset,
    make_protocol: MakeProtocol,
    spoil: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
) -> None:
    """The error names the file; nothing takes its place."""
    monkeypatch.setattr(pictures, "_MEMORY_LIMIT_BYTES", limit)
    spoil(7)

    with pytest.raises(DataError, match=shapes.samples[7].path.name):
        epoch(shapes, make_protocol())


@pytest.mark.parametrize("limit", [1000, 2 << 30])
def test_damaged_images_are_left_out_and_counted_where_the_recipe_says_so(
    shapes: Dataset,
    make_protocol: MakeProtocol,
    spoil: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
) -> None:
    """The next image of the order has the row, with its own label; all batches keep their size, on any rank."""
    monkeypatch.setattr(pictures, "_MEMORY_LIMIT_BYTES", limit)
    spoil(7, 8)
    images = TrainingImages(shapes, make_protocol(skip_corrupt=True), 2)
    images.prepare()
    batches = list(images.epoch(0, seed=0))
    skipped = [left_out for batch in batches for left_out in batch.skipped]
    positions = np.concatenate([batch.positions_N for batch in batches])
    parts = [list(images.epoch(0, seed=0, rank=rank, world_size=2)) for rank in range(2)]

    assert {left_out.sample_id for left_out in skipped} == {shapes.samples[7].id, shapes.samples[8].id}
    assert shapes.samples[7].path.name in " ".join(left_out.message for left_out in skipped)
    assert images.num_skipped == 2 * len(skipped) >= 4
    assert [len(batch.labels_N) for batch in batches] == [8, 8, 8]
    assert set(positions) == set(range(24)) - {7, 8}
    assert all(np.array_equal(batch.labels_N, shapes.labels_N[batch.positions_N]) for batch in batches)
    assert len({image.tobytes() for image in pixels(batches)}) == 24
    assert np.array_equal(pixels(batches), pixels([part for step in zip(*parts, strict=True) for part in step]))


def test_a_dataset_of_damaged_images_is_an_error(
    shapes: Dataset, make_protocol: MakeProtocol, spoil: Callable[..., None]
) -> None:
    """Also where single ones may be left out."""
    spoil(*range(24))

    with pytest.raises(DataError, match="in a row cannot be decoded"):
        epoch(shapes, make_protocol(skip_corrupt=True))
