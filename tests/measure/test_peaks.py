"""The table of what GPUs can do."""

from __future__ import annotations

import pytest

from bench.measure.peaks import peak_of


@pytest.mark.parametrize(
    ("device", "precision", "peak"),
    [
        ("NVIDIA A100-SXM4-80GB", "bf16", 312.0),
        ("NVIDIA A100 80GB PCIe", "tf32", 156.0),
        ("NVIDIA H100 PCIe", "fp16", 756.0),
        ("NVIDIA H100 80GB HBM3", "bf16", 989.4),
        ("NVIDIA H200", "bf16", 989.4),
        ("NVIDIA L4", "bf16", 121.0),
        ("Tesla T4", "fp16", 65.0),
        ("Tesla T4", "bf16", None),
        ("Tesla V100-SXM2-16GB", "tf32", None),
        ("NVIDIA A100-SXM4-80GB MIG 3g.40gb", "bf16", None),
        ("NVIDIA L40S", "bf16", None),
        ("NVIDIA GeForce RTX 4090", "bf16", None),
        ("AMD EPYC", "fp32", None),
    ],
)
def test_peaks_are_dense_and_never_guessed(device: str, precision: str, peak: float | None) -> None:
    """The names are those that drivers give; a device that only looks like another one is not known."""
    assert peak_of(device, precision) == peak  # type: ignore[arg-type]
