"""The generators that a network may draw from while it trains: seeded, saved, restored.

The chance of images, their order and their mixing does not come from here: it belongs to (seed, epoch, image) or
(seed, epoch, step), whatever was drawn before.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["captured_generators", "own_generators", "restore_generators", "seed_generators", "step_seed"]


def seed_generators(seed: int, rank: int) -> None:
    """Seeds the generators of Python, numpy and torch; ranks draw differently, the first from the seed itself."""
    import torch

    own = seed if rank == 0 else _drawn(f"{seed}/rank/{rank}")
    random.seed(own)
    np.random.seed(own % 2**32)  # noqa: NPY002 - a network's own code may draw from numpy's global generator
    torch.manual_seed(own)


def step_seed(seed: int, epoch: int, step: int) -> int:
    """The seed of what is drawn for one step on all ranks alike, from 0 to 2^63 - 1."""
    return _drawn(f"{seed}/{epoch}/{step}/step")


def captured_generators(device: str) -> dict[str, Any]:
    """The state of all generators, as a tree of tensors and plain values."""
    import torch

    version, words, gauss = random.getstate()
    of_numpy: Any = np.random.get_state(legacy=False)  # noqa: NPY002 - as above
    state: dict[str, Any] = {
        "python": {"version": version, "words": torch.tensor(words, dtype=torch.int64), "gauss": gauss},
        "numpy": {
            "key": torch.from_numpy(of_numpy["state"]["key"].astype(np.int64)),
            "pos": int(of_numpy["state"]["pos"]),
            "has_gauss": int(of_numpy["has_gauss"]),
            "gauss": float(of_numpy["gauss"]),
        },
        "torch": torch.get_rng_state(),
    }
    if device.startswith("cuda"):
        state["cuda"] = torch.cuda.get_rng_state(device)
    if device.startswith("mps"):
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_generators(state: dict[str, Any], device: str) -> None:
    """Sets all generators to what `captured_generators` returned."""
    import torch

    python, of_numpy = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
    np.random.set_state(  # noqa: NPY002 - as above
        {
            "bit_generator": "MT19937",
            "state": {"key": of_numpy["key"].numpy().astype(np.uint32), "pos": of_numpy["pos"]},
            "has_gauss": of_numpy["has_gauss"],
            "gauss": of_numpy["gauss"],
        }
    )
    torch.set_rng_state(state["torch"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
    if "mps" in state:
        torch.mps.set_rng_state(state["mps"])


@contextmanager
def own_generators(device: str) -> Iterator[None]:
    """What is drawn in the block leaves the caller's generators as they were."""
    before = captured_generators(device)
    try:
        yield
    finally:
        restore_generators(before, device)


def _drawn(words: str) -> int:
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big") >> 1
