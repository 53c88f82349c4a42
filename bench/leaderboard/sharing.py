"""A second process for half of the work, which sees all that this one has read and costs nothing to start."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["can_share", "in_another_process", "leave_to_another_process"]

T = TypeVar("T")
_PR_SET_PDEATHSIG = 1


def can_share() -> bool:
    """Whether a second process would help and can be had: Linux, more than one core, no other thread of Python."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1 and threading.active_count() == 1


@contextmanager
def in_another_process(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Starts some work in a copy of this process; the copy ends with the context, or with this process.

    Args:
        work: What to do. What it returns comes back by pickle; what else it changes stays in the copy.

    Yields:
        A function that waits for the result, and raises what the work raised.
    """
    reading, writing = os.pipe()
    child = _fork()
    if child == 0:
        _run(work, writing)
    os.close(writing)
    is_waited_for = False

    def result() -> T:
        nonlocal is_waited_for
        with os.fdopen(reading, "rb", closefd=False) as stream:
            answer = stream.read()
        _, status = os.waitpid(child, 0)
        is_waited_for = True
        if not answer:
            raise RuntimeError(f"the second process ended with {os.waitstatus_to_exitcode(status)} and no result")
        value, error = pickle.loads(answer)  # noqa: S301 - our own copy wrote it
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]

    try:
        yield result
    finally:
        os.close(reading)
        if not is_waited_for:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def leave_to_another_process(work: Callable[[], object]) -> None:
    """Starts some work in a copy of this process and does not wait for it; the copy belongs to nobody."""
    if child := _fork():
        os.waitpid(child, 0)
        return
    try:
        if _fork() == 0:
            os.setsid()  # Ctrl-C on the next command is not meant for it
            work()
    finally:
        os._exit(0)


def _fork() -> int:
    with warnings.catch_warnings():
        # Threads of numerical libraries wait for work that the copy does not give them.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _run(work: Callable[[], Any], writing: int) -> None:
    """The life of the copy: it never returns into the code of its parent."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told too, and ends this process
        answer = _answer_of(work)
        with os.fdopen(writing, "wb") as stream:
            stream.write(answer)
    finally:
        os._exit(0)


def _answer_of(work: Callable[[], Any]) -> bytes:
    try:
        return pickle.dumps((work(), None))
    except BaseException as error:
        try:
            answer = pickle.dumps((None, error))
            pickle.loads(answer)  # noqa: S301 - an exception with arguments of its own can be written and not read
        except Exception:
            return pickle.dumps((None, RuntimeError(traceback.format_exc())))
        return answer
