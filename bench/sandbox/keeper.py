"""The thread that keeps a child: it starts it, hears all that it says, holds it to its deadlines, and ends it.

One thread for each child, which lives as long as the child: bubblewrap ends the sandbox with the thread that started
it.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.errors import BenchError, ChannelError
from bench.sandbox.cause import cause_of
from bench.sandbox.dialogue import Dialogue, Question, Request
from bench.sandbox.ear import DiedError, Ear, drain
from bench.sandbox.frames import Kind, frame
from bench.sandbox.limits import Limits
from bench.sandbox.printed import Printed
from bench.sandbox.start import Child

__all__ = ["Keeper"]


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
        self._dialogue = Dialogue(self.limits, self.failure)
        self.hello, self.ready = self._dialogue.hello, self._dialogue.ready
        self._changed = threading.Condition()  # guards the dialogue, the child, and how it ended
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._is_stopped = self._is_stuffed = self._is_over = False
        self._error: BaseException | None = None
        self._child: Child | None = None
        self._thread = threading.Thread(target=self._keep, name="bench-keeper", daemon=True)
        self._thread.start()

    # What the session calls.

    def ask(self, request: Request) -> Question:
        """Asks the child something, without waiting; errors as those of `wait`."""
        with self._changed:
            self._raise_if_over()
            question = self._dialogue.ask(request)
            if self._child is not None:  # when it is gone, its thread will say so
                self._write(self._child, frame(request.kind, question.sequence, request.number, request.payload))
        return question

    def wait(self, question: Question) -> bytearray:
        """The answer to a question.

        Raises:
            BenchError: What ended the child before it answered.
        """
        with self._changed:
            while question.payload is None:
                self._raise_if_over()
                self._changed.wait()
            return question.payload

    def check(self) -> None:
        """Nothing, while the child can be asked; errors as those of `wait`."""
        with self._changed:
            self._raise_if_over()

    def finish(self) -> None:
        """Lets the child end by itself, and looks that it does; errors as those of `wait`."""
        self.wait(self.ask(Request(kind=Kind.FINISH, answer=Kind.FINISHED, phase="end", length=0)))
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
            # A few small frames at most are in the pipe; but where the child has this process's user, it can open the
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
            self._attend(self._child)
        except BaseException as caught:  # whatever it is, it must reach the thread that waits
            error = caught
        finally:
            try:
                error = self._ended(error)
            except BaseException as caught:
                error = caught
            with self._changed:
                self._error, self._is_over = error, True
                self._changed.notify_all()

    def _attend(self, child: Child) -> None:
        """Listens until the child ends, or is to be ended."""
        ear = Ear(child, self._dialogue, self._changed, self.printed, self._wake)
        while not self._is_stopped:
            if ear.hear():
                return
            if self._is_stuffed:
                doing = self._dialogue.doing()
                raise ChannelError(f"its process filled the pipe that brings it questions ({doing})")

    def _ended(self, error: BaseException | None) -> BaseException | None:
        """Ends the child and looks what is left; returns the error that a user reads."""
        if (child := self._child) is None:
            return error
        if isinstance(error, DiedError):
            # It closed its pipe: it may need a moment to die by itself, and how it dies says why.
            select.select([child.exits], [], [], self.limits.shutdown_s)
        hits = child.group.hits()
        ended = child.end()
        drain(child, self.printed)
        with self._changed:  # so that nobody writes to a descriptor that is closed, or is another one by now
            self._child = None
            child.close()
        return cause_of(error, ended, hits, limits=self.limits, dialogue=self._dialogue, printed=self.printed)
