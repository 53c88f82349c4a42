"""Loops of timed steps, for any step and any clock: warm-up until steady, blocks, single requests.

Where a device works beside the host, a step only gives it work: `synchronize` waits until that is done.
"""

from __future__ import annotations

import gc
import itertools
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["back_to_back", "quiet", "request_latencies", "step_by_step", "warm_up"]

Step = Callable[[], object]
Clock = Callable[[], int]


def warm_up(
    step: Step,
    synchronize: Step,
    *,
    warm_s: float,
    least_steps: int,
    clock: Clock = time.perf_counter_ns,
) -> dict[str, Any]:
    """Runs a step until two windows agree to 1 %.

    Args:
        step: The step.
        synchronize: Waits for the device.
        warm_s: The least length, in seconds; windows are a third of it, and the end comes after ten times as long.
        least_steps: The fewest steps.
        clock: Nanoseconds that only rise.

    Returns:
        `step_s`, the median step of the last window, `warm_s`, and whether it was `steady`.
    """
    start, windows, num_steps = clock(), list[float](), 0
    while True:
        times, end = list[int](), clock() + round(warm_s / 3 * 1e9)
        while not times or clock() < end:
            begun = clock()
            step()
            synchronize()
            times.append(clock() - begun)
        num_steps += len(times)
        windows.append(statistics.median(times) / 1e9)
        spent = (clock() - start) / 1e9
        steady = len(windows) > 1 and abs(windows[-1] / windows[-2] - 1) < 0.01
        if spent >= warm_s and num_steps >= least_steps and steady:
            return {"step_s": windows[-1], "warm_s": spent, "steady": True}
        if spent >= 10 * warm_s:
            return {"step_s": windows[-1], "warm_s": spent, "steady": False}


@contextmanager
def quiet() -> Iterator[None]:
    """No garbage collection meanwhile; what there is of it is collected before."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def step_by_step(
    step: Step, synchronize: Step, num_steps: int, *, num_untimed: int = 2, clock: Clock = time.perf_counter_ns
) -> dict[str, Any]:
    """Times a block on a device that works as the host does, such as a CPU: each step apart.

    Args:
        step: The step.
        synchronize: Waits for the device.
        num_steps: How many.
        num_untimed: How many come before, so that caches hold what they hold between steps.
        clock: Nanoseconds that only rise.

    Returns:
        The fields of `TimedBlock`.
    """
    for _ in range(num_untimed):
        step()
    synchronize()
    with quiet():
        usage, cpu, times, begun = resource.getrusage(resource.RUSAGE_SELF), time.process_time_ns(), [], clock()
        for _ in range(num_steps):
            start = clock()
            step()
            synchronize()
            times.append(clock() - start)
        wall, cpu = clock() - begun, time.process_time_ns() - cpu
    return {
        "num_steps": num_steps,
        "wall_ns": wall,
        "step_ns": statistics.median(times),
        "step_p95_ns": sorted(times)[max(0, -int(-0.95 * num_steps // 1) - 1)],
        "cpu_ns": cpu,
        "involuntary_switches": _switches() - usage.ru_nivcsw,
    }


def _switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def back_to_back(
    step: Step,
    synchronize: Step,
    num_steps: int,
    *,
    event: Callable[[], Any],
    each: bool,
    clock: Clock = time.perf_counter_ns,
) -> dict[str, Any]:
    """Times a block on a device that works beside the host: the host gives it all steps and waits once.

    Args:
        step: The step.
        synchronize: Waits for the device.
        num_steps: How many.
        event: Marks a moment in the device's work, such as a recorded `torch.cuda.Event` with `elapsed_time`, in ms.
        each: Mark the end of each step, and so tell how long single steps take.
        clock: Nanoseconds that only rise.

    Returns:
        The fields of `TimedBlock`.
    """
    for _ in range(2):
        step()
    synchronize()
    with quiet():
        switches, cpu, begun = _switches(), time.process_time_ns(), clock()
        marks = [event()]
        for number in range(num_steps):
            step()
            if each or number == num_steps - 1:
                marks.append(event())
        synchronize()
        wall, cpu = clock() - begun, time.process_time_ns() - cpu
    block = {
        "num_steps": num_steps,
        "wall_ns": wall,
        "event_ms": float(marks[0].elapsed_time(marks[-1])),
        "cpu_ns": cpu,
        "involuntary_switches": _switches() - switches,
    }
    if each:
        times = sorted(1e6 * before.elapsed_time(after) for before, after in itertools.pairwise(marks))
        block["step_ns"] = statistics.median(times)
        block["step_p95_ns"] = times[max(0, -int(-0.95 * num_steps // 1) - 1)]
    return block


def request_latencies(
    step: Step, synchronize: Step, num_requests: int, *, clock: Clock = time.perf_counter_ns
) -> list[int]:
    """One request after the other: how long each takes, in nanoseconds."""
    latencies = []
    with quiet():
        for _ in range(num_requests):
            start = clock()
            step()
            synchronize()
            latencies.append(clock() - start)
    return latencies
