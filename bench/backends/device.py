"""Which device a run is on, without importing torch where the answer is plain."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path
from typing import Literal, cast

from bench.errors import DeviceError, UsageError
from bench.measure.kernel import num_cores

__all__ = ["DEFAULT_BATCH_SIZES", "DeviceType", "device_type", "guess_device", "resolve_device", "wants_every_core"]

DeviceType = Literal["cpu", "cuda", "mps"]

DEFAULT_BATCH_SIZES: dict[DeviceType, int] = {"cpu": 32, "cuda": 256, "mps": 64}
"""The batch size where none is given: fixed, never derived from free memory, so that runs can be repeated."""

_DEVICE = re.compile(r"^(auto|cpu|mps|cuda(:\d+)?)$")
_GPU_NODES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # NVIDIA, NVIDIA under WSL, AMD


def device_type(device: str) -> DeviceType:
    """The kind of a device: `cuda:1` is a `cuda`."""
    return cast("DeviceType", device.partition(":")[0])


def wants_every_core(device: str, num_threads: int) -> bool:
    """Whether a model there, with so many threads of torch, leaves no core to the host that feeds it."""
    return device_type(device) == "cpu" and num_threads >= num_cores()


def guess_device(name: str) -> str:
    """What `resolve_device` will most likely say, in no time: a GPU where the system has its device node.

    Raises:
        UsageError: The name is no device.
    """
    if not _DEVICE.match(name):
        raise UsageError(f"there is no device {name!r}; use auto, cpu, cuda, cuda:0, ... or mps")
    if name != "auto":
        return name
    if sys.platform == "darwin":
        return "mps" if platform.machine() == "arm64" else "cpu"
    return "cuda" if any(Path(node).exists() for node in _GPU_NODES) else "cpu"


def resolve_device(name: str) -> str:
    """The device that `auto` stands for, or the named one if it is there.

    Raises:
        UsageError: The name is no device.
        DeviceError: There is no such device on this machine.
    """
    guess = guess_device(name)
    if guess == "cpu":
        return guess
    import torch

    there = torch.cuda.is_available() if device_type(guess) == "cuda" else torch.backends.mps.is_available()
    if name == "auto":
        return guess if there else "cpu"
    if not there:
        raise DeviceError(f"torch {torch.__version__} sees no {device_type(name)} device here; use --device cpu")
    index = int(name.partition(":")[2] or 0)
    if device_type(name) == "cuda" and index >= torch.cuda.device_count():
        raise DeviceError(f"there is no {name}: this machine has {torch.cuda.device_count()} CUDA devices, from cuda:0")
    return name
