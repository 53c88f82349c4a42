"""What a child was asked and what it answers: what may come next, and by when."""

from __future__ import annotations

import bisect
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError, TimeLimitError
from bench.sandbox.frames import MAX_TEXT_BYTES, Frame, Header, Kind, parsed
from bench.sandbox.limits import Limits

__all__ = ["PHASES", "Dialogue", "Question", "Request"]

PHASES = ("start", "import", "load")
"""What a child goes through before it answers, in this order."""
_TIMES_THE_MEDIAN = 20


@dataclass(frozen=True, kw_only=True)
class Request:
    """Something to ask a child."""

    kind: Kind
    """What is asked; the answer's own where the child speaks by itself."""
    answer: Kind
    """What the answer must be."""
    phase: str | None = None
    """What the child then does, for messages; None while it starts, when it says so."""
    num_batches: int = 0
    """How many batches are asked for."""
    number: int = 0
    """Of the frame."""
    payload: bytes = b""
    """Of the frame."""
    count: int | None = None
    """The count that the answer must have; None for any."""
    length: int | None = None
    """The bytes of the answer; None for a text."""


@dataclass(eq=False)
class Question:
    """Something that the child was asked, or must say by itself, and what came of it."""

    request: Request
    sequence: int
    payload: bytearray | None = None
    """The answer."""
    seconds: float = 0.0
    """How long the child took, by the parent's clock: since it could begin with it."""


class Dialogue:
    """The questions to one child, in their order, and its answers.

    Args:
        limits: How long it may take.
        failure: Turns what the child says of its own failure into an error.
    """

    def __init__(self, limits: Limits, failure: Callable[[dict[str, Any]], BenchError]) -> None:
        self.hello = Question(Request(kind=Kind.HELLO, answer=Kind.HELLO), sequence=0)
        self.ready = Question(Request(kind=Kind.READY, answer=Kind.READY), sequence=1)
        self.is_finished = False
        """The child has said its last word; it may only end."""
        self._limits, self._failure = limits, failure
        self._open: deque[Question] = deque((self.hello, self.ready))
        self._sequence = 1
        self._phase = 0
        self._num_batches = 0
        self._batch_seconds: list[float] = []  # of questions about batches; sorted, for the median
        self._busy_s = 0.0
        self._began = time.monotonic()

    def ask(self, request: Request) -> Question:
        """One question more."""
        self._sequence += 1
        question = Question(request, self._sequence)
        if not self._open:
            self._began = time.monotonic()
        self._open.append(question)
        return question

    def check(self, header: Header) -> None:
        """Looks at a header before its payload is read.

        Raises:
            ValueError: It is not what comes next.
        """
        name = Kind(header.kind).name if header.kind in Kind.__members__.values() else f"kind {header.kind}"
        if header.kind == Kind.FAILED and header.length <= MAX_TEXT_BYTES and not self.is_finished:
            return
        question = self._open[0] if self._open else None
        if question is None:
            raise ValueError(f"{name} number {header.sequence}, which nobody asked for")
        if header.kind == Kind.PHASE and question is self.ready:
            if header.length == 0 and self._phase < header.number < len(PHASES):
                return
            raise ValueError(f"phase {header.number} after {self._phase}")
        request = question.request
        wanted = (request.answer, question.sequence)
        if header[:2] != wanted:
            raise ValueError(
                f"{name} number {header.sequence}, expected {request.answer.name} number {question.sequence}"
            )
        if request.count not in (None, header.number):
            raise ValueError(f"{name} of {header.number:,} rows, expected {request.count:,}")
        if header.length > MAX_TEXT_BYTES if request.length is None else header.length != request.length:
            expected = f"at most {MAX_TEXT_BYTES:,}" if request.length is None else f"{request.length:,}"
            raise ValueError(f"{name} of {header.length:,} bytes, expected {expected}")

    def take(self, heard: Frame) -> None:
        """Takes in a frame whose header was checked.

        Raises:
            BenchError: The child says that it has failed.
        """
        kind, now = heard.header.kind, time.monotonic()
        if kind == Kind.FAILED:
            raise self._failure(parsed(heard.payload))
        if kind == Kind.PHASE:
            self._phase = heard.header.number
            self._began = now
            return
        question = self._open.popleft()
        question.seconds = now - self._began
        self._busy_s += question.seconds
        if kind == Kind.LOGITS:
            self._num_batches += question.request.num_batches
            bisect.insort(self._batch_seconds, question.seconds)
        self.is_finished = kind == Kind.FINISHED
        if not self.is_finished:
            self._began = now
        question.payload = heard.payload

    def seconds_left(self, *, is_within_a_frame: bool = False) -> float:
        """Until the next deadline; infinite where nothing is asked.

        Args:
            is_within_a_frame: Part of an answer has come, for messages.

        Raises:
            TimeLimitError: It has passed.
        """
        if not (self._open or self.is_finished):
            return float("inf")
        most = self._deadline_s()
        if (left := most - (time.monotonic() - self._began)) > 0:
            return left
        partly = "; part of an answer came" if is_within_a_frame else ""
        raise TimeLimitError(f"no answer within {most:,.0f} s ({self.doing()}{partly})")

    def doing(self) -> str:
        """What the child was at, for messages."""
        phase: str | None = "after an answer"
        if self._open:
            phase = self._open[0].request.phase or PHASES[self._phase]
        elif self.is_finished:
            phase = "end"
        return f"phase: {phase}, batches answered: {self._num_batches:,}"

    def _deadline_s(self) -> float:
        limits = self._limits
        if self.is_finished or self._open[0].request.answer == Kind.FINISHED:
            return limits.shutdown_s
        question = self._open[0]
        if question in (self.hello, self.ready):
            most = {"start": limits.start_s, "import": limits.import_s, "load": limits.load_s}[PHASES[self._phase]]
        elif not self._batch_seconds:
            most = limits.first_batch_s
        else:
            most = max(limits.batch_s, _TIMES_THE_MEDIAN * self._batch_seconds[len(self._batch_seconds) // 2])
        return min(most, max(0.0, limits.busy_s - self._busy_s))
