"""Raw times for tests, made up."""

from __future__ import annotations

from typing import Any

from bench.records.blocks import Blocks, LoadRun, MachineState, OrderStatistic, Replicate, TimedBlock


def timed(milliseconds: float, **fields: Any) -> TimedBlock:
    """A block of ten steps on a CPU, each of this length."""
    values: dict[str, Any] = {
        "num_steps": 10,
        "wall_ns": round(11e6 * milliseconds),
        "step_ns": 1e6 * milliseconds,
        "step_p95_ns": 2e6 * milliseconds,
        "cpu_ns": 1,
    }
    return TimedBlock(**values | fields)


def replicate(*milliseconds: float, **fields: Any) -> Replicate:
    """A process with a block a time."""
    values: dict[str, Any] = {
        "first_step_s": 1.0,
        "warm_s": 3.0,
        "is_warm": True,
        "blocks": tuple(timed(value) for value in milliseconds),
        "own_cpu_s": 1.0,
        "before": MachineState(),
        "after": MachineState(),
    }
    return Replicate(**values | fields)


def blocks(*replicates: Replicate, **fields: Any) -> Blocks:
    """A row of these processes: 32 images a step, offline."""
    values: dict[str, Any] = {
        "scenario": "offline",
        "batch_size": 32,
        "images_per_step": 32,
        "mode": "eager",
        "precision": "fp32",
        "device": "AMD EPYC",
        "num_cores": 2,
        "replicates": replicates,
    }
    return Blocks(**values | fields)


def load(number: float, p99_ms: float, *, high_ms: float | None = None) -> LoadRun:
    """Requests at a load, of which p99 and its upper bound are known."""
    p99 = round(1e6 * p99_ms)
    found = OrderStatistic(level=0.99, value_ns=p99, low_ns=p99, high_ns=round(1e6 * (high_ms or p99_ms)))
    return LoadRun(load=number, rate_img_s=100 * number, seed=0, num_requests=2000, percentiles=(found,), seconds=30.0)
