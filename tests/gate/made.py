"""Made pairs and runs for the tests of the gate: nothing is measured."""

from __future__ import annotations

import math
from typing import Any

from bench.gate.history import PastRow, PastRun
from bench.gate.raw import Block, BlockPair, Pair

MACHINE: dict[str, Any] = {"cpu": "A", "affinity_size": 2}
SOFTWARE: dict[str, Any] = {"python": "3.11", "torch": "2.15.0", "torchvision": "0.29.2", "timm": "1.0.31"}


def block(step_s: float, *, memory_mib: float = 100.0) -> Block:
    """A block of five steps."""
    wall = round(5e9 * step_s)
    return Block(
        step_ns=step_s * 1e9, steps=5, wall_ns=wall, boot_ns=wall, cpu_ns=wall, involuntary_switches=0,
        peak_memory_kib=round(1024 * memory_mib),
    )  # fmt: skip


def pair(
    row: str, number: int, difference: float, *, num_invalid: int = 0, base_s: float = 0.01, grown_mib: float = 0.0
) -> Pair:
    """A pair of ten pairs of blocks with this ln(head / base)."""
    blocks = [
        BlockPair(
            head_first=place % 2 == 0,
            base=block(base_s),
            head=block(base_s * math.exp(difference), memory_mib=100 + grown_mib),
            invalid="a declared cause" if place < num_invalid else None,
        )
        for place in range(10)
    ]
    return Pair(
        row=row, number=number, head_started_first=False, base_step_s=base_s, is_warm=True, blocks=tuple(blocks)
    )


def run(step_s: float, day: int, *, commit: str | None = None, machine: dict[str, Any] | None = None) -> PastRun:
    """A line of a history with the one row `forward`."""
    return PastRun(
        at=f"2026-01-{day:02d}T00:00:00+00:00", base="rev:main", head="rev:HEAD", head_commit=commit, verdict="OK",
        seed=0, machine=machine or MACHINE, software=SOFTWARE,
        rows={"forward": PastRow(verdict="OK", tolerance=0.03, base_step_s=0.01, head_step_s=step_s)},
    )  # fmt: skip
