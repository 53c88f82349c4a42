"""From pixels in host memory to pixels on a device, without the device waiting.

Shape letters: N images, H and W pixels.
"""

from __future__ import annotations

import numpy as np
import torch

from bench.backends.base import Images

__all__ = ["Stager", "pixels_on"]

_NUM_SLOTS = 3  # one being copied, one in use, one being filled


class Stager:
    """Copies batches to one CUDA device through pinned buffers, on a stream of its own.

    The copy of a batch overlaps with the forward pass of the one before it; uint8 goes over the bus, a quarter of what
    float32 would take. All models on a device share the copy of a batch.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        self._slots: list[torch.Tensor | None] = [None] * _NUM_SLOTS
        self._copied: list[torch.cuda.Event | None] = [None] * _NUM_SLOTS
        self._turn = 0
        self._last: tuple[Images, torch.Tensor] | None = None

    def put(self, images_NHWC: Images) -> torch.Tensor:
        """The pixels on the device, uint8 (N, H, W, 3), ready for work on the current stream."""
        if self._last is not None and self._last[0] is images_NHWC:
            return self._last[1]
        slot = self._turn % _NUM_SLOTS
        self._turn += 1
        pinned = self._pinned(slot, images_NHWC)
        pinned.numpy()[...] = images_NHWC
        current = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            pixels = pinned.to(self._device, non_blocking=True)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(self._stream)
        self._copied[slot] = event
        current.wait_event(event)
        # The allocator must not give this memory to the copy stream again while the model still reads it.
        pixels.record_stream(current)
        self._last = (images_NHWC, pixels)
        return pixels

    def _pinned(self, slot: int, images_NHWC: Images) -> torch.Tensor:
        """A pinned buffer of the batch's shape whose last copy has ended."""
        if (event := self._copied[slot]) is not None:
            event.synchronize()
        buffer = self._slots[slot]
        size = images_NHWC.size
        if buffer is None or buffer.numel() < size:
            buffer = self._slots[slot] = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        return buffer[:size].view(images_NHWC.shape)


def pixels_on(device: str, images_NHWC: Images, stager: Stager | None) -> torch.Tensor:
    """The pixels of a batch on a device, uint8 (N, H, W, 3); a CUDA device has a stager."""
    if stager is not None:
        return stager.put(images_NHWC)
    writeable = images_NHWC if images_NHWC.flags.writeable else np.array(images_NHWC)
    return torch.from_numpy(writeable).to(device)
