"""The high-water mark of a process's memory: how much it ever held, and how to begin again."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

from bench.measure.kernel import kib_of

__all__ = ["forget_high_water", "high_water_mib"]


def high_water_mib() -> float:
    """The largest resident memory of this process, in MiB."""
    # ru_maxrss also has what the parent held when it forked.
    if (found := kib_of("/proc/self/status", "VmHWM")) is not None:
        return found / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def forget_high_water() -> None:
    """Lets the mark begin again at what is held now; where that cannot be, it counts from the start of the process."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5): resets VmHWM
