"""The order of an epoch and the ranks' shares of it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.protocols import load_protocol, protocol_ids
from bench.training.order import draws_of_epoch, num_steps_per_epoch, rows_of_step


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 5), st.integers(0, 3), st.integers(1, 5))
def test_an_epoch_draws_as_often_as_there_are_images(
    num_images: int, batch_size: int, seed: int, epoch: int, repeats: int
) -> None:
    """Each image `repeats` times, each time another one, and the last image perhaps not as often."""
    draws = draws_of_epoch(num_images, batch_size=batch_size, seed=seed, epoch=epoch, repeats=repeats)
    counts = np.bincount(draws.positions_N, minlength=num_images)
    drawn = set(zip(draws.positions_N.tolist(), draws.repeats_N.tolist(), strict=True))

    assert len(draws.positions_N) == len(draws.repeats_N) == len(drawn) == num_images
    assert draws.repeats_N.max() < repeats
    assert sorted(counts[counts > 0].tolist(), reverse=True)[: num_images // repeats] == [repeats] * (
        num_images // repeats
    )


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 5))
def test_a_batch_is_first_copies_and_then_second_ones(num_images: int, batch_size: int, repeats: int) -> None:
    """Its images are those of a sampler that draws each image `repeats` times in a row."""
    draws = draws_of_epoch(num_images, batch_size=batch_size, seed=1, epoch=0, repeats=repeats)
    shuffled = draws_of_epoch(num_images, batch_size=batch_size, seed=1, epoch=0).positions_N
    in_a_row = [(int(shuffled[row // repeats]), row % repeats) for row in range(num_images)]

    for start in range(0, num_images, batch_size):
        batch = [drawn[start : start + batch_size].tolist() for drawn in draws]
        assert sorted(zip(*batch, strict=True)) == sorted(in_a_row[start : start + batch_size])
        assert batch[1] == sorted(batch[1])


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in protocol_ids()
        if (recipe := load_protocol(name).recipe) is not None and recipe.repeated_augmentation > 1
    ],
)
def test_shipped_recipes_never_mix_an_image_with_its_copy(name: str) -> None:
    """Torchvision's mixing pairs neighbours of a rank, its last image with its first: they were copies of one image."""
    protocol = load_protocol(name)
    recipe, num_images = protocol.recipe, protocol.dataset.num_samples
    assert recipe is not None
    assert num_images is not None
    batch_size, repeats = recipe.batch_size, recipe.repeated_augmentation
    positions_N = draws_of_epoch(num_images, batch_size=batch_size, seed=1, epoch=0, repeats=repeats).positions_N
    whole = num_images // batch_size * batch_size
    for world_size in (size for size in range(1, 9) if batch_size % size == 0):
        shares = positions_N[:whole].reshape(-1, batch_size // world_size)

        assert not (shares == np.roll(shares, 1, axis=1)).any()
        if world_size >= repeats:
            assert all(len(set(share)) == len(share) for share in shares[:100].tolist())


def test_the_order_is_the_same_for_ever() -> None:
    """Its hash is written down: a change would make every stored result unrepeatable."""
    draws = draws_of_epoch(1_281_167, batch_size=1024, seed=0, epoch=0)
    content = draws.positions_N.astype("<i8").tobytes()
    repeated = draws_of_epoch(10, batch_size=5, seed=3, epoch=2, repeats=2)

    assert hashlib.sha256(content).hexdigest() == "4bcc0e495391056148989bdec564a5df05fdbeb4b1e84e77f53d6d3418ab9da8"
    assert draws_of_epoch(10, batch_size=5, seed=3, epoch=2).positions_N.tolist() == [7, 0, 4, 9, 1, 8, 6, 2, 5, 3]
    assert repeated.positions_N.tolist() == [7, 0, 4, 7, 0, 9, 1, 4, 9, 1]
    assert repeated.repeats_N.tolist() == [0, 0, 0, 1, 1, 0, 0, 1, 1, 1]


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    """Without a call that a training script could forget."""
    orders = {
        draws_of_epoch(50, batch_size=8, seed=s, epoch=e).positions_N.tobytes() for s in range(5) for e in range(5)
    }

    assert len(orders) == 25


@given(
    num_images=st.integers(1, 200),
    batch_size=st.integers(1, 60),
    world_size=st.integers(1, 9),
    drop_last=st.booleans(),
)
def test_the_ranks_share_the_epoch_without_gap_or_overlap(
    num_images: int, batch_size: int, world_size: int, drop_last: bool
) -> None:
    """Step by step, rank by rank, the rows are 0, 1, 2, ...: the same global order on any number of ranks."""
    steps = num_steps_per_epoch(num_images, batch_size, drop_last=drop_last)
    rows = [
        row
        for step in range(steps)
        for rank in range(world_size)
        for row in range(num_images)[rows_of_step(step, num_images, batch_size, rank=rank, world_size=world_size)]
    ]

    assert rows == list(range(len(rows)))
    assert len(rows) == num_images if not drop_last else len(rows) > num_images - batch_size
    assert num_images < batch_size or not drop_last or len(rows) == steps * batch_size


@pytest.mark.parametrize(("drop_last", "expected"), [(True, [1, 1, 1, 2]), (False, [1, 1, 2, 2])])
def test_what_is_left_of_an_epoch_is_dropped_or_a_smaller_batch(drop_last: bool, expected: list[int]) -> None:
    """A dataset smaller than a batch is one step either way."""
    assert [num_steps_per_epoch(count, 10, drop_last=drop_last) for count in (4, 10, 19, 20)] == expected


def test_imagenet_has_as_many_steps_as_in_timm_and_torchvision() -> None:
    """1,251 with the last batch dropped, 1,252 with it."""
    assert num_steps_per_epoch(1_281_167, 1024, drop_last=True) == 1251
    assert num_steps_per_epoch(1_281_167, 1024, drop_last=False) == 1252
