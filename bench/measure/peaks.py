"""What GPUs can do at most, by their makers' data sheets: dense figures, never those for sparse matrices."""

from __future__ import annotations

import re
from typing import NamedTuple

from bench.records.protocol import Precision

__all__ = ["Peak", "peak_of"]


class Peak(NamedTuple):
    """Dense peaks of one device, in 10^12 operations a second, two a multiply-add."""

    name: re.Pattern[str]
    """Matches the whole name that the driver gives the device, and no other device's."""
    half: float
    """Of fp16 and bf16 matrix products with float32 sums; where `bf16` is False of fp16 alone."""
    tf32: float | None
    """Of TF32; None where the device has none."""
    fp32: float
    """Of float32 without tensor cores."""
    source: str
    """Where the figures stand."""
    bf16: bool = True
    """Whether the device has matrix products in bf16."""


_A100 = "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a100/pdf/nvidia-a100-datasheet-nvidia-us-2188504-web.pdf"
_HOPPER = "https://resources.nvidia.com/en-us-tensor-core/gtc22-whitepaper-hopper"
_H200 = "https://www.nvidia.com/en-us/data-center/h200/"
_L4 = "https://www.nvidia.com/en-us/data-center/l4/"
_T4 = "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/tesla-t4/t4-tensor-core-datasheet-951643.pdf"
_V100 = "https://images.nvidia.com/content/technologies/volta/pdf/volta-v100-datasheet-update-us-1165301-r5.pdf"


def _peak(name: str, half: float, tf32: float | None, fp32: float, source: str, *, bf16: bool = True) -> Peak:
    return Peak(re.compile(name), half, tf32, fp32, source, bf16)


_PEAKS = (
    _peak(r"(NVIDIA )?A100-(SXM4|PCIE)-(40|80)GB|NVIDIA A100 80GB PCIe", 312.0, 156.0, 19.5, _A100),
    _peak(r"NVIDIA H100 80GB HBM3", 989.4, 494.7, 66.9, _HOPPER),
    _peak(r"NVIDIA H100 PCIe", 756.0, 378.0, 51.2, _HOPPER),
    _peak(r"NVIDIA H200", 989.4, 494.7, 66.9, _H200),
    _peak(r"NVIDIA L4", 121.0, 60.0, 30.3, _L4),
    _peak(r"Tesla T4", 65.0, None, 8.1, _T4, bf16=False),
    _peak(r"Tesla V100-SXM2-(16|32)GB", 125.0, None, 15.7, _V100, bf16=False),
)
"""Checked against the makers' pages as far as known; a device that is not here has no utilisation, never a guess. A
slice of a device (MIG) has a name of its own and is not here either."""


def peak_of(device: str, precision: Precision) -> float | None:
    """The dense peak of a device in an arithmetic, in 10^12 operations a second; None where it is not known.

    Args:
        device: The device's name, as the driver tells it.
        precision: The arithmetic.

    >>> peak_of("NVIDIA H200", "bf16"), peak_of("NVIDIA A100-SXM4-80GB MIG 1g.10gb", "bf16")
    (989.4, None)
    """
    for peak in _PEAKS:
        if peak.name.fullmatch(device):
            if precision == "bf16" and not peak.bf16:
                return None
            return {"fp16": peak.half, "bf16": peak.half, "tf32": peak.tf32, "fp32": peak.fp32}[precision]
    return None
