"""One fresh process of a row, from its start to its end, seen from outside."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench
from bench.errors import DeviceError
from bench.gate.process import Worker
from bench.measure.kernel import kib_of
from bench.measure.machine_state import GpuCounters, read_state, why_invalid
from bench.records.blocks import LoadRun, MachineState, OrderStatistic, Replicate, TimedBlock
from bench.records.throughput import Throughput
from bench.throughput.rows import Setup

__all__ = ["Limits", "available_memory_mib", "measure_replicate", "num_cores", "started"]

Ask = Callable[..., dict[str, Any]]
_SOURCE = str(Path(bench.__file__).resolve().parents[1])
_LEAST_STEPS = {"cpu": 5, "cuda": 10}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a process is given up."""

    timeout_s: float = 600.0
    """It does not answer for so long, beyond ten times what the answer should take."""
    most_memory_mib: float | None = None
    """It holds so much anonymous memory."""


@contextmanager
def started(setup: Setup, limits: Limits, environment: Mapping[str, str]) -> Iterator[tuple[Ask, Worker]]:
    """A process with the row in it, its model not loaded yet; ended when the context is left.

    Yields:
        A function that calls a method of `Timed` and gives its answer, and the process.

    Raises:
        WorkerError: The process cannot be started, crashes, hangs, takes too much memory, or its code raises.
        DeviceError: The memory of the device does not suffice.
    """
    variables = {"OMP_NUM_THREADS": str(setup.num_threads), **environment}
    with Worker(sys.executable, Path.cwd(), environment=variables, most_memory_mib=limits.most_memory_mib) as worker:
        worker.ask(
            "make",
            timeout_s=limits.timeout_s,
            target="bench.throughput.timed:Timed",
            arguments={"setup": setup.as_json()},
            path=[_SOURCE],
        )

        def ask(method: str, *, expected_s: float = 0.0, **arguments: Any) -> dict[str, Any]:
            timeout_s = limits.timeout_s + 10 * expected_s
            answer = worker.ask("call", timeout_s=timeout_s, method=method, arguments=arguments)
            if "oom" in answer:
                raise DeviceError(
                    f"out of memory at batch size {setup.batch_size}, which is never made smaller: {answer['oom']}"
                )
            return answer

        yield ask, worker


def measure_replicate(
    setup: Setup,
    spec: Throughput,
    number: int,
    *,
    limits: Limits,
    environment: Mapping[str, str],
    gpu: GpuCounters | None,
) -> Replicate:
    """Measures a row in a process of its own.

    Args:
        setup: The row.
        spec: How it is measured.
        number: Which of the processes this is; it seeds the arrivals of requests.
        limits: When it is given up.
        environment: Variables of the process.
        gpu: The counters of its device, if there are any.

    Raises:
        WorkerError: The process crashes, hangs, takes too much memory, or its code raises.
        DeviceError: The memory of the device does not suffice.
    """
    before = read_state(gpu)
    found: dict[str, Any] = {}
    with started(setup, limits, environment) as (ask, worker):
        ask("load")
        found["first_step_s"] = ask("first")["seconds"]
        warmed = ask("warm", warm_s=spec.warm_s, expected_s=10 * spec.warm_s)
        found |= {"warm_s": warmed["warm_s"], "is_warm": warmed["steady"]}
        step_s = float(warmed["step_s"])
        if setup.scenario == "latency":
            num = spec.num_requests or 0
            answer = ask("requests", num_requests=num, expected_s=num * step_s)
            found["latencies_ns"] = tuple(answer["latencies_ns"])
        elif setup.scenario == "server":
            found["loads"] = tuple(_loads(ask, setup, spec, step_s, number))
        else:
            found["blocks"] = tuple(_blocks(ask, worker, setup, spec, step_s, gpu))
        found |= _energy(ask, spec, gpu)
        found |= ask("costs")
        if number == 0 and setup.device.startswith("cuda"):
            found |= ask("matmul")
        after = read_state(gpu, own_pids=[worker.pid])
    return Replicate(before=before, after=after, **{key: value for key, value in found.items() if value is not None})


def _blocks(
    ask: Ask, worker: Worker, setup: Setup, spec: Throughput, step_s: float, gpu: GpuCounters | None
) -> Iterator[TimedBlock]:
    least = _LEAST_STEPS[setup.device.partition(":")[0]]
    num_steps = 1 if setup.scenario == "end-to-end" else max(least, math.ceil(spec.block_s / step_s))
    for _ in range(spec.num_blocks):
        before = _gpu_state(gpu, worker)
        answer = ask("block", num_steps=num_steps, expected_s=(num_steps + 2) * step_s)
        after = _gpu_state(gpu, worker)
        invalid = why_invalid(before, after) if before and after else None
        yield TimedBlock(**answer, invalid=invalid)


def _gpu_state(gpu: GpuCounters | None, worker: Worker) -> MachineState | None:
    return None if gpu is None else MachineState(**gpu.read([worker.pid]))


def _loads(ask: Ask, setup: Setup, spec: Throughput, step_s: float, number: int) -> Iterator[LoadRun]:
    """Rising loads; their rates are fractions of what full batches reach in this very process."""
    for place, load in enumerate(spec.loads):
        rate = load * setup.batch_size / step_s
        num = max(spec.num_requests or 0, math.ceil((spec.load_s or 0) * rate))
        seed = 1000 * number + place
        answer = ask("serve", rate_img_s=rate, num_requests=num, seed=seed, expected_s=num / rate)
        percentiles = tuple(OrderStatistic(**item) for item in answer["percentiles"])
        yield LoadRun(
            load=load,
            rate_img_s=rate,
            seed=seed,
            num_requests=num,
            percentiles=percentiles,
            seconds=answer["seconds"],
        )


def _energy(ask: Ask, spec: Throughput, gpu: GpuCounters | None) -> dict[str, Any]:
    """Energy over a steady window, where the device tells it."""
    before = gpu.energy_mj() if gpu is not None and spec.energy_s else None
    if gpu is None or before is None:
        return {}
    answer = ask("spin", seconds=spec.energy_s, expected_s=spec.energy_s)
    after = gpu.energy_mj()
    if after is None or after <= before:
        return {}
    return {
        "energy_j": (after - before) / 1000,
        "energy_window_s": answer["seconds"],
        "energy_images": answer["images"],
    }


def available_memory_mib() -> float | None:
    """Memory that processes can still take, in MiB; None where the system does not tell."""
    available = kib_of("/proc/meminfo", "MemAvailable")
    return None if available is None else available / 1024


def num_cores() -> int:
    """Cores of the machine, also those that this process may not use."""
    return os.cpu_count() or 1
