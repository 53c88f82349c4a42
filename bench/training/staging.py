"""From a rank's batches in host memory to batches on its device, the next one copied while this one is used.

Shape letters: N images, H and W pixels, C = 3 colours.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.training.progress import Progress

if TYPE_CHECKING:
    import torch

    from bench.training.feeding import TrainingBatch

__all__ = ["Clock", "DeviceBatch", "RunningClock", "pinned", "staged"]


class Clock:
    """The seconds spent waiting for batches."""

    def __init__(self) -> None:
        self.wait_s = 0.0
        """Since it was last set to zero."""


class RunningClock(Clock):
    """Adds the seconds of the training to its progress, but for those that are left out."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._since = time.perf_counter()
        self._window = (progress.train_s, progress.wait_s)

    def stop(self) -> None:
        """Counts the seconds until now."""
        now = time.perf_counter()
        self._progress.train_s += now - self._since
        self._progress.wait_s += self.wait_s
        self._since, self.wait_s = now, 0.0

    def leave_out(self) -> None:
        """Does not count the seconds since the last `stop`."""
        self._since = time.perf_counter()

    def take_window(self) -> tuple[float, float]:
        """Seconds, and seconds of waiting, since the last call."""
        before, self._window = self._window, (self._progress.train_s, self._progress.wait_s)
        return self._window[0] - before[0], self._window[1] - before[1]


class DeviceBatch(NamedTuple):
    """A batch on its device, ready for work on the current stream."""

    host: TrainingBatch
    """The same batch in host memory."""
    pixels_NHWC: torch.Tensor
    """uint8."""
    labels_N: torch.Tensor
    """int64, the classes of the dataset."""


def staged(batches: Iterable[TrainingBatch], device: str, clock: Clock) -> Iterator[DeviceBatch]:
    """The batches, on a device; on a GPU a stream of its own copies one ahead.

    Args:
        batches: In pinned memory (`pinned`) where the device is a GPU.
        device: A torch device.
        clock: Takes the seconds spent waiting for batches.
    """
    waiting = _timed(iter(batches), clock)
    return _copied_ahead(waiting, device) if device.startswith("cuda") else _moved(waiting, device)


def pinned(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Page-locked memory, from which a GPU copies while the processor goes on."""
    import torch

    memory: npt.NDArray[np.uint8] = torch.empty(shape, dtype=torch.uint8, pin_memory=True).numpy()
    return memory


def _timed(batches: Iterator[TrainingBatch], clock: Clock) -> Iterator[TrainingBatch]:
    while True:
        started = time.perf_counter()
        batch = next(batches, None)
        clock.wait_s += time.perf_counter() - started
        if batch is None:
            return
        yield batch


def _moved(batches: Iterator[TrainingBatch], device: str) -> Iterator[DeviceBatch]:
    import torch

    for batch in batches:
        pixels_NHWC, labels_N = torch.from_numpy(batch.images_NHWC), torch.from_numpy(batch.labels_N)
        yield DeviceBatch(batch, pixels_NHWC.to(device), labels_N.to(device))


def _copied_ahead(batches: Iterator[TrainingBatch], device: str) -> Iterator[DeviceBatch]:
    import torch

    place = torch.device(device)
    stream: Any = torch.cuda.Stream(place)  # type: ignore[no-untyped-call]
    ahead: deque[tuple[DeviceBatch, Any]] = deque()
    copied: Any = None
    held: TrainingBatch | None = None
    while True:
        batch = next(batches, None)
        if batch is not None:
            with torch.cuda.stream(stream):
                pixels_NHWC = torch.from_numpy(batch.images_NHWC).to(place, non_blocking=True)
                labels_N = torch.from_numpy(batch.labels_N).to(place, non_blocking=True)
                event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
                event.record(stream)
            ahead.append((DeviceBatch(batch, pixels_NHWC, labels_N), event))
        if not ahead:
            break
        if len(ahead) < 2 and batch is not None:
            continue
        ready, event = ahead.popleft()
        if copied is not None:
            copied.synchronize()  # the memory of the batch before may be used again now
        held, copied = ready.host, event
        current = torch.cuda.current_stream(place)
        current.wait_event(event)
        # The allocator must not give this memory to the copy stream again while a step still reads it.
        ready.pixels_NHWC.record_stream(current)
        ready.labels_N.record_stream(current)
        yield ready
    if copied is not None and held is not None:
        copied.synchronize()
