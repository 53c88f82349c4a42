"""One side of a comparison, in a process of its own: makes a step, warms it up, times blocks of it when asked.

This file runs under the interpreter of the side that it measures, as a script, so it imports nothing but the standard
library. It speaks JSON, one object a line: requests on stdin, answers on a copy of stdout that the measured code does
not have; what that code prints goes to stderr.

A target is `FILE.py:FUNCTION` or `MODULE:FUNCTION`. The function makes the step: it returns a callable without
arguments, and may give it two attributes: `synchronize`, called before a clock is read, and `outputs`, a callable that
returns numbers which base and head must agree on, as a list of rows.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import resource
import statistics
import sys
import time
from array import array
from collections.abc import Callable
from typing import Any

WARM_STEPS = 10
"""A warm-up has at least so many steps."""
BLOCK_STEPS = 5
"""A block has at least so many steps."""


def main() -> None:
    """Serves requests until stdin ends or a stop is asked for."""
    del sys.path[0]  # the folder of this file: the gate's own modules are none of the side's
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    session: _Session | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "stop":
                return
            if request["do"] == "make":
                session = _Session(request)
                answer: dict[str, Any] = {"python": sys.version.split()[0]}
            elif session is None:
                raise RuntimeError(f"the request {request['do']!r} came before 'make'")
            else:
                answer = getattr(session, request["do"])(request)
        except BaseException as error:  # the measured code may raise anything, exits among them
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


class _Session:
    """A step, and what was asked of it."""

    def __init__(self, request: dict[str, Any]) -> None:
        sys.path[:0] = request["path"]
        self.step: Callable[[], Any] = _loaded(request["target"])(**request["arguments"])
        self.synchronize: Callable[[], Any] = getattr(self.step, "synchronize", lambda: None)

    def outputs(self, request: dict[str, Any]) -> dict[str, Any]:
        """Writes the outputs of the step as float64 rows into a file."""
        make = getattr(self.step, "outputs", None)
        if make is None:
            return {"rows": 0}
        rows = [[float(value) for value in row] for row in make()]
        with open(request["file"], "wb") as file:  # noqa: PTH123 - a script without bench
            array("d", [value for row in rows for value in row]).tofile(file)
        return {"rows": len(rows)}

    def warm(self, request: dict[str, Any]) -> dict[str, Any]:
        """Runs the step until two windows agree to 1 %; tells how long one takes, in seconds.

        By default 3 s at least and 30 s at most, in windows of 1 s.
        """
        least_s = float(request.get("warm_s", 3.0))
        start, windows, steps = time.perf_counter(), [], 0
        while True:
            times = self._window(least_s / 3)
            steps += len(times)
            windows.append(statistics.median(times))
            spent = time.perf_counter() - start
            steady = len(windows) > 1 and abs(windows[-1] / windows[-2] - 1) < 0.01
            if spent >= least_s and steps >= WARM_STEPS and steady:
                return {"step_s": windows[-1], "warm_s": spent, "steady": True}
            if spent >= 10 * least_s:
                return {"step_s": windows[-1], "warm_s": spent, "steady": False}

    def _window(self, seconds: float) -> list[float]:
        times: list[float] = []
        end = time.perf_counter() + seconds
        while not times or time.perf_counter() < end:
            start = time.perf_counter()
            self.step()
            self.synchronize()
            times.append(time.perf_counter() - start)
        return times

    def block(self, request: dict[str, Any]) -> dict[str, Any]:
        """Times a block of steps: the median step, and what the machine did meanwhile."""
        for _ in range(2):  # what the other side left in the caches is not this side's
            self.step()
        self.synchronize()
        gc.collect()
        gc.disable()
        try:
            before, boot, cpu = resource.getrusage(resource.RUSAGE_SELF), _boot_ns(), time.process_time_ns()
            times, begun = [], time.perf_counter_ns()
            for _ in range(max(BLOCK_STEPS, request["steps"])):
                start = time.perf_counter_ns()
                self.step()
                self.synchronize()
                times.append(time.perf_counter_ns() - start)
            wall, boot = time.perf_counter_ns() - begun, _boot_ns() - boot
            after = resource.getrusage(resource.RUSAGE_SELF)
        finally:
            gc.enable()
        return {
            "step_ns": statistics.median(times),
            "steps": len(times),
            "wall_ns": wall,
            "boot_ns": boot,
            "cpu_ns": time.process_time_ns() - cpu,
            "involuntary_switches": after.ru_nivcsw - before.ru_nivcsw,
            "peak_memory_kib": after.ru_maxrss // (1024 if sys.platform == "darwin" else 1),
        }


def _boot_ns() -> int:
    """A second clock, which goes on while the machine sleeps: two clocks that disagree spoil a block."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _loaded(target: str) -> Callable[..., Callable[[], Any]]:
    place, _, name = target.rpartition(":")
    if place.endswith(".py"):
        spec = importlib.util.spec_from_file_location("bench_gate_target", place)
        if spec is None or spec.loader is None:
            raise ImportError(f"{place} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules["bench_gate_target"] = module
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(place)
    function: Callable[..., Callable[[], Any]] = getattr(module, name)
    return function


if __name__ == "__main__":
    main()
