"""Evaluation on a CUDA device: `python -m pytest tests/gpu` needs only an installed torch, and skips without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.backends.run import RunOptions
from bench.data.dataset import open_dataset
from bench.errors import DeviceError
from bench.evaluate import evaluate
from bench.models.source import open_submission
from bench.protocols import load_protocol
from bench.records.result import Result
from bench.store import Store

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]

CONVOLUTIONS = """
import torch
from torch import nn


def build_model():
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 64, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 1000),
    )
"""


@pytest.fixture
def run(
    tiny_data: Path, tiny_protocol: Path, make_submission: Callable[..., Path], tmp_path: Path
) -> Callable[..., tuple[Result, np.ndarray]]:
    """Evaluates a small convolutional network; returns the result and its log-probabilities."""
    folder = make_submission(CONVOLUTIONS)

    def call(**options: object) -> tuple[Result, np.ndarray]:
        protocol = load_protocol(str(tiny_protocol))
        dataset = open_dataset(tiny_data, protocol.dataset, allow_partial=True)
        store = Store(tmp_path / "results")
        chosen = replace(RunOptions(device="cuda", num_threads=2, batch_size=5), **options)
        result = evaluate(open_submission(str(folder)), protocol, dataset, store, chosen, rerun=True).result
        return result, store.read_predictions(result).top_log_probs_NK

    return call


def test_the_gpu_answers_like_the_cpu(run: Callable[..., tuple[Result, np.ndarray]]) -> None:
    """In float32 without TF32, log-probabilities agree to rounding."""
    (on_gpu, gpu_NK), (on_cpu, cpu_NK) = run(), run(device="cpu")

    np.testing.assert_allclose(gpu_NK, cpu_NK, atol=1e-4)
    assert on_gpu.metrics["top1"] == on_cpu.metrics["top1"]
    assert (on_gpu.device_type, on_gpu.environment["memory_format"]) == ("cuda", "channels_last")


def test_two_runs_on_a_gpu_give_equal_bits(run: Callable[..., tuple[Result, np.ndarray]]) -> None:
    """Deterministic kernels; staging and streams change nothing."""
    assert run()[0].predictions == run()[0].predictions


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_other_precisions_are_close(run: Callable[..., tuple[Result, np.ndarray]], precision: str) -> None:
    """Rounding, and no more."""
    single, half = run()[0], run(precision=precision)[0]

    assert half.precision == precision
    assert half.metrics["nll"].value == pytest.approx(single.metrics["nll"].value, abs=0.02)


def test_one_device_twice_answers_as_one(run: Callable[..., tuple[Result, np.ndarray]]) -> None:
    """Batches that go round among sessions come back once each, in order."""
    assert run(device="cuda:0,cuda:0")[0].predictions == run(device="cuda:0")[0].predictions


def test_a_compiled_model_answers_alike(run: Callable[..., tuple[Result, np.ndarray]]) -> None:
    """`--compile` is recorded, and changes no more than rounding."""
    result, compiled_NK = run(compiled=True)

    assert result.environment["compiled"] is True
    np.testing.assert_allclose(compiled_NK, run()[1], atol=1e-3)


def test_a_device_that_is_not_there_is_named(run: Callable[..., tuple[Result, np.ndarray]]) -> None:
    """With what there is."""
    with pytest.raises(DeviceError, match="there is no cuda:99"):
        run(device="cuda:99")
