"""Memory that parent and child share: the parent writes pixels, the child can only read them.

Shape letters: N images, H and W pixels.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from bench.errors import DeviceError

__all__ = ["NUM_SLOTS", "Slots", "readable_pixels"]

NUM_SLOTS = 3
"""One that the child works on, one that waits, one that is being filled."""
SLOT_BYTES = 4 << 30
"""Address space of a slot; only the pages that are written take memory."""
_F_SEAL_FUTURE_WRITE = 0x0010  # linux/fcntl.h; not in Python's module


class Slots:
    """A sealed memory file with room for three batches.

    Its seals forbid the child to cut it off (the parent would die of SIGBUS), to grow it, and to write to it by any
    way: `write`, or a mapping made after the seal. The parent's mapping is older than the seal.
    """

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("batches", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, NUM_SLOTS * SLOT_BYTES)
        self._map = mmap.mmap(self.descriptor, NUM_SLOTS * SLOT_BYTES, flags=mmap.MAP_SHARED)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | _F_SEAL_FUTURE_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._map.close()
        os.close(self.descriptor)

    def write(self, slot: int, images_NHWC: npt.NDArray[np.uint8]) -> int:
        """Copies a batch into a slot; returns where it begins, in bytes.

        Raises:
            DeviceError: The batch is larger than a slot.
        """
        if images_NHWC.nbytes > SLOT_BYTES:
            raise DeviceError(f"a batch of {images_NHWC.nbytes:,} bytes is too large; use a smaller --batch-size")
        offset = slot * SLOT_BYTES
        place = np.ndarray(images_NHWC.shape, dtype=np.uint8, buffer=self._map, offset=offset)
        np.copyto(place, images_NHWC)
        return offset


def readable_pixels(mapped: mmap.mmap, shape: tuple[int, ...], offset: int) -> npt.NDArray[np.uint8]:
    """A view of a batch in a child's read-only mapping, uint8 (N, H, W, 3), which numpy believes to be writable.

    torch takes no read-only array without copying it; who writes to these pixels ends with SIGSEGV.
    """
    start = np.frombuffer(mapped, dtype=np.uint8, count=1).__array_interface__["data"][0]
    return np.asarray(_Pixels(start + offset, shape))


class _Pixels:
    def __init__(self, address: int, shape: tuple[int, ...]) -> None:
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": shape, "data": (address, False)}
