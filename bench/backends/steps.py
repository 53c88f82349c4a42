"""Steps to time: a submission's forward pass and its training step on staged inputs, for workers that measure.

Shape letters: N images, C outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from bench.records.protocol import Precision
from bench.records.throughput import MemoryFormat

__all__ = [
    "NUM_STAGED",
    "Ready",
    "forward",
    "ready_model",
    "staged_inputs",
    "torch_format",
    "training",
    "training_step",
]

NUM_STAGED = 4
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

    ready = ready_model(folder, cache_folder, precision, device)
    ready.held.enter_context(torch.inference_mode())
    staged = cycle(staged_inputs(NUM_STAGED, batch_size, ready.img_size, device))

    def step() -> Any:
        with ready.autocast():
            return ready.module(next(staged))

    def outputs() -> list[list[float]]:
        parts = []
        for inputs_NCHW in staged_inputs(_NUM_CHECKED // 32, 32, ready.img_size, device):
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
    ready = ready_model(folder, cache_folder, precision, device)
    staged = staged_inputs(NUM_STAGED, batch_size, ready.img_size, device)
    return _with(training_step(ready, staged), device)


def training_step(ready: Ready, staged: Sequence[Any], *, compiled: bool = False) -> Callable[[], None]:
    """A whole training step of a model, which is put into training mode.

    Args:
        ready: The model.
        staged: Inputs that rotate, shape (N, 3, H, W).
        compiled: Run the model through `torch.compile`.
    """
    import torch

    module = ready.module.train().requires_grad_(True)
    model = torch.compile(module) if compiled else module
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9)
    inputs = cycle(staged)
    labels_N = torch.arange(len(staged[0]), device=staged[0].device) % 2  # every class table has two classes

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with ready.autocast():
            loss = torch.nn.functional.cross_entropy(model(next(inputs)).float(), labels_N)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


class Ready(NamedTuple):
    """A model on its device, with its arithmetic."""

    module: Any
    img_size: int
    autocast: Callable[[], AbstractContextManager[Any]]
    held: ExitStack
    """What lasts as long as the process."""


def ready_model(
    folder: str, cache_folder: str, precision: Precision, device: str, *, memory_format: MemoryFormat = "channels_last"
) -> Ready:
    """A submission's model on its device, its arithmetic set for as long as `held` is open.

    Args:
        folder: The submission's folder, or its short form.
        cache_folder: Where downloaded weights are kept.
        precision: The arithmetic.
        device: A torch device.
        memory_format: How its weights lie in memory.
    """
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
        # Entering a context that does nothing would cost small models a percent of their step.
        dtype = AUTOCAST.get(precision)
        return nullcontext() if dtype is None else torch.autocast(device_type(device), dtype=dtype)

    module = built.module.to(device).to(memory_format=torch_format(memory_format))
    return Ready(module, built.input.img_size, autocast, held)


def torch_format(memory_format: MemoryFormat) -> Any:
    """What torch calls a memory format."""
    import torch

    return torch.channels_last if memory_format == "channels_last" else torch.contiguous_format


def staged_inputs(
    num_batches: int, num_images: int, img_size: int, device: str, memory_format: MemoryFormat = "channels_last"
) -> list[Any]:
    """Batches that are on the device already, float32 (N, 3, H, W); equal in every process."""
    import torch

    random = torch.Generator().manual_seed(0)
    shape = (num_images, 3, img_size, img_size)
    return [
        torch.randn(shape, generator=random).to(device).to(memory_format=torch_format(memory_format))
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
