"""The thread that keeps a child: it starts it, hears all that it says, holds it to its deadlines, and ends it.

One thread for each child, which lives as long as the child: bubblewrap ends the sandbox with the thread that started
it. It reads without ever waiting for one descriptor alone, so that a child which fills its standard error, or stops in
the middle of a frame, blocks nobody.
"""

from __future__ import annotations

import bisect
import os
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bench.errors import BenchError, ChannelError, CrashError, IsolationError, LimitError, TimeLimitError
from bench.sandbox.frames import MAX_TEXT_BYTES, Frame, FrameReader, Header, Kind, frame, parsed
from bench.sandbox.limits import Limits
from bench.sandbox.printed import Printed
from bench.sandbox.start import Child, Ended
from bench.sandbox.surprise import without_surprise

__all__ = ["PHASES", "Keeper", "Question"]

PHASES = ("start", "import", "load")
"""What a child goes through before it answers, in this order."""
_NUM_LOG_LINES = 20
_READ_BYTES = 1 << 16
_TIMES_THE_MEDIAN = 20


@dataclass(eq=False, kw_only=True)
class Question:
    """Something that the child was asked, or must say by itself."""

    answer: Kind
    """What the answer must be."""
    sequence: int
    count: int | None = None
    """The count that the answer must have; None for any."""
    length: int | None = None
    """Its bytes; None for a text."""
    phase: str
    """What the child does, for messages."""
    payload: bytearray | None = None
    """The answer."""
    seconds: float = 0.0
    """How long the child took, by the parent's clock: since it could begin with it."""


@dataclass(eq=False)
class Keeper:
    """A child and the thread that keeps it.

    Args:
        begin: Starts the child; called in the thread.
        limits: Its deadlines.
        failure: Turns what the child says of its own failure into an error.
    """

    begin: Callable[[], Child]
    limits: Limits
    failure: Callable[[dict[str, Any]], BenchError]
    layers: tuple[str, ...] = ()
    """Which limits the control group holds, once the child has started."""
    printed: tuple[Printed, Printed] = field(init=False)
    """Its standard output and its standard error."""

    def __post_init__(self) -> None:
        self.printed = (Printed(self.limits.output_bytes), Printed(self.limits.output_bytes))
        self.hello = Question(answer=Kind.HELLO, sequence=0, phase="start")
        self.ready = Question(answer=Kind.READY, sequence=1, phase="start")
        self._questions: deque[Question] = deque((self.hello, self.ready))
        self._sequence = 1
        self._phase = 0
        self._batch_seconds: list[float] = []  # sorted, for the median
        self._busy_s = 0.0
        self._asked = threading.Condition()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._began = time.monotonic()
        self._is_stopped = self._is_over = self._is_finished = self._is_stuffed = False
        self._error: BaseException | None = None
        self._child: Child | None = None
        self._thread = threading.Thread(target=self._keep, name="bench-keeper", daemon=True)
        self._thread.start()

    # What the session calls.

    def ask(
        self, kind: Kind, answer: Kind, phase: str, *, number: int = 0, payload: bytes = b"", rows: int | None = None,
        length: int | None = None,
    ) -> Question:  # fmt: skip
        """Asks the child something, without waiting; errors as those of `wait`.

        Args:
            kind: What is asked.
            answer: What the answer must be.
            phase: What the child then does, for messages.
            number: Of the frame.
            payload: Of the frame.
            rows: The count that the answer must have; None for any.
            length: The bytes of the answer; None for a text.
        """
        with self._asked:
            self._raise_if_over()
            self._sequence += 1
            question = Question(answer=answer, sequence=self._sequence, count=rows, length=length, phase=phase)
            if not self._questions:
                self._began = time.monotonic()
            self._questions.append(question)
            # When the child is gone, the thread will say so.
            if self._child is not None:
                self._write(self._child, frame(kind, question.sequence, number, payload))
        # The thread is not woken for this: the answer wakes it, and until then it looks at its clock every second.
        return question

    def wait(self, question: Question) -> bytearray:
        """The answer to a question.

        Raises:
            BenchError: What ended the child before it answered.
        """
        with self._asked:
            while question.payload is None:
                self._raise_if_over()
                self._asked.wait()
            return question.payload

    def finish(self) -> None:
        """Lets the child end by itself, and looks that it does; errors as those of `wait`."""
        self.wait(self.ask(Kind.FINISH, Kind.FINISHED, "end", length=0))
        self._thread.join()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Ends the child, whatever it does; nothing of it is left afterwards."""
        self._is_stopped = True
        if self._thread.is_alive():
            os.eventfd_write(self._wake, 1)
            self._thread.join()
        if self._wake >= 0:
            os.close(self._wake)
            self._wake = -1

    def _write(self, child: Child, content: bytes) -> None:
        try:
            os.write(child.questions, content)
        except BrokenPipeError:
            pass
        except BlockingIOError:
            # Three small frames at most are in the pipe; but where the child has this process's user, it can open the
            # pipe for writing, by /proc/self/fd, and fill it.
            self._is_stuffed = True
            os.eventfd_write(self._wake, 1)

    def _raise_if_over(self) -> None:
        if self._error is not None:
            raise self._error
        if self._is_over:
            raise ChannelError("the process of the submission has ended already")

    # What the thread does.

    def _keep(self) -> None:
        error: BaseException | None = None
        try:
            self._child = self.begin()
            self.layers = self._child.group.layers
            self._listen(self._child)
        except BaseException as caught:  # whatever it is, it must reach the thread that waits
            error = caught
        finally:
            try:
                error = self._ended(error)
            except BaseException as caught:
                error = caught
            with self._asked:
                self._error, self._is_over = error, True
                self._asked.notify_all()

    def _listen(self, child: Child) -> None:
        poll = select.poll()
        for descriptor in (child.replies, *child.outputs, child.exits, self._wake):
            poll.register(descriptor, select.POLLIN)
        reader = FrameReader(child.replies, self._check)
        outputs = dict(zip(child.outputs, self.printed, strict=True))
        has_ended = False
        while not self._is_stopped:
            for descriptor, _ in poll.poll(1000 * self._seconds_left(reader)):
                if descriptor == self._wake:
                    with suppress(BlockingIOError):
                        os.eventfd_read(self._wake)
                elif descriptor in outputs:
                    if not _hear(descriptor, outputs[descriptor]):
                        poll.unregister(descriptor)
                else:
                    has_ended = descriptor == child.exits or self._read(reader) or has_ended
            if self._is_stuffed:
                raise ChannelError(f"its process filled the pipe that brings it questions ({self._doing()})")
            if has_ended:
                self._read(reader)  # what it said last
                if not self._is_finished:
                    raise _DiedError
                if select.select([child.exits], [], [], max(0.0, self._seconds_left(reader)))[0]:
                    return

    @without_surprise()
    def _read(self, reader: FrameReader) -> bool:
        """Takes what frames there are; returns whether the child has closed its end."""
        try:
            while (heard := reader.read()) is not None:
                self._take(heard)
        except EOFError:
            if reader.is_within_a_frame:
                raise ChannelError(f"its process ended in the middle of a frame ({self._doing()})") from None
            return True
        except ValueError as error:
            raise ChannelError(f"its process sent what is no answer: {error} ({self._doing()})") from error
        return False

    def _check(self, header: Header) -> None:
        """Refuses a header that is not what comes next, before its payload is read."""
        name = Kind(header.kind).name if header.kind in Kind.__members__.values() else f"kind {header.kind}"
        if header.kind == Kind.FAILED and header.length <= MAX_TEXT_BYTES and not self._is_finished:
            return
        question = self._questions[0] if self._questions else None
        if question is None:
            raise ValueError(f"{name} number {header.sequence}, which nobody asked for")
        if header.kind == Kind.PHASE and question is self.ready:
            if header.length == 0 and self._phase < header.number < len(PHASES):
                return
            raise ValueError(f"phase {header.number} after {self._phase}")
        wanted = (question.answer, question.sequence)
        if header[:2] != wanted:
            raise ValueError(
                f"{name} number {header.sequence}, expected {question.answer.name} number {question.sequence}"
            )
        if question.count not in (None, header.number):
            raise ValueError(f"{name} of {header.number:,} rows, expected {question.count:,}")
        if header.length > MAX_TEXT_BYTES if question.length is None else header.length != question.length:
            expected = f"at most {MAX_TEXT_BYTES:,}" if question.length is None else f"{question.length:,}"
            raise ValueError(f"{name} of {header.length:,} bytes, expected {expected}")

    def _take(self, heard: Frame) -> None:
        kind, now = heard.header.kind, time.monotonic()
        if kind == Kind.FAILED:
            raise self.failure(parsed(heard.payload))
        if kind == Kind.PHASE:
            self._phase = heard.header.number
            self.ready.phase = PHASES[self._phase]
            self._began = now
            return
        with self._asked:
            question = self._questions.popleft()
            question.seconds = now - self._began
            self._busy_s += question.seconds
            if kind == Kind.LOGITS:
                bisect.insort(self._batch_seconds, question.seconds)
            self._is_finished = kind == Kind.FINISHED
            if not self._is_finished:
                self._began = now
            question.payload = heard.payload
            self._asked.notify_all()

    def _seconds_left(self, reader: FrameReader) -> float:
        """Until the next deadline, or the next look at the clock.

        Raises:
            TimeLimitError: It has passed.
        """
        with self._asked:
            if not (self._questions or self._is_finished):
                return 1.0
            most = self._deadline_s()
            spent = time.monotonic() - self._began
            if (left := most - spent) > 0:
                return min(left, 1.0)
        partly = "; part of an answer came" if reader.is_within_a_frame else ""
        raise TimeLimitError(f"no answer within {most:,.0f} s ({self._doing()}{partly})")

    def _deadline_s(self) -> float:
        limits = self.limits
        if self._is_finished or self._questions[0].answer == Kind.FINISHED:
            return limits.shutdown_s
        question = self._questions[0]
        if question in (self.hello, self.ready):
            most = {"start": limits.start_s, "import": limits.import_s, "load": limits.load_s}[question.phase]
        elif not self._batch_seconds:
            most = limits.first_batch_s
        else:
            most = max(limits.batch_s, _TIMES_THE_MEDIAN * self._batch_seconds[len(self._batch_seconds) // 2])
        return min(most, max(0.0, limits.busy_s - self._busy_s))

    def _doing(self) -> str:
        """What the child was at, for messages."""
        phase = "end" if self._is_finished else self._questions[0].phase if self._questions else "after an answer"
        return f"phase: {phase}, batches answered: {len(self._batch_seconds):,}"

    def _ended(self, error: BaseException | None) -> BaseException | None:
        """Ends the child and looks what is left; returns the error that a user reads."""
        if (child := self._child) is None:
            return error
        if isinstance(error, _DiedError):
            # It closed its pipe: it may need a moment to die by itself, and how it dies says why.
            select.select([child.exits], [], [], self.limits.shutdown_s)
        hits = child.group.hits()
        ended = child.end()
        for descriptor, printed in zip(child.outputs, self.printed, strict=True):
            while _hear(descriptor, printed):
                pass
        with self._asked:  # so that nobody writes to a descriptor that is closed, or is another one by now
            self._child = None
            child.close()
        if isinstance(error, _DiedError) or (error is None and self._is_finished and ended.status != 0):
            error = self._death(ended)
        if isinstance(error, BenchError) and hits and not isinstance(error, IsolationError):
            names = {"memory": f"{self.limits.memory_bytes:,} bytes of memory",
                     "processes": f"{self.limits.num_processes:,} processes and threads"}  # fmt: skip
            wanted = " and ".join(names[hit] for hit in hits)
            error = LimitError(f"it may have no more than {wanted} ({self._doing()}); {error.message}")
        if ended.survivors and error is None:
            error = TimeLimitError(f"its processes {', '.join(map(str, ended.survivors))} would not end")
        if isinstance(error, BenchError):
            lines = (*self.printed[0].last_lines(_NUM_LOG_LINES), *self.printed[1].last_lines(_NUM_LOG_LINES))
            error.log = lines[-_NUM_LOG_LINES:]
        return error

    def _death(self, ended: Ended) -> BenchError:
        status = ended.status
        how = "in an unknown way" if status is None else _how(status)
        if self.hello.payload is None:
            said = " | ".join(self.printed[1].last_lines(3)) or "nothing"
            return IsolationError(f"the child did not start: it ended {how} and said: {said}")
        return CrashError(f"its process ended {how} ({self._doing()})")


class _DiedError(Exception):
    """The child has closed its pipe, or ended, and was not to."""


def _hear(descriptor: int, printed: Printed) -> bool:
    """Takes the next of what a stream says; returns whether there may be more."""
    try:
        content = os.read(descriptor, _READ_BYTES)
    except BlockingIOError:
        return False
    printed.add(content)
    return bool(content)


def _how(status: int) -> str:
    """An exit status in words; bubblewrap tells a signal as 128 and its number."""
    number = -status if status < 0 else status - 128
    if status < 0 or 128 < status < 128 + signal.NSIG:
        with suppress(ValueError):
            return f"by the signal {signal.Signals(number).name}"
    return f"with exit status {status}"
