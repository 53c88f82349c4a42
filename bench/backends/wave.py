"""A wave: the models that are in memory together, so that one decoded stream serves them all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bench.backends.base import Backend, ModelSession, RunSpec
from bench.backends.device import device_type
from bench.backends.sharded import ShardedSession
from bench.models.source import LoadedSubmission

__all__ = ["MAX_MODELS", "StartedModel", "Wave"]

MAX_MODELS = 8
"""More models at once save little: one pass of decoding is then shared by eight already."""
_SHARE_OF_MEMORY = 0.25
"""What weights may take of a device's memory before the next model waits: activations need the rest."""
_BYTES_A_PARAMETER = 4


@dataclass(frozen=True, kw_only=True)
class StartedModel:
    """A model of a wave."""

    index: int
    """Which of the submissions it is."""
    session: ModelSession
    start_s: float
    """Wall time of its start, in seconds."""


class Wave:
    """Models started together.

    Args:
        backend: The place to run.
        spec: How to run; its device is replaced by each of `devices`.
        devices: The devices that share the images.
    """

    def __init__(self, backend: Backend, spec: RunSpec, devices: Sequence[str]) -> None:
        self.backend = backend
        self.spec = spec
        self.devices = devices
        self.models: list[StartedModel] = []
        self._closed = False

    def has_room(self, *, alone_next: bool) -> bool:
        """Whether one more model fits: in number, in memory, and unless it or the last one must be alone."""
        if not self.models:
            return True
        if self._closed or alone_next or len(self.models) >= MAX_MODELS:
            return False
        weight_bytes = _BYTES_A_PARAMETER * sum(model.session.num_params for model in self.models)
        return weight_bytes < _SHARE_OF_MEMORY * _memory_bytes(self.devices[0])

    def add(self, index: int, submission: LoadedSubmission, stack: ExitStack, *, alone: bool) -> None:
        """Starts a submission's model on every device; leaving the stack ends it.

        Raises:
            SubmissionError: The submission cannot be run.
            DeviceError: A device is too small.
        """
        started = time.perf_counter()
        sessions = [
            stack.enter_context(self.backend.start(submission, replace(self.spec, device=device)))
            for device in self.devices
        ]
        session = sessions[0] if len(sessions) == 1 else ShardedSession(sessions)
        self.models.append(StartedModel(index=index, session=session, start_s=time.perf_counter() - started))
        self._closed = alone


def _memory_bytes(device: str) -> int:
    """The memory of a device: its own, or for the CPU and Apple's GPUs the machine's."""
    if device_type(device) == "cuda":
        import torch

        return torch.cuda.get_device_properties(device).total_memory
    import os

    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
