"""Measuring one pair: two processes side by side that take turns, never at once, in drawn order."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bench.gate.process import Worker, WorkerError
from bench.gate.raw import Block, BlockPair, Pair, Side
from bench.measure import machine_state
from bench.measure.machine_state import GpuCounters, read_state
from bench.records.blocks import MachineState

__all__ = ["Launch", "SideError", "StartedSide", "Timing", "measure_pair", "started", "why_invalid"]

_START_S = 300.0
"""Importing torch and making a model may take minutes on a cold disk."""
_CLOCKS_AGREE_NS = 250_000_000
"""On a busy machine a process may wait between two readings; a machine that slept is away for longer."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How a row is started on one side."""

    python: str
    """The interpreter."""
    folder: Path
    """Where the process runs; it can import what lies there."""
    target: str
    """`FILE.py:FUNCTION` or `MODULE:FUNCTION`."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the function is called with."""
    path: tuple[str, ...] = ()
    """Folders that it can import from, beside its own."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables beside those that are there, such as OMP_NUM_THREADS."""
    is_installed: bool = False
    """The code under test is installed there: packages of the interpreter come before the folders."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long things take."""

    num_blocks: int = 10
    """Pairs of blocks a pair of processes."""
    block_s: float = 0.5
    """The least length of a block, in seconds."""
    warm_s: float = 3.0
    """The least length of a warm-up, in seconds; its windows are a third of it, and it ends after ten times as long."""
    most_memory_mib: float | None = None
    """Anonymous memory at which a process is ended."""


class SideError(Exception):
    """One side failed, which is a fact about its code and not an error of the gate."""

    def __init__(self, side: Side, error: WorkerError) -> None:
        super().__init__(f"{side}: {error.message}")
        self.side = side
        self.error = error


class StartedSide(NamedTuple):
    """A side whose step is made."""

    ask: Callable[..., dict[str, Any]]
    """Asks its process."""
    pid: int
    """The process."""
    gpu: str | None
    """What NVML calls the GPU that the step is on."""


def started(launch: Launch, timing: Timing, stack: ExitStack, side: Side) -> StartedSide:
    """Starts a side and makes its step.

    Raises:
        SideError: It failed.
    """

    def ask(do: str, *, timeout_s: float, **arguments: Any) -> dict[str, Any]:
        try:
            return worker.ask(do, timeout_s=timeout_s, **arguments)
        except WorkerError as error:
            raise SideError(side, error) from error

    try:
        worker = Worker(
            launch.python, launch.folder, environment=launch.environment, most_memory_mib=timing.most_memory_mib
        )
    except WorkerError as error:
        raise SideError(side, error) from error
    stack.enter_context(worker)
    path = [str(launch.folder), *launch.path]
    asked = {"target": launch.target, "arguments": dict(launch.arguments), "path": path, "last": launch.is_installed}
    made = ask("make", timeout_s=_START_S, **asked)
    return StartedSide(ask, worker.pid, made.get("gpu"))


def measure_pair(row: str, number: int, sides: Mapping[Side, Launch], timing: Timing, *, seed: int) -> Pair:
    """Measures a process of each side, block by block.

    The coins come from seed, row and number, so a pair that is measured again after a kill draws the same ones.

    Args:
        row: What is measured.
        number: The place of this pair among the row's.
        sides: How the row is started on each side.
        timing: How long things take.
        seed: The gate's seed.

    Raises:
        SideError: A side crashed, hung or raised.
    """
    coins = random.Random(f"{seed}:{row}:{number}")  # noqa: S311 - no secret
    order: tuple[Side, Side] = ("head", "base") if coins.random() < 0.5 else ("base", "head")
    begun, own_s = read_state(), _own_cpu_s()
    with ExitStack() as stack:
        up = {side: started(sides[side], timing, stack, side) for side in order}
        counters = GpuCounters.of(up["base"].gpu or up["head"].gpu)
        pids = [side.pid for side in up.values()]
        # One after the other: two at once would warm up against each other.
        longest_s = 60 + 40 * timing.warm_s
        warmed = {side: up[side].ask("warm", timeout_s=longest_s, warm_s=timing.warm_s) for side in order}
        step_s = warmed["base"]["step_s"]
        steps = max(5, round(timing.block_s / step_s))
        # Generous: a block that takes thirty times as long is a process that hangs.
        timeout_s = 60 + 30 * steps * max(side["step_s"] for side in warmed.values())
        blocks = []
        for _ in range(timing.num_blocks):
            head_first = coins.random() < 0.5
            turns: tuple[Side, Side] = ("head", "base") if head_first else ("base", "head")
            found, reasons = {}, []
            for side in turns:
                before = _gpu_state(counters, pids)
                found[side] = Block.parse(up[side].ask("block", timeout_s=timeout_s, steps=steps))
                reasons += [why_invalid(found[side]), machine_state.why_invalid(before, _gpu_state(counters, pids))]
            invalid = next((reason for reason in reasons if reason is not None), None)
            blocks.append(BlockPair(head_first=head_first, base=found["base"], head=found["head"], invalid=invalid))
    return Pair(
        row=row,
        number=number,
        head_started_first=order[0] == "head",
        base_step_s=step_s,
        is_warm=all(side["steady"] for side in warmed.values()),
        blocks=tuple(blocks),
        before=begun,
        after=read_state(),
        own_cpu_s=_own_cpu_s() - own_s,
        num_cores=os.cpu_count(),
    )


def _own_cpu_s() -> float:
    """Processor time of this process and of all its children that ended, in seconds."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def why_invalid(block: Block) -> str | None:
    """The causes that were declared before; a value that looks wrong is none of them."""
    if abs(block.boot_ns - block.wall_ns) > _CLOCKS_AGREE_NS:
        return "two clocks disagree: the machine slept, or a clock jumped"
    return None


def _gpu_state(counters: GpuCounters | None, pids: list[int]) -> MachineState:
    """Clocks, throttling and foreign processes of the GPU; nothing where there is none, or no NVML."""
    return MachineState() if counters is None else MachineState(**counters.read(pids))
