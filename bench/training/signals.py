"""Requests to stop: a signal is remembered, and obeyed where a training can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from bench.errors import RequeueError

__all__ = ["StopRequest", "listening"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether and how the process was asked to stop."""

    def __init__(self) -> None:
        self.signal: int | None = None
        """The first signal that arrived; None as long as none did."""

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def is_interrupt(self) -> bool:
        """Whether it was Ctrl-C."""
        return self.signal == signal.SIGINT

    def leave_if_asked(self, where: str) -> None:
        """Ends a part of a training that has nothing to save.

        Args:
            where: How far the training has come.

        Raises:
            RequeueError: SIGTERM came.
            KeyboardInterrupt: Ctrl-C came.
        """
        if self.is_interrupt:
            raise KeyboardInterrupt
        if self:
            raise RequeueError(f"stopped {where}; go on with --resume")


@contextmanager
def listening() -> Iterator[StopRequest]:
    """Remembers SIGTERM (of schedulers and of torchrun) and Ctrl-C; a second Ctrl-C ends the program at once.

    Outside the main thread, where Python takes no signals, nothing is ever asked.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def remember(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        if number == signal.SIGINT and request.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if request.signal is None:
            request.signal = number

    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN and handler is not None:  # ignored under nohup, or in a background job
                signal.signal(number, remember)
        yield request
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
