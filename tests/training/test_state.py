"""States as tensors and JSON, checkpoints on disk, and generators: what is read is what was written."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import RequeueError, StoreError
from bench.training.checkpoint import Saver, checkpoints_in, latest_checkpoint, read_checkpoint, write_checkpoint
from bench.training.randomness import (
    captured_generators,
    own_generators,
    restore_generators,
    seed_generators,
    step_seed,
)
from bench.training.signals import listening
from bench.training.state import flattened, like_parameters, on_host, restored, same_state

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
LEAVES |= st.integers(0, 3).map(lambda size: torch.arange(size, dtype=torch.int16))
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4).filter(lambda key: key != "$"), inner, max_size=3)
        | st.dictionaries(st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=12,
)


def equal(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(value, second[key]) for key, value in first.items())
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second)) and type(first) is type(second)
    return type(first) is type(second) and first == second


@given(TREES)
def test_every_tree_comes_back(tree: Any) -> None:
    """Through JSON, with the same types: tuples stay tuples, numbers as keys stay numbers."""
    tensors, content = flattened(tree)

    assert equal(restored(json.loads(json.dumps(content)), tensors), tree)
    assert same_state(tree, tree)


def test_what_is_no_number_or_text_is_not_saved() -> None:
    """It would have to be pickled."""
    with pytest.raises(TypeError, match=r"a\.1 holds function, which a checkpoint cannot"):
        flattened({"a": [1, flattened]})


def test_copies_do_not_follow_the_weights() -> None:
    """Nor share memory where weights are tied, which safetensors refuses."""
    weight = torch.ones(2, 3)
    copies = on_host({"one": weight, "same": weight, "turned": weight.t()})
    weight.zero_()

    assert all(copy.sum() == 6 and copy.is_contiguous() for copy in copies.values())
    assert len({copy.data_ptr() for copy in copies.values()}) == 3


def test_restored_moments_lie_in_memory_as_their_weights() -> None:
    """Sums over them depend on the order in their last bits."""
    weight = torch.nn.Parameter(torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    tensors, content = flattened(optimizer.state_dict())
    placed = like_parameters(restored(content, on_host(tensors)), optimizer)

    assert placed["state"][0]["exp_avg"].stride() == weight.stride()
    assert torch.equal(placed["state"][0]["exp_avg"], optimizer.state[weight]["exp_avg"])


def test_checkpoints_are_read_as_they_were_written_and_the_oldest_go(tmp_path: Path) -> None:
    """In the background; a step that is there is not written again."""
    with Saver(tmp_path, keep=2) as saver:
        for step in (1, 2, 3, 3):
            saver.save(step, {"step": step, "weights": torch.full((2,), float(step))})
    newest = latest_checkpoint(tmp_path)

    assert [path.name for path in checkpoints_in(tmp_path)] == ["step-00000002", "step-00000003"]
    assert newest is not None
    assert newest.step == newest.tree["step"] == 3
    assert newest.tree["weights"].tolist() == [3, 3]


def test_ranks_that_do_not_write_leave_nothing(tmp_path: Path) -> None:
    """They take part in putting tensors together, no more."""
    with Saver(tmp_path / "none", keep=1, writes=False) as saver:
        saver.save(1, {"weights": torch.ones(1)})

    assert latest_checkpoint(tmp_path / "none") is None
    assert not (tmp_path / "none").exists()


def test_half_written_and_half_removed_checkpoints_do_not_count(tmp_path: Path) -> None:
    """What a killed writer left is swept by the next; a step without its state.json is none."""
    (tmp_path / ".half-step-00000001").mkdir()
    (tmp_path / "step-00000002").mkdir()
    (tmp_path / "step-00000002" / "tensors.safetensors").write_bytes(b"half removed")
    assert latest_checkpoint(tmp_path) is None
    write_checkpoint(tmp_path, 2, {"weights": torch.ones(1)}, {})

    assert [path.name for path in tmp_path.iterdir()] == ["step-00000002"]
    assert read_checkpoint(tmp_path / "step-00000002").step == 2


def test_damage_is_said_and_the_one_before_is_taken(tmp_path: Path) -> None:
    """Tensors that are not those that were saved, JSON that is none, and formats of the future."""
    for step in (1, 2):
        write_checkpoint(tmp_path, step, {"weights": torch.ones(1)}, {"a": 1})
    first, second = checkpoints_in(tmp_path)
    (second / "tensors.safetensors").write_bytes(b"")
    with pytest.raises(StoreError, match="its tensors are not those that were saved"):
        read_checkpoint(second)
    newest = latest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.path == first

    (second / "state.json").write_text((first / "state.json").read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(StoreError, match="has format 9, this version of bench reads 1"):
        read_checkpoint(second)
    for path in (first, second):
        (path / "state.json").write_text("{")
    with pytest.raises(StoreError, match="is damaged"):
        latest_checkpoint(tmp_path)


def test_all_generators_go_on_where_they_were() -> None:
    """Python's with its kept Gaussian, numpy's and torch's; the caller's come back after the block."""
    with own_generators("cpu"):
        seed_generators(3, rank=1)
        random.gauss(0, 1)
        np.random.normal()  # noqa: NPY002 - what a network may call
        state = captured_generators("cpu")
        tensors, content = flattened(state)
        wanted = (random.gauss(0, 1), np.random.normal(), torch.rand(2).tolist())  # noqa: NPY002 - as above
        restore_generators(restored(json.loads(json.dumps(content)), tensors), "cpu")

        assert (random.gauss(0, 1), np.random.normal(), torch.rand(2).tolist()) == wanted  # noqa: NPY002 - as above


def test_ranks_and_steps_draw_differently() -> None:
    """Each from its own seed; the first rank from the run's."""
    drawn = []
    with own_generators("cpu"):
        for rank in range(3):
            seed_generators(7, rank)
            drawn.append((random.getrandbits(32), float(np.random.rand()), float(torch.rand(()))))  # noqa: NPY002 - as above
        torch.manual_seed(7)
        assert drawn[0][2] == float(torch.rand(()))

    assert len(set(drawn)) == 3
    assert len({step_seed(seed, epoch, step) for seed in range(3) for epoch in range(3) for step in range(3)}) == 27


def test_a_request_to_stop_is_remembered() -> None:
    """SIGTERM leaves at the next safe place; a second Ctrl-C at once; what was set before is set again."""
    before = signal.getsignal(signal.SIGTERM)
    with listening() as stop:
        assert not stop
        stop.leave_if_asked("nowhere")
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop
        with pytest.raises(RequeueError, match="stopped after step 3; go on with --resume"):
            stop.leave_if_asked("after step 3")
    with listening() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_interrupt
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before
