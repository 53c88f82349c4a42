"""Steps for the tests of the gate: busy work of a given length, and every way to fail."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable


def busy(milliseconds: float = 1.0, answer: float = 1.0) -> Callable[[], None]:
    """Spins for a while; its outputs are one row."""
    sys.stdout.write("this is no answer\n")

    def step() -> None:
        end = time.perf_counter() + milliseconds / 1e3
        while time.perf_counter() < end:
            pass

    step.outputs = lambda: [[answer, 0.0], [0.0, answer]]  # type: ignore[attr-defined]
    return step


def raises_when_made() -> Callable[[], None]:
    """A benchmark that is broken."""
    raise ValueError("there is no such model")


def exits() -> Callable[[], None]:
    """Ends its process at the third step."""
    calls = []

    def step() -> None:
        calls.append(1)
        if len(calls) == 3:
            sys.stderr.write("last words\n")
            sys.stderr.flush()
            os._exit(7)

    return step


def leaves_a_child() -> Callable[[], None]:
    """Ends, and leaves a process that holds its pipes."""

    def step() -> None:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        os._exit(7)

    return step


def hangs() -> Callable[[], None]:
    """Never comes back."""
    return lambda: time.sleep(3600)


def leaks() -> Callable[[], None]:
    """Takes 50 MiB more at every step."""
    kept: list[bytearray] = []

    def step() -> None:
        kept.append(bytearray(os.urandom(1)) * (50 << 20))
        time.sleep(0.05)

    return step
