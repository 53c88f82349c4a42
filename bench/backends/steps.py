"""Steps to time: a submission's forward pass and its training step on staged inputs, for the gate's workers.

Shape letters: N images, C outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from bench.records.protocol import Precision

__all__ = ["forward", "training"]

_NUM_STAGED = 4
"""Inputs rotate: equal data in every step would change power draw, and with it speed."""
_NUM_CHECKED = 256


def forward(
    folder: str, *, cache_folder: str, batch_size: int = 32, precision: Precision = "fp32", device: str = "cpu"
) -> Callable[[], Any]:
    """The forward pass of a submission on staged inputs with the statistics of normalised images, N(0, 1).

    Args:
        folder: The submission's folder, or its short form.
        cache_folder: Where downloaded weights are kept.
        batch_size: N.
        precision: The arithmetic.
        device: A torch device.

    Returns:
        The step, with `synchronize`, and `outputs`: the logits of 256 staged images, the same in every process.
    """
    import torch

    ready = _ready(folder, cache_folder, precision, device)
    ready.held.enter_context(torch.inference_mode())
    staged = cycle(_staged(_NUM_STAGED, batch_size, ready.img_size, device))

    def step() -> Any:
        with ready.autocast():
            return ready.module(next(staged))

    def outputs() -> list[list[float]]:
        parts = []
        for inputs_NCHW in _staged(_NUM_CHECKED // 32, 32, ready.img_size, device):
            with ready.autocast():
                parts.append(ready.module(inputs_NCHW).float().cpu())
        rows: list[list[float]] = torch.cat(parts).tolist()
        return rows

    return _with(step, device, outputs=outputs)


def training(
    folder: str, *, cache_folder: str, batch_size: int = 32, precision: Precision = "bf16", device: str = "cpu"
) -> Callable[[], Any]:
    """A whole training step of a submission: gradients to None, forward, cross-entropy, backward, SGD.

    The arguments are those of `forward`.
    """
    import torch

    ready = _ready(folder, cache_folder, precision, device)
    module = ready.module.train().requires_grad_(True)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9)
    staged = cycle(_staged(_NUM_STAGED, batch_size, ready.img_size, device))
    labels_N = torch.arange(batch_size, device=device) % 10

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with ready.autocast():
            loss = torch.nn.functional.cross_entropy(module(next(staged)).float(), labels_N)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return _with(step, device)


class _Ready(NamedTuple):
    """A model on its device, with its arithmetic."""

    module: Any
    img_size: int
    autocast: Callable[[], AbstractContextManager[Any]]
    held: ExitStack
    """What lasts as long as the process."""


def _ready(folder: str, cache_folder: str, precision: Precision, device: str) -> _Ready:
    import torch

    from bench.backends.arithmetic import AUTOCAST, arithmetic
    from bench.backends.device import device_type
    from bench.backends.memory import keep_freed_memory
    from bench.models.build import build_model
    from bench.models.source import open_submission

    keep_freed_memory()
    built = build_model(open_submission(folder), cache_folder=Path(cache_folder))
    held = ExitStack()
    held.enter_context(arithmetic(precision))

    def autocast() -> AbstractContextManager[Any]:
        dtype = AUTOCAST.get(precision)
        return torch.autocast(device_type(device), dtype=dtype, enabled=dtype is not None)

    module = built.module.to(device).to(memory_format=torch.channels_last)
    return _Ready(module, built.input.img_size, autocast, held)


def _staged(num_batches: int, num_images: int, img_size: int, device: str) -> list[Any]:
    """Batches that are on the device already, float32 (N, 3, H, W), channels last; equal in every process."""
    import torch

    random = torch.Generator().manual_seed(0)
    shape = (num_images, 3, img_size, img_size)
    return [
        torch.randn(shape, generator=random).to(device).to(memory_format=torch.channels_last)
        for _ in range(num_batches)
    ]


def _with(step: Callable[[], Any], device: str, **attributes: Any) -> Callable[[], Any]:
    """The step with what the worker looks for."""
    import torch

    if device.startswith("cuda"):
        attributes["synchronize"] = lambda: torch.cuda.synchronize(device)
    for name, value in attributes.items():
        setattr(step, name, value)
    return step
