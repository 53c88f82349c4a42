"""What the Linux kernel tells, mostly in small files; elsewhere there are none, and nothing is told."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["kib_of", "lines_of", "num_cores"]


def lines_of(path: Path | str) -> list[str]:
    """The lines of a file; none where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def kib_of(path: Path | str, key: str) -> int | None:
    """The number of a line such as `VmHWM:  123 kB`, in KiB; None where there is none.

    Args:
        path: `/proc/meminfo`, or the `status` of a process.
        key: The word before the colon.
    """
    return next((int(line.split()[1]) for line in lines_of(path) if line.partition(":")[0] == key), None)


def num_cores() -> int:
    """Cores that this process may use, which in a container or a job is fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
