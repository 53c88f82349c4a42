"""Which machine and which software a speed belongs to: two hashes, of fields that a comparison needs equal.

What changes from minute to minute (clocks, temperature, load) is recorded elsewhere and hashed nowhere; host names and
serial numbers are not even read.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.files import canonical_json
from bench.measure.environment import environment, version_of
from bench.measure.kernel import lines_of
from bench.records.result import Scalar

__all__ = [
    "Fingerprint",
    "differing",
    "gpu_uuid",
    "machine_fields",
    "num_physical",
    "physical_cores",
    "software_fields",
]

_UNKNOWN = "unknown"
_VARIABLES = ("NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG")


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """The fields that are hashed, in two parts; a missing value is the word "unknown"."""

    machine: Mapping[str, Scalar]
    software: Mapping[str, Scalar]

    def as_environment(self) -> dict[str, Scalar]:
        """All fields and the three hashes, for a result."""
        machine, software = _known(self.machine), _known(self.software)
        return {
            **machine,
            **software,
            "machine_fingerprint": _hash(machine),
            "software_fingerprint": _hash(software),
            "fingerprint": _hash({"machine": machine, "software": software}),
        }


def _known(fields: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return {key: _UNKNOWN if value is None else value for key, value in fields.items()}


def _hash(fields: object) -> str:
    return hashlib.sha256(canonical_json(fields).encode()).hexdigest()[:16]


def differing(one: Mapping[str, Scalar], other: Mapping[str, Scalar], fields: Iterable[str]) -> list[str]:
    """The hashed fields in which two environments differ, for the sentence that refuses to compare them.

    Args:
        one: The environment of a result.
        other: Another one.
        fields: The fields that matter, such as `Fingerprint.machine`.
    """
    return [key for key in fields if one.get(key, _UNKNOWN) != other.get(key, _UNKNOWN)]


def machine_fields(device: str, *, num_threads: int, root: Path = Path("/")) -> dict[str, Scalar]:
    """The part about the machine, with the cores that this process may use now.

    Args:
        device: A torch device; `cuda` adds the GPU and imports torch.
        num_threads: Threads that compute.
        root: Where `sys` lies.
    """
    plain = environment()
    fields: dict[str, Scalar] = {
        "cpu": plain.get("cpu"),
        "num_physical_cores": len(_siblings(root)) or None,
        "num_threads": num_threads,
        "affinity_size": len(_affinity()),
        "smt": _line(root / "sys/devices/system/cpu/smt/control"),
        "governor": _line(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "kernel_series": ".".join(platform.release().split(".")[:2]),
        "os_family": platform.system(),
        "machine": plain.get("machine"),
    }
    return fields | (_gpu_fields(device) if device.startswith("cuda") else {})


def software_fields(settings: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The part about libraries and settings; imports torch.

    Args:
        settings: What a run fixes: precision, memory format, compile mode.
    """
    import torch

    backends: Any = torch.backends  # torch's stubs do not know these settings yet
    return {
        "torch": str(torch.__version__),
        "torchvision": version_of("torchvision"),
        "timm": version_of("timm"),
        "triton": version_of("triton"),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if torch.cuda.is_available() else None,  # type: ignore[no-untyped-call]
        "python_series": ".".join(platform.python_version_tuple()[:2]),
        "tf32_matmul": backends.cuda.matmul.fp32_precision,
        "tf32_conv": backends.cudnn.conv.fp32_precision,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        **{name.lower(): os.environ.get(name, "unset") for name in _VARIABLES},
        **settings,
    }


def physical_cores(root: Path = Path("/")) -> list[int]:
    """The logical cores that this process may use, one of each physical core first, then their siblings.

    Args:
        root: Where `sys` lies.
    """
    allowed = _affinity()
    groups = [[core for core in group if core in allowed] for group in _siblings(root)]
    first = [group[0] for group in groups if group]
    return first + [core for core in allowed if core not in first]


def num_physical(root: Path = Path("/")) -> int:
    """How many physical cores this process may use, at least 1."""
    allowed = set(_affinity())
    groups = _siblings(root)
    return sum(bool(allowed & set(group)) for group in groups) or len(allowed) or 1


def _affinity() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _siblings(root: Path) -> list[list[int]]:
    """The logical cores of each physical core, as Linux lists them: `0,4` or `0-1`."""
    texts = {_line(file) for file in root.glob("sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list")} - {
        None
    }
    return sorted(_numbers(str(text)) for text in texts)


def _numbers(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        found += range(int(low), int(high or low) + 1)
    return found


def _gpu_fields(device: str) -> dict[str, Scalar]:
    import torch

    from bench.measure.machine_state import GpuCounters

    properties = torch.cuda.get_device_properties(device)
    plain = environment("cuda")
    gpu = GpuCounters.of(gpu_uuid(device))
    return {
        "gpu": properties.name,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "gpu_memory_mib": properties.total_memory >> 20,
        "num_sms": properties.multi_processor_count,
        "num_gpus_used": 1,
        "driver": plain.get("driver"),
        **({} if gpu is None else gpu.settings()),
    }


def gpu_uuid(device: str) -> str | None:
    """What NVML calls a CUDA device; None where torch does not tell."""
    import torch

    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    return None if uuid is None else f"GPU-{uuid}"


def _line(path: Path) -> str | None:
    return "".join(lines_of(path)[:1]).strip() or None
