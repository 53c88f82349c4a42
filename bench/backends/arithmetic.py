"""The numerical settings of torch that a precision stands for: set for a run, restored after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from bench.records.protocol import Precision
from bench.records.result import Scalar

__all__ = ["AUTOCAST", "arithmetic", "settings_now"]

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Precisions in which autocast acts inside the model; weights and the normalised input stay float32."""


@contextmanager
def arithmetic(precision: Precision, *, deterministic: bool = True) -> Iterator[None]:
    """Deterministic kernels, TF32 only where the precision says so; what was set before is restored.

    Args:
        precision: The arithmetic.
        deterministic: False takes the fastest kernels instead, found by trying: for training, whose steps repeat.
    """
    # cuBLAS reads this when its first handle is made; see torch.use_deterministic_algorithms.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # typed as Any: torch's stubs do not know these settings yet
    places: tuple[Any, ...] = (
        torch.backends.cuda.matmul,
        *(getattr(torch.backends.cudnn, kind) for kind in ("conv", "rnn")),
    )
    before = [place.fp32_precision for place in places]
    cudnn = (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)
    memory: Any = torch.utils.deterministic
    debug_mode, filled = torch.get_deterministic_debug_mode(), memory.fill_uninitialized_memory
    try:
        for place in places:
            place.fp32_precision = "tf32" if precision == "tf32" else "ieee"
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = (not deterministic), deterministic
        # A model may use an operation without a deterministic form; that is a warning, not the end of its run. The
        # debug mode sets the very flags of `use_deterministic_algorithms(True, warn_only=True)`, without importing
        # the compiler for seconds as that does.
        torch.set_deterministic_debug_mode("warn" if deterministic else "default")
        # By default each new tensor would then be filled first, a third of the time of light convolutional networks;
        # only a model that reads memory it never wrote could tell.
        memory.fill_uninitialized_memory = False
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.fp32_precision = value
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = cudnn
        torch.set_deterministic_debug_mode(debug_mode)
        memory.fill_uninitialized_memory = filled


def settings_now() -> dict[str, Scalar]:
    """The settings of torch that can move a number or a speed, as they are in this process now."""
    backends: Any = torch.backends
    return {
        "matmul_fp32_precision": backends.cuda.matmul.fp32_precision,
        "conv_fp32_precision": backends.cudnn.conv.fp32_precision,
        "rnn_fp32_precision": backends.cudnn.rnn.fp32_precision,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "deterministic_debug_mode": torch.get_deterministic_debug_mode(),
        "default_dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "num_threads": torch.get_num_threads(),
    }
