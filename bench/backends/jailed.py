"""A model in a process of its own: the levels `process` and `sandbox`.

The parent holds labels, order, clock and results; it never imports the submission's code or opens its weights. What
comes back is bytes whose number it knew beforehand, and a few facts that it checks.

Shape letters: N images, H and W pixels, C outputs.
"""

from __future__ import annotations

import math
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.backends.base import Backend, Images, Logits, ModelSession, PendingLogits, RunSpec
from bench.backends.settings import settings_of
from bench.errors import ChannelError, ModelError, WeightsError
from bench.measure.environment import environment
from bench.models.source import LoadedSubmission
from bench.records.result import Scalar
from bench.records.submission import InputSpec
from bench.sandbox.fetch import fetch_weights
from bench.sandbox.frames import BatchPlace, Kind, parsed
from bench.sandbox.jail import Jail, jail_of
from bench.sandbox.keeper import Keeper, Question
from bench.sandbox.memory import NUM_SLOTS, Slots
from bench.sandbox.printed import harmless

__all__ = ["JailedBackend"]

_MAX_NOTES = 20
_MAX_PARAMETERS = 10**13
_OF_TORCH = ("torch", "num_threads", "gpu", "num_gpus", "gpu_memory_gib", "cuda", "cudnn", "driver")


class JailedBackend(Backend):
    """Runs the submission's code in a process of its own; subclasses say how far that process is kept."""

    @classmethod
    def _level(cls) -> Literal["process", "sandbox"]:
        assert cls.isolation != "none"  # noqa: S101 - subclasses say which
        return cls.isolation

    @contextmanager
    def start(self, submission: LoadedSubmission, spec: RunSpec) -> Iterator[ModelSession]:
        """Starts a child that builds the model; leaving the context ends it with all its processes.

        Raises:
            IsolationError: The level cannot be had on this machine.
            SubmissionError: The submission cannot be run; its `outcome` says how it failed.
            DeviceError: The device is not there, or too small.
        """
        with ExitStack() as stack:
            try:
                session = self._started(stack, submission, spec)
            except WeightsError as error:
                # A sandbox has no network. What has no code of its own may be fetched outside of it, once.
                could_help = self.isolation == "sandbox" and "cannot be downloaded" in error.message
                if submission.source.runs_code or not could_help:
                    raise
                stack.close()
                if not fetch_weights(submission, spec.cache_folder):
                    raise
                session = self._started(stack, submission, spec)
            yield session

    def _started(self, stack: ExitStack, submission: LoadedSubmission, spec: RunSpec) -> ModelSession:
        """A child with its model ready; leaving the stack ends it."""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ilsvrc-bench-")))
        jail = jail_of(self._level(), submission, spec, folder)
        slots = stack.enter_context(Slots())
        keeper = Keeper(lambda: jail.begin(slots.descriptor), jail.limits, jail.failure)
        stack.callback(keeper.stop)
        return _JailedSession(keeper, slots, jail, submission, spec)


class _JailedSession(ModelSession):
    def __init__(self, keeper: Keeper, slots: Slots, jail: Jail, submission: LoadedSubmission, spec: RunSpec) -> None:
        self._keeper, self._slots = keeper, slots
        self._num_classes = spec.num_classes
        self._in_flight: deque[Question] = deque()
        self._num_batches = 0
        hello = _json(keeper.wait(keeper.hello))
        jail.check_seen(hello.get("seen"))
        told = hello.get("environment")
        of_torch = {name: value for name, value in _scalars(told).items() if name in _OF_TORCH}
        num_threads = of_torch.get("num_threads")
        self.environment = environment() | of_torch
        self.environment |= settings_of(spec, num_threads=num_threads if isinstance(num_threads, int) else 0)
        ready = _json(keeper.wait(keeper.ready))
        self.num_params = _whole(ready, "num_params", _MAX_PARAMETERS)
        self.input = _input(submission, ready)
        self.notes = tuple(harmless(note) for note in ready.get("notes", ()))[:_MAX_NOTES]
        self.layers = jail.layers(keeper.layers)
        self.limits = jail.limits.as_json()

    def submit(self, images_NHWC: Images) -> PendingLogits:
        while len(self._in_flight) >= NUM_SLOTS:
            self._keeper.wait(self._in_flight.popleft())
        num_images, height, width, _ = images_NHWC.shape
        offset = self._slots.write(self._num_batches % NUM_SLOTS, images_NHWC)
        self._num_batches += 1
        question = self._keeper.ask(
            Kind.BATCH,
            Kind.LOGITS,
            f"batch {self._num_batches:,}",
            number=num_images,
            payload=BatchPlace(offset, height, width).pack(),
            rows=num_images,
            length=4 * num_images * self._num_classes,
        )
        self._in_flight.append(question)

        def wait() -> Logits:
            payload = self._keeper.wait(question)
            return np.frombuffer(payload, dtype=np.float32).reshape(num_images, self._num_classes)

        return wait

    def settings(self) -> dict[str, Scalar]:
        return _scalars(_json(self._keeper.wait(self._keeper.ask(Kind.SETTINGS, Kind.SET, "settings"))))

    def gmacs(self, img_size: int) -> float:
        costed = _json(self._keeper.wait(self._keeper.ask(Kind.COST, Kind.COSTED, "multiply-adds", number=img_size)))
        if "error" in costed:
            raise ModelError(harmless(costed["error"]))
        gmacs = costed.get("gmacs")
        if not isinstance(gmacs, int | float) or not math.isfinite(gmacs) or gmacs < 0:
            raise ChannelError(f"its process counted {harmless(gmacs, 40)} multiply-adds")
        return float(gmacs)

    def finish(self) -> None:
        self._keeper.finish()
        self.notes += tuple(
            f"It printed {printed.num_bytes:,} bytes to its {name}; the first {printed.num_dropped:,} were dropped."
            for name, printed in zip(("standard output", "standard error"), self._keeper.printed, strict=True)
            if printed.num_dropped
        )

    @property
    def printed(self) -> tuple[str, str]:
        """What its process printed so far, untrusted text: standard output and standard error."""
        output, errors = self._keeper.printed
        return output.text, errors.text


def _input(submission: LoadedSubmission, ready: dict[str, Any]) -> InputSpec:
    """What the model wants to see: the manifest's word where there is code that could say anything else."""
    if submission.source.runs_code:
        return submission.manifest.input or InputSpec()
    told = ready.get("input")
    return InputSpec.parse(told if isinstance(told, dict) else {}, path=submission.manifest_path)


def _json(payload: bytearray) -> dict[str, Any]:
    try:
        return parsed(payload)
    except ValueError as error:
        raise ChannelError(f"its process sent no valid text: {error}") from error


def _scalars(told: object) -> dict[str, Scalar]:
    """The plain values of an object, names and texts made harmless."""
    found: dict[str, Scalar] = {}
    for name, value in list(told.items())[:100] if isinstance(told, dict) else ():
        if isinstance(value, str):
            found[harmless(name, 80)] = harmless(value, 200)
        elif value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            found[harmless(name, 80)] = value
    return found


def _whole(told: dict[str, Any], name: str, most: int) -> int:
    value = told.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ChannelError(f"its process says {name} is {harmless(value, 40)}")
    return value
