"""How bench runs a model, as the environment of a result tells it; the same words at every level of isolation."""

from __future__ import annotations

from bench.backends.base import RunSpec
from bench.backends.device import device_type
from bench.records.result import Scalar

__all__ = ["settings_of"]


def settings_of(spec: RunSpec, *, num_threads: int) -> dict[str, Scalar]:
    """The settings that bench gives a run.

    Args:
        spec: How the model is run.
        num_threads: Torch's threads.
    """
    return {
        "device": spec.device,
        "num_threads": num_threads,
        "memory_format": "contiguous_format" if device_type(spec.device) == "mps" else "channels_last",
        "autocast": spec.precision if spec.precision in ("bf16", "fp16") else "off",
        "compiled": spec.compiled,
        "cudnn_benchmark": False,
        "deterministic": True,
    }
