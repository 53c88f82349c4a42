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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.backends.base import Backend, Images, Logits, ModelSession, PendingLogits, RunSpec
from bench.backends.device import wants_every_core
from bench.backends.said import gmacs_of, notes_of, num_params_of, object_of, scalars_of
from bench.backends.settings import settings_of
from bench.errors import BenchError, ChannelError, WeightsError
from bench.measure.environment import environment
from bench.models.source import LoadedSubmission
from bench.records.result import Scalar
from bench.records.submission import InputSpec
from bench.sandbox.dialogue import Question, Request
from bench.sandbox.fetch import fetch_weights
from bench.sandbox.frames import BatchPlace, Kind, packed
from bench.sandbox.jail import Jail, jail_of
from bench.sandbox.keeper import Keeper
from bench.sandbox.memory import NUM_SLOTS, Slots
from bench.sandbox.surprise import without_surprise

__all__ = ["JailedBackend"]

_TURN_S = 0.1
_TURN_BYTES = 32 << 20
_MOST_BATCHES = 16
"""How long a turn of several batches may take, and how many bytes and batches they may be."""
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
                if submission.source.runs_code or not (spec.with_weights and could_help):
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


@dataclass(eq=False)
class _Turn:
    """Batches that the child is given together; they lie in one slot."""

    places: list[BatchPlace] = field(default_factory=list)
    num_rows: int = 0
    num_bytes: int = 0
    """Of all these batches."""
    question: Question | None = None
    """None while the child has not been given them."""
    logits_NC: Logits | None = None
    """None while they have not been asked for."""


class _JailedSession(ModelSession):
    """A model in a child.

    A model on a CPU may want every core: whatever this process did meanwhile would hold up one of its threads, and all
    others would wait for that one. Then the two take turns, unless a batch takes so long that this hardly matters: a
    few batches gather in shared memory, and are answered together. Elsewhere each batch is given to the child at once.

    Under an audit each batch is asked for alone, as the audit's own are: how many batches a question has, and whether
    the next one waits already, would tell the child what is scored.
    """

    def __init__(self, keeper: Keeper, slots: Slots, jail: Jail, submission: LoadedSubmission, spec: RunSpec) -> None:
        self._keeper, self._slots = keeper, slots
        self._num_classes = spec.num_classes
        self._in_slots: deque[_Turn] = deque()
        self._num_turns = self._num_batches = 0
        self._most_ahead = 0 if spec.audited else NUM_SLOTS - 1
        self._turn_size = 1
        self._rows_a_turn = 0.0
        hello = keeper.wait(keeper.hello)
        with without_surprise():
            self.environment = _environment(object_of(hello), jail, spec)
        num_threads = self.environment["num_threads"]
        self._takes_turns = (
            isinstance(num_threads, int) and wants_every_core(spec.device, num_threads) and not spec.audited
        )
        ready = keeper.wait(keeper.ready)
        with without_surprise():
            told = object_of(ready)
            self.num_params = num_params_of(told)
            self.input = _input(submission, told)
            self.notes = notes_of(told)
        self.layers = jail.layers(keeper.layers)
        self.limits = jail.limits.as_json()

    def submit(self, images_NHWC: Images) -> PendingLogits:
        self._keeper.check()
        turn = self._filling()
        place = self._slots.write((self._num_turns - 1) % NUM_SLOTS, turn.num_bytes, images_NHWC)
        rows = slice(turn.num_rows, turn.num_rows + place.num_rows)
        turn.places.append(place)
        turn.num_rows += place.num_rows
        turn.num_bytes += images_NHWC.nbytes
        self._num_batches += 1
        if self._takes_turns:
            self._turn_size = _turn_size(self._rows_a_turn, place.num_rows, images_NHWC.nbytes)
        if len(turn.places) >= self._turn_size or turn.num_bytes >= _TURN_BYTES:
            self._give()
        return lambda: self._answer(turn)[rows]

    @property
    def num_ahead(self) -> int:
        return self._turn_size - 1 if self._turn_size > 1 else self._most_ahead

    def _filling(self) -> _Turn:
        """The turn that the child has not been given yet, or a new one with a slot of its own."""
        if self._in_slots and self._in_slots[-1].question is None:
            return self._in_slots[-1]
        while len(self._in_slots) >= NUM_SLOTS:
            self._answer(self._in_slots.popleft())
        self._in_slots.append(_Turn())
        self._num_turns += 1
        return self._in_slots[-1]

    def _give(self) -> None:
        """Gives the child the batches that it has not been given."""
        turn = self._in_slots[-1] if self._in_slots else None
        if turn is None or turn.question is not None or not turn.places:
            return
        first = self._num_batches - len(turn.places) + 1
        names = f"batch {first:,}" if len(turn.places) == 1 else f"batches {first:,} to {self._num_batches:,}"
        turn.question = self._keeper.ask(
            Request(
                kind=Kind.BATCH,
                answer=Kind.LOGITS,
                phase=names,
                num_batches=len(turn.places),
                number=turn.num_rows,
                payload=packed(turn.places),
                count=turn.num_rows,
                length=4 * turn.num_rows * self._num_classes,
            )
        )

    def _answer(self, turn: _Turn) -> Logits:
        if turn.logits_NC is None:
            if turn.question is None:
                self._give()
            assert turn.question is not None  # noqa: S101 - given just now
            turn.logits_NC = np.frombuffer(self._wait(turn.question), dtype=np.float32).reshape(-1, self._num_classes)
            self._rows_a_turn = _TURN_S * turn.num_rows / max(turn.question.seconds, 1e-6)
        return turn.logits_NC

    def _told(self, request: Request) -> bytearray:
        """The answer to a question of another kind."""
        self._give()
        return self._wait(self._keeper.ask(request))

    def _wait(self, question: Question) -> bytearray:
        try:
            return self._keeper.wait(question)
        except BenchError:
            self._slots.close()  # it may be full of what the child took; others of this evaluation need memory
            raise

    def settings(self) -> dict[str, Scalar]:
        told = self._told(Request(kind=Kind.SETTINGS, answer=Kind.SET, phase="settings"))
        with without_surprise():
            return scalars_of(object_of(told), "settings")

    def gmacs(self, img_size: int) -> float:
        told = self._told(Request(kind=Kind.COST, answer=Kind.COSTED, phase="multiply-adds", number=img_size))
        with without_surprise():
            return gmacs_of(object_of(told))

    def guarded(self) -> AbstractContextManager[None]:
        return without_surprise()

    def finish(self) -> None:
        self._give()
        try:
            self._keeper.finish()
        finally:
            self._slots.close()
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


def _turn_size(rows_a_turn: float, num_rows: int, num_bytes: int) -> int:
    """How many batches of so many rows and bytes are a turn."""
    return max(1, min(_MOST_BATCHES, int(rows_a_turn / num_rows), _TURN_BYTES // num_bytes))


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
