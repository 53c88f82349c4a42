"""Requests at random times, and how long each one takes from when it was due.

A latency that counts from when a request was sent would hide that it was sent late: an overloaded server would slow
down its own clients ("coordinated omission"; Schroeder, Wierman and Harchol-Balter 2006, Open Versus Closed).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

__all__ = ["arrival_times", "serve"]

_SPIN_NS = 1_000_000
"""The last part of a wait is spent looking at the clock: sleeping ends late."""


def arrival_times(rate: float, num_requests: int, *, seed: int) -> list[int]:
    """When requests of a Poisson process are due, in nanoseconds from the start.

    Args:
        rate: Requests a second, on average.
        num_requests: How many.
        seed: Equal seeds give equal times.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    times, now = [], 0.0
    for _ in range(num_requests):
        now += draw.expovariate(rate)
        times.append(round(now * 1e9))
    return times


def serve(
    due_ns: Sequence[int],
    answer: Callable[[int], object],
    *,
    batch_size: int,
    clock: Callable[[], int] = time.perf_counter_ns,
    sleep: Callable[[float], object] = time.sleep,
) -> list[int]:
    """Answers requests in their order, as many at once as wait, and tells how long each took from when it was due.

    Args:
        due_ns: When they are due from now on, rising, in nanoseconds.
        answer: Answers so many requests at once, and returns when it is done.
        batch_size: The most that are answered at once.
        clock: Nanoseconds that only rise.
        sleep: Waits for so many seconds, or longer.

    Returns:
        A latency a request, in nanoseconds.
    """
    latencies: list[int] = []
    start = clock()
    while len(latencies) < len(due_ns):
        first = len(latencies)
        while (wait := start + due_ns[first] - clock()) > 0:
            if wait > 2 * _SPIN_NS:
                sleep((wait - _SPIN_NS) / 1e9)
        now = clock() - start
        last = first + 1
        while last < len(due_ns) and last - first < batch_size and due_ns[last] <= now:
            last += 1
        answer(last - first)
        done = clock() - start
        latencies += [done - due for due in due_ns[first:last]]
    return latencies
