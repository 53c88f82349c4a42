"""Memory of a run: how the C library keeps what is freed, and what an error says when there is not enough."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["is_out_of_memory", "keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
_LARGEST_TRIM, _LARGEST_MMAP = (1 << 31) - 1, 32 << 20  # what mallopt takes on 64-bit systems


def keep_freed_memory() -> bool:
    """Lets glibc keep the memory of freed tensors for the next ones, instead of giving it back to the system.

    Otherwise each batch pays page faults for every layer again: the forward pass of light convolutional networks was
    measured at nearly twice its time. Returns whether there was such a setting; other C libraries have none.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, _LARGEST_TRIM)) and bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python says that a device or the machine has too little memory."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
