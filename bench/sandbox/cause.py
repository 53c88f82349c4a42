"""Why a child ended, as a user reads it."""

from __future__ import annotations

import signal
from contextlib import suppress

from bench.errors import BenchError, CrashError, IsolationError, LimitError, TimeLimitError
from bench.sandbox.dialogue import Dialogue
from bench.sandbox.ear import DiedError
from bench.sandbox.limits import Limits
from bench.sandbox.printed import Printed
from bench.sandbox.start import Ended

__all__ = ["cause_of"]

_NUM_LOG_LINES = 20


def cause_of(
    error: BaseException | None,
    ended: Ended,
    hits: tuple[str, ...],
    *,
    limits: Limits,
    dialogue: Dialogue,
    printed: tuple[Printed, Printed],
) -> BaseException | None:
    """The error that a child's end means, with its last printed lines; None where all went well.

    Args:
        error: What was noticed while it was listened to.
        ended: How it ended.
        hits: The limits of its control group that it ran into, `memory` and `processes`.
        limits: Their numbers.
        dialogue: What it was asked and what it answered.
        printed: Its standard output and its standard error.
    """
    if isinstance(error, DiedError) or (error is None and dialogue.is_finished and ended.status != 0):
        error = _death(ended, dialogue, printed)
    if isinstance(error, BenchError) and hits and not isinstance(error, IsolationError):
        names = {"memory": f"{limits.memory_bytes:,} bytes of memory",
                 "processes": f"{limits.num_processes:,} processes and threads"}  # fmt: skip
        wanted = " and ".join(names[hit] for hit in hits)
        error = LimitError(f"it may have no more than {wanted} ({dialogue.doing()}); {error.message}")
    if ended.survivors and error is None:
        error = TimeLimitError(f"its processes {', '.join(map(str, ended.survivors))} would not end")
    if isinstance(error, BenchError):
        lines = (*printed[0].last_lines(_NUM_LOG_LINES), *printed[1].last_lines(_NUM_LOG_LINES))
        error.log = lines[-_NUM_LOG_LINES:]
    return error


def _death(ended: Ended, dialogue: Dialogue, printed: tuple[Printed, Printed]) -> BenchError:
    status = ended.status
    how = "in an unknown way" if status is None else _how(status)
    if dialogue.hello.payload is None:
        said = " | ".join(printed[1].last_lines(3)) or "nothing"
        return IsolationError(f"the child did not start: it ended {how} and said: {said}")
    return CrashError(f"its process ended {how} ({dialogue.doing()})")


def _how(status: int) -> str:
    """An exit status in words; bubblewrap tells a signal as 128 and its number."""
    number = -status if status < 0 else status - 128
    if status < 0 or 128 < status < 128 + signal.NSIG:
        with suppress(ValueError):
            return f"by the signal {signal.Signals(number).name}"
    return f"with exit status {status}"
