"""Which machine a gate runs on: fields that must be equal before and after it, and in a stored baseline; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.measure.fingerprint import differing, machine_fields
from bench.measure.kernel import lines_of
from bench.records.result import Scalar

__all__ = ["differences", "machine_here", "software_of"]

_SOFTWARE = ("python", "torch", "torchvision", "timm")


def machine_here(root: Path = Path("/")) -> dict[str, Scalar]:
    """The machine now: processor, cores that may be used, kernel, and the NVIDIA GPUs that its driver lists.

    Args:
        root: Where `proc` and `sys` lie.
    """
    found = machine_fields("cpu", num_threads=0, root=root)
    del found["num_threads"]  # each row says its own
    found["gpus"] = ", ".join(_gpu_names(root))
    found["driver"] = "".join(lines_of(root / "sys/module/nvidia/version")[:1])
    return {key: value for key, value in found.items() if value not in (None, "")}


def software_of(environment: Mapping[str, Scalar], side: Mapping[str, str]) -> dict[str, Scalar]:
    """The versions that a stored baseline must agree on; base and head of one gate may differ in them.

    Args:
        environment: What the gate itself runs under.
        side: The facts of a side, which are nearer to what is measured where there are any.
    """
    known: dict[str, Scalar] = {**environment, **{name: side[name] for name in ("torch",) if name in side}}
    python = side.get("version") or str(known.get("python", "unknown"))
    return {name: known.get(name, "unknown") for name in _SOFTWARE} | {"python": ".".join(python.split(".")[:2])}


def differences(one: Mapping[str, Scalar], other: Mapping[str, Scalar]) -> list[str]:
    """What differs between two machines, a phrase a field; a field that one of them lacks counts as unknown."""
    return [
        f"{key} is {other.get(key, 'unknown')!r}, was {one.get(key, 'unknown')!r}"
        for key in differing(one, other, sorted({*one, *other}))
    ]


def _gpu_names(root: Path) -> list[str]:
    """The line `Model: NVIDIA H100 80GB HBM3` of each GPU, in the order of their places."""
    files = sorted(root.glob("proc/driver/nvidia/gpus/*/information"))
    lines = [line for file in files for line in lines_of(file) if line.startswith("Model:")]
    return [line.partition(":")[2].strip() for line in lines]
