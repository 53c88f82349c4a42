"""One side of a comparison, in a process of its own: makes a step, warms it up, times blocks of it when asked.

This file runs under the interpreter of the side that it measures, as a script, so it imports nothing but the standard
library. It speaks JSON, one object a line: requests on a copy of stdin, answers on a copy of stdout, which the measured
code does not have; what that code prints goes to stderr.

A target is `FILE.py:FUNCTION` or `MODULE:FUNCTION`. The function makes the step: it returns a callable without
arguments, and may give it two attributes: `synchronize`, called before a clock is read, and `outputs`, a callable that
returns numbers which base and head must agree on, as a list of rows. Where there is a `synchronize`, the steps of a
block run back to back and have one time together, for waiting after each would measure the launch too. A target
`pytest:FILE.py::TEST` is a test, whose fixture `benchmark` or `gate_step` gives the step; see `worker_pytest.py`.
`tests:` makes no step: the answer has the marked tests of a side.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import resource
import signal
import statistics
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from typing import IO, Any

WARM_STEPS = 10
"""A warm-up has at least so many steps."""
BLOCK_STEPS = 5
"""A block has at least so many steps."""
_PR_SET_PDEATHSIG = 1


class MissingError(Exception):
    """This side does not have the benchmark."""


def main() -> None:
    """Serves requests until stdin ends or a stop is asked for."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - a script without bench
    if sys.path[0] == here:
        del sys.path[0]  # the gate's own modules are none of the side's
    if sys.platform == "linux":
        # A gate that is killed leaves no worker behind that hangs in a step.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    desk = _Desk(os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8"))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    for request in desk.requests():
        if request["do"] != "make":
            desk.answer({"error": f"RuntimeError: the request {request['do']!r} came before 'make'"})
            continue
        try:
            sys.path[:] = [*sys.path, *request["path"]] if request.get("last") else [*request["path"], *sys.path]
            _make(request, desk)
        except BaseException as error:  # the measured code may raise anything, exits among them
            desk.answer(_error(error))
        else:
            return


def _make(request: dict[str, Any], desk: _Desk) -> None:
    """Makes the step and serves it until it is no longer needed."""
    kind, _, rest = request["target"].partition(":")
    if kind in ("pytest", "tests"):
        in_test = _module("bench_gate_worker_pytest", os.path.join(os.path.dirname(__file__), "worker_pytest.py"))  # noqa: PTH118, PTH120 - a script without bench
        if kind == "tests":
            desk.answer(in_test.collected(**request["arguments"]))
        else:
            in_test.run(rest, desk.serve, MissingError)
    else:
        desk.serve(_loaded(request["target"])(**request["arguments"]))


def _error(error: BaseException) -> dict[str, Any]:
    return {"error": f"{type(error).__name__}: {error}", "missing": isinstance(error, MissingError)}


class _Desk:
    """Where requests come in and answers go out."""

    def __init__(self, requests: IO[str], answers: IO[str]) -> None:
        self._requests = requests
        self._answers = answers

    def requests(self) -> Iterator[dict[str, Any]]:
        """The requests, until there are no more or a stop is asked for."""
        for line in self._requests:
            request: dict[str, Any] = json.loads(line)
            if request["do"] == "stop":
                return
            yield request

    def answer(self, answer: dict[str, Any]) -> None:
        """Sends an answer."""
        self._answers.write(json.dumps(answer) + "\n")

    def serve(self, step: Callable[[], Any]) -> None:
        """Says that the step is made, and does with it what is asked for."""
        session = _Session(step)
        self.answer({"python": sys.version.split()[0], "gpu": _gpu()})
        for request in self.requests():
            try:
                answer = getattr(session, request["do"])(request)
            except BaseException as error:  # as above
                answer = _error(error)
            self.answer(answer)


class _Session:
    """A step, and what was asked of it."""

    def __init__(self, step: Callable[[], Any]) -> None:
        self.step = step
        self.synchronize: Callable[[], Any] | None = getattr(step, "synchronize", None)

    def call(self, request: dict[str, Any]) -> dict[str, Any]:
        """Calls a method of the step, where more than blocks is measured."""
        answer: dict[str, Any] = getattr(self.step, request["method"])(**request["arguments"])
        return answer

    def outputs(self, request: dict[str, Any]) -> dict[str, Any]:
        """Writes the outputs of the step as float64 rows into a file."""
        make = getattr(self.step, "outputs", None)
        if make is None:
            return {"rows": 0}
        rows = [[float(value) for value in row] for row in make()]
        if len({len(row) for row in rows}) > 1:
            raise ValueError("the rows of the outputs have different lengths")
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
            self._wait()
            times.append(time.perf_counter() - start)
        return times

    def _wait(self) -> None:
        if self.synchronize is not None:
            self.synchronize()

    def block(self, request: dict[str, Any]) -> dict[str, Any]:
        """Times a block of steps: how long one takes, and what the machine did meanwhile."""
        for _ in range(2):  # what the other side left in the caches is not this side's
            self.step()
        self._wait()
        gc.collect()
        gc.disable()
        try:
            before, boot, cpu = resource.getrusage(resource.RUSAGE_SELF), _boot_ns(), time.process_time_ns()
            num_steps, begun = max(BLOCK_STEPS, request["steps"]), time.perf_counter_ns()
            step_ns = self._steps_ns(num_steps)
            wall, boot = time.perf_counter_ns() - begun, _boot_ns() - boot
            after = resource.getrusage(resource.RUSAGE_SELF)
        finally:
            gc.enable()
        return {
            "step_ns": step_ns,
            "steps": num_steps,
            "wall_ns": wall,
            "boot_ns": boot,
            "cpu_ns": time.process_time_ns() - cpu,
            "involuntary_switches": after.ru_nivcsw - before.ru_nivcsw,
            "peak_memory_kib": _peak_memory_kib(),
        }

    def _steps_ns(self, num_steps: int) -> float:
        """How long a step takes: the median of all, or, where steps run ahead of the host, the mean of the block."""
        if self.synchronize is not None:
            begun = time.perf_counter_ns()
            for _ in range(num_steps):
                self.step()
            self.synchronize()
            return (time.perf_counter_ns() - begun) / num_steps
        times = []
        for _ in range(num_steps):
            start = time.perf_counter_ns()
            self.step()
            times.append(time.perf_counter_ns() - start)
        return statistics.median(times)


def _gpu() -> str | None:
    """What NVML calls the GPU that the step was made on; None where it is on none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    uuid = getattr(torch.cuda.get_device_properties(torch.cuda.current_device()), "uuid", None)
    return None if uuid is None else f"GPU-{uuid}"


def _peak_memory_kib() -> int:
    """The largest resident memory of this process; Linux's ru_maxrss also has what the gate held when it forked."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="utf-8") as file:  # noqa: PTH123 - a script
        for line in file:
            if line.startswith("VmHWM"):
                return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)


def _boot_ns() -> int:
    """A second clock, which goes on while the machine sleeps: two clocks that disagree spoil a block."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _loaded(target: str) -> Callable[..., Callable[[], Any]]:
    place, _, name = target.rpartition(":")
    if place.endswith(".py"):
        if not os.path.isfile(place):  # noqa: PTH113 - a script without bench
            raise MissingError(f"there is no file {place}")
        module = _module("bench_gate_target", place)
    else:
        module = importlib.import_module(place)
    if not hasattr(module, name):
        raise MissingError(f"{place} has no {name!r}")
    function: Callable[..., Callable[[], Any]] = getattr(module, name)
    return function


def _module(name: str, file: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
