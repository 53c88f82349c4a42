"""What the process of a submission may take: memory, processes, files, time. All of it stands in the result."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

__all__ = ["Limits"]

_GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one child and its processes together, unless a docstring says otherwise.

    The deadlines are those of the design: import 120 s, load 300 s, first batch 300 s (it may compile), each later one
    max(10 s, 20 x the median so far), the end 10 s.
    """

    memory_bytes: int = 0
    """Host memory; 0 for half of the machine's."""
    num_processes: int = 0
    """Processes and threads; 0 for 1,024, or 32 a core where that is more: torch starts a thread a core, its compiler
    a process a core."""
    num_files: int = 4096
    """Open files of each process."""
    file_bytes: int = 8 * _GIB
    """The largest file."""
    scratch_bytes: int = 2 * _GIB
    """The size of /tmp: torch.compile needs more than 128 MiB."""
    shm_bytes: int = 1 * _GIB
    """The size of /dev/shm, for loaders of its own."""
    cpu_s: int = 7 * 24 * 3600
    """Processor time of each process, in seconds."""
    start_s: float = 120.0
    """Until the child has imported torch, before it touches the submission."""
    import_s: float = 120.0
    """To import the submission's file."""
    load_s: float = 300.0
    """To build the model and load its weights."""
    first_batch_s: float = 300.0
    """For the first batch."""
    batch_s: float = 10.0
    """For each later question - a batch, or several that take a tenth of a second together -, or 20 times the median of
    those before where that is longer."""
    busy_s: float = 24 * 3600.0
    """For everything that it was asked for, together."""
    shutdown_s: float = 10.0
    """From the last question to the end of all its processes."""
    output_bytes: int = 1 << 20
    """What is kept of its standard output, and of its standard error; the rest is counted and dropped."""

    def resolved(self) -> Limits:
        """The limits with the machine's own numbers for those that are 0."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        values = asdict(self)
        values["memory_bytes"] = self.memory_bytes or memory // 2
        values["num_processes"] = self.num_processes or max(1024, 32 * (os.cpu_count() or 1))
        return Limits(**values)

    def as_json(self) -> dict[str, int | float]:
        """The limits by name, for a result."""
        return asdict(self)
