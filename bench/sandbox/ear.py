"""All that a child can be heard by: its answers, what it prints, and its end."""

from __future__ import annotations

import os
import select
import threading
from contextlib import suppress

from bench.errors import ChannelError
from bench.sandbox.dialogue import Dialogue
from bench.sandbox.frames import FrameReader
from bench.sandbox.printed import Printed
from bench.sandbox.start import Child
from bench.sandbox.surprise import without_surprise

__all__ = ["DiedError", "Ear", "drain"]

_READ_BYTES = 1 << 16
_GLANCE_S = 1.0
"""At least so often a listener looks at its clock."""


class DiedError(Exception):
    """The child has closed its pipe, or ended, and was not to."""


class Ear:
    """Listens to a child without ever waiting for one descriptor alone.

    A child that fills its standard error, or stops in the middle of a frame, blocks nobody. One thread at a time.

    Args:
        child: Who is listened to.
        dialogue: What it may say next.
        changed: Guards the dialogue; told when there are answers.
        outputs: Where its standard output and its standard error are kept.
        wake: A descriptor that ends the waiting.
    """

    def __init__(
        self,
        child: Child,
        dialogue: Dialogue,
        changed: threading.Condition,
        outputs: tuple[Printed, Printed],
        wake: int,
    ) -> None:
        self._child, self._dialogue, self._changed, self._wake = child, dialogue, changed, wake
        self._reader = FrameReader(child.replies, dialogue.check)
        self._outputs = dict(zip(child.outputs, outputs, strict=True))
        self._poll = select.poll()
        for descriptor in (child.replies, *child.outputs, child.exits, wake):
            self._poll.register(descriptor, select.POLLIN)

    def hear(self) -> bool:
        """Waits until the child says something, or for a second, or until the next deadline, and takes that in.

        Returns:
            Whether it has ended, as it should.

        Raises:
            DiedError: It has ended, or no longer answers, and was not to.
            BenchError: It said what it may not say, or says that it failed, or a deadline has passed.
        """
        with self._changed:
            left = self._dialogue.seconds_left(is_within_a_frame=self._reader.is_within_a_frame)
        is_closed = has_ended = False
        for descriptor, _ in self._poll.poll(1000 * min(left, _GLANCE_S)):
            if descriptor == self._wake:
                with suppress(BlockingIOError):
                    os.eventfd_read(descriptor)
            elif descriptor in self._outputs:
                if not _take_text(descriptor, self._outputs[descriptor]):
                    self._poll.unregister(descriptor)
            elif descriptor == self._child.exits:
                has_ended = True
            else:
                is_closed = self._read()
        if has_ended or is_closed:
            self._read()  # what it said last
            if not self._dialogue.is_finished:
                raise DiedError
        if is_closed:
            self._poll.unregister(self._child.replies)
        return has_ended

    @without_surprise()
    def _read(self) -> bool:
        """Takes what frames there are; returns whether the child has closed its end."""
        doing = self._dialogue.doing
        try:
            # Whoever waits is told once for all answers that came together.
            with self._changed:
                while (heard := self._reader.read()) is not None:
                    self._dialogue.take(heard)
                    self._changed.notify_all()
        except EOFError:
            if self._reader.is_within_a_frame:
                raise ChannelError(f"its process ended in the middle of a frame ({doing()})") from None
            return True
        except ValueError as error:
            raise ChannelError(f"its process sent what is no answer: {error} ({doing()})") from error
        return False


def drain(child: Child, outputs: tuple[Printed, Printed]) -> None:
    """Takes all that is left of what a child printed, which has ended."""
    for descriptor, printed in zip(child.outputs, outputs, strict=True):
        while _take_text(descriptor, printed):
            pass


def _take_text(descriptor: int, printed: Printed) -> bool:
    """Takes the next of what a stream says; returns whether there may be more."""
    try:
        content = os.read(descriptor, _READ_BYTES)
    except BlockingIOError:
        return False
    printed.add(content)
    return bool(content)
