"""The order of an epoch and the ranks' shares of it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.training.order import draws_of_epoch, num_steps_per_epoch, rows_of_step


@given(st.integers(1, 300), st.integers(0, 5), st.integers(0, 3), st.integers(1, 5))
def test_an_epoch_draws_as_often_as_there_are_images(num_images: int, seed: int, epoch: int, repeats: int) -> None:
    """Each image `repeats` times in a row, none in between, and the last one perhaps not as often."""
    draws = draws_of_epoch(num_images, seed=seed, epoch=epoch, repeats=repeats)
    counts = np.bincount(draws.positions_N, minlength=num_images)

    assert len(draws.positions_N) == len(draws.repeats_N) == num_images
    assert draws.repeats_N.tolist() == [row % repeats for row in range(num_images)]
    assert sorted(counts[counts > 0].tolist(), reverse=True)[: num_images // repeats] == [repeats] * (
        num_images // repeats
    )
    assert (np.diff(draws.positions_N)[draws.repeats_N[1:] > 0] == 0).all()


def test_the_order_is_the_same_for_ever() -> None:
    """Its hash is written down: a change would make every stored result unrepeatable."""
    draws = draws_of_epoch(1_281_167, seed=0, epoch=0)
    content = draws.positions_N.astype("<i8").tobytes()

    assert hashlib.sha256(content).hexdigest() == "4bcc0e495391056148989bdec564a5df05fdbeb4b1e84e77f53d6d3418ab9da8"
    assert draws_of_epoch(10, seed=3, epoch=2).positions_N.tolist() == [7, 0, 4, 9, 1, 8, 6, 2, 5, 3]


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    """Without a call that a training script could forget."""
    orders = {draws_of_epoch(50, seed=s, epoch=e).positions_N.tobytes() for s in range(5) for e in range(5)}

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
