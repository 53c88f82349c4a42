"""A model in a process of its own: the levels `process` and `sandbox`.

The parent holds labels, order, clock and results; it never imports the submission's code or opens its weights. What
comes back is bytes whose number it knew beforehand, and a few facts that it checks.

Shape letters: N images, H and W pixels, C outputs.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.backends.base import Backend, Images, Logits, ModelSession, PendingLogits, RunSpec
from bench.backends.said import gmacs_of, notes_of, num_params_of, object_of, scalars_of
from bench.backends.settings import settings_of
from bench.errors import ChannelError, WeightsError
from bench.measure.environment import environment
from bench.models.source import LoadedSubmission
from bench.records.result import Scalar
from bench.records.submission import InputSpec
from bench.sandbox.fetch import fetch_weights
from bench.sandbox.frames import BatchPlace, Kind
from bench.sandbox.jail import Jail, jail_of
from bench.sandbox.keeper import Keeper, Question
from bench.sandbox.memory import NUM_SLOTS, Slots
from bench.sandbox.surprise import without_surprise

__all__ = ["JailedBackend"]

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
        hello = keeper.wait(keeper.hello)
        with without_surprise():
            self.environment = _environment(object_of(hello), jail, spec)
        ready = keeper.wait(keeper.ready)
        with without_surprise():
            told = object_of(ready)
            self.num_params = num_params_of(told)
            self.input = _input(submission, told)
            self.notes = notes_of(told)
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
        told = self._keeper.wait(self._keeper.ask(Kind.SETTINGS, Kind.SET, "settings"))
        with without_surprise():
            return scalars_of(object_of(told), "settings")

    def gmacs(self, img_size: int) -> float:
        told = self._keeper.wait(self._keeper.ask(Kind.COST, Kind.COSTED, "multiply-adds", number=img_size))
        with without_surprise():
            return gmacs_of(object_of(told))

    def guarded(self) -> AbstractContextManager[None]:
        return without_surprise()

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


def _environment(hello: dict[str, Any], jail: Jail, spec: RunSpec) -> dict[str, Scalar]:
    """The machine as the parent sees it, and what only the child's torch can tell."""
    jail.check_seen(hello.get("seen"))
    told = hello.get("environment")
    if not isinstance(told, dict):
        raise ChannelError("its process does not say what it runs on")
    of_torch = scalars_of({name: told[name] for name in _OF_TORCH if name in told}, "environment")
    num_threads = of_torch.get("num_threads")
    return environment() | of_torch | settings_of(spec, num_threads=num_threads if isinstance(num_threads, int) else 0)


def _input(submission: LoadedSubmission, ready: dict[str, Any]) -> InputSpec:
    """What the model wants to see: the manifest's word where there is code that could say anything else."""
    if submission.source.runs_code:
        return submission.manifest.input or InputSpec()
    told = ready.get("input")
    if not isinstance(told, dict):
        raise ChannelError("its process does not say what input the model takes")
    return InputSpec.parse(told, path=submission.manifest_path)
