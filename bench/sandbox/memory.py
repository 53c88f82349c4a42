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
from bench.sandbox.frames import BatchPlace

__all__ = ["NUM_SLOTS", "ReadableSlots", "Slots"]

NUM_SLOTS = 3
"""One that the child works on, one that waits, one that is being filled."""
SLOT_BYTES = 4 << 30
"""Address space of a slot; only the pages that are written take memory."""
_F_SEAL_FUTURE_WRITE = 0x0010  # linux/fcntl.h; not in Python's module


class Slots:
    """A sealed memory file with a few slots, each with room for a batch, or for several small ones.

    Its seals forbid the child to cut it off (the parent would die of SIGBUS), to grow it, and to write to it by any
    way: `write`, or a mapping made after the seal. The parent's mapping is older than the seal.

    Raises:
        DeviceError: There is no such memory, or no room for its addresses.
    """

    def __init__(self) -> None:
        try:
            self.descriptor = os.memfd_create("batches", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            try:
                os.ftruncate(self.descriptor, NUM_SLOTS * SLOT_BYTES)
                self._map = mmap.mmap(self.descriptor, NUM_SLOTS * SLOT_BYTES, flags=mmap.MAP_SHARED)
                seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | _F_SEAL_FUTURE_WRITE | fcntl.F_SEAL_SEAL
                fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)
            except OSError:
                os.close(self.descriptor)
                raise
        except OSError as error:
            raise DeviceError(f"no memory can be shared with a process of the submission's own: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the memory back, also what a child that has ended took of it."""
        if not self._map.closed:
            self._map.close()
            os.close(self.descriptor)

    def write(self, slot: int, start: int, images_NHWC: npt.NDArray[np.uint8]) -> BatchPlace:
        """Copies a batch into a slot; returns where it lies then.

        Args:
            slot: Which one.
            start: Where in it, in bytes.
            images_NHWC: The pixels.

        Raises:
            DeviceError: There is no room for the batch.
        """
        if start + images_NHWC.nbytes > SLOT_BYTES:
            raise DeviceError(f"a batch of {images_NHWC.nbytes:,} bytes is too large; use a smaller --batch-size")
        offset = slot * SLOT_BYTES + start
        place = np.ndarray(images_NHWC.shape, dtype=np.uint8, buffer=self._map, offset=offset)
        np.copyto(place, images_NHWC)
        num_images, height, width, _ = images_NHWC.shape
        return BatchPlace(offset, num_images, height, width)


class ReadableSlots:
    """A child's read-only view of the batches.

    Args:
        descriptor: That of the parent's `Slots`; it is closed.
    """

    def __init__(self, descriptor: int) -> None:
        mapped = mmap.mmap(descriptor, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
        os.close(descriptor)  # the mapping keeps one of its own
        self._first = np.frombuffer(mapped, dtype=np.uint8, count=1)  # which keeps the mapping
        self._address: int = self._first.__array_interface__["data"][0]

    def pixels(self, place: BatchPlace) -> npt.NDArray[np.uint8]:
        """A view of a batch, uint8 (N, H, W, 3), which numpy believes to be writable.

        torch takes no read-only array without copying it; who writes to these pixels ends with SIGSEGV.
        """
        shape = place.num_rows, place.height, place.width, 3
        return np.asarray(_Pixels(self._address + place.offset, shape))


class _Pixels:
    def __init__(self, address: int, shape: tuple[int, ...]) -> None:
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": shape, "data": (address, False)}
