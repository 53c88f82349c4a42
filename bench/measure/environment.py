"""The machine and the libraries that a number was measured with, and what this machine lacks."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from bench.measure.kernel import lines_of, num_cores
from bench.records.result import Scalar

__all__ = ["Need", "best_device_type", "environment", "needs"]

_LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow", "safetensors")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that a part of bench uses where it is there."""

    name: str
    """What it is."""
    found: str | None
    """Where or which it is; None when it is missing."""
    advice: str
    """What it is for and how to get it."""


def environment(device_type: str | None = None) -> dict[str, Scalar]:
    """The machine and the library versions, one plain value a key; what is not known or not there is left out.

    Args:
        device_type: `cuda` adds the GPUs, driver and CUDA versions and needs torch; `cpu` and `mps` add torch's number
            of threads; None asks torch nothing, so it is quick.
    """
    found: dict[str, Scalar] = {
        "os": _os_name(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "num_cores": num_cores(),
        "memory_gib": _memory_gib(),
        "container": _container(),
        "python": platform.python_version(),
        **{name: version_of(name) for name in _LIBRARIES},
        "jpeg_library": _jpeg_library(),
    }
    if device_type is not None:
        found |= _of_torch(device_type)
    return {key: value for key, value in found.items() if value is not None}


def best_device_type() -> str:
    """`cuda`, `mps` or `cpu`: the fastest that torch finds here."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def needs() -> list[Need]:
    """What parts of bench use beyond Python packages, found here or missing; imports torch to ask for CUDA."""
    import torch

    bubblewrap = shutil.which("bwrap")
    browser = os.environ.get("BENCH_CHROMIUM") or next(
        (path for name in _BROWSERS if (path := shutil.which(name))), None
    )
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    data = os.environ.get("BENCH_DATA")
    test_data = os.environ.get("BENCH_TEST_DATA")
    return [
        Need(
            name="CUDA GPU",
            found=gpu,
            advice="for speed only: install an NVIDIA driver and a CUDA build of torch; everything also runs on a CPU",
        ),
        Need(
            name="bubblewrap",
            found=bubblewrap,
            advice="for running submissions in a sandbox (Linux): apt-get install bubblewrap",
        ),
        Need(
            name="Chromium",
            found=browser,
            advice="for the browser tests only: apt-get install chromium, or set BENCH_CHROMIUM to its path",
        ),
        Need(
            name="BENCH_DATA",
            found=data,
            advice="the dataset's folder when --data is not given: export BENCH_DATA=/data/imagenet",
        ),
        Need(
            name="BENCH_TEST_DATA",
            found=test_data,
            advice="for the tests on real data only, which skip without it: set it to the folder of that data",
        ),
    ]


def _of_torch(device_type: str) -> dict[str, Scalar]:
    import torch

    found: dict[str, Scalar] = {
        "torch": str(torch.__version__),  # with the build, such as +cu126, that importlib.metadata may lack
        "num_threads": torch.get_num_threads(),
    }
    if device_type == "cuda" and torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        found["gpu"] = ", ".join(dict.fromkeys(names))
        found["num_gpus"] = len(names)
        found["gpu_memory_gib"] = round(torch.cuda.get_device_properties(0).total_memory / 2**30, 1)
        found["cuda"] = torch.version.cuda
        found["cudnn"] = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        found["driver"] = _driver()
    return found


def version_of(name: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _os_name() -> str:
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system()
    return release.get("PRETTY_NAME", platform.system())


def _cpu_model() -> str | None:
    """The processor's name as Linux tells it; elsewhere what Python knows."""
    for line in lines_of("/proc/cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "Hardware"):
            return value.strip()
    return platform.processor() or None


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return None


def _container() -> str | None:
    """What kind of container this is, where something tells."""
    if Path("/.dockerenv").exists():
        return "docker"
    if Path("/run/.containerenv").exists():
        return "podman"
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return "kubernetes"
    return os.environ.get("container") or None  # noqa: SIM112 - systemd-nspawn and lxc write it in lower case


def _jpeg_library() -> str | None:
    """The JPEG decoder that Pillow was built with: decoders differ by a level or two."""
    from PIL import features

    if turbo := features.version_feature("libjpeg_turbo"):
        return f"libjpeg-turbo {turbo}"
    plain = features.version_codec("jpg")
    return f"libjpeg {plain}" if plain else None


def _driver() -> str | None:
    """The NVIDIA driver's version, as its kernel module tells."""
    for line in lines_of("/proc/driver/nvidia/version"):
        words = line.split()
        if "Module" in words:
            rest = words[words.index("Module") + 1 :]
            return next((word for word in rest if word[:1].isdigit()), None)
    return None
