"""The machine and the libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from bench.measure import environment as module
from bench.measure.environment import best_device_type, environment, needs


def test_every_value_can_stand_in_a_result() -> None:
    """Plain values, none of them missing, and the ones that a number depends on are there."""
    found = environment("cpu")
    assert all(isinstance(value, str | int | float | bool) for value in found.values())
    expected = {"os", "kernel", "cpu", "num_cores", "memory_gib", "python", "torch", "torchvision", "timm", "numpy"}
    assert expected | {"pillow", "jpeg_library", "num_threads"} <= set(found)
    assert found["torch"] == str(torch.__version__)
    assert found["num_threads"] == torch.get_num_threads()


def test_without_a_device_torch_is_not_imported() -> None:
    """What importlib.metadata knows needs no import."""
    code = "import sys; from bench.measure.environment import environment; environment(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_gpu_and_its_driver_are_described(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, number, memory, CUDA, cuDNN and driver stand in the record of a CUDA run."""

    class Properties:
        total_memory = 24 * 2**30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _index: "NVIDIA L4")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _index: Properties)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    line = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build"
    monkeypatch.setattr(module, "lines_of", lambda path: [line] if "nvidia" in path else [])
    found = environment("cuda")
    assert (found["gpu"], found["num_gpus"], found["gpu_memory_gib"]) == ("NVIDIA L4", 2, 24.0)
    assert (found["cudnn"], found["driver"]) == (91002, "580.65.06")
    assert best_device_type() == "cuda"


def test_what_is_missing_says_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each need has one sentence, found or not."""
    monkeypatch.setattr(module.shutil, "which", lambda _name: None)
    monkeypatch.delenv("BENCH_CHROMIUM", raising=False)
    monkeypatch.setenv("BENCH_DATA", "/data/imagenet")
    found = {need.name: need for need in needs()}
    assert found["bubblewrap"].found is None
    assert "apt-get install bubblewrap" in found["bubblewrap"].advice
    assert found["Chromium"].found is None
    assert found["BENCH_DATA"].found == "/data/imagenet"
