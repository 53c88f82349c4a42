"""A stored baseline: earlier runs on this machine, which may advise a gate and decide nothing.

A stored value was measured in another job, at other times of day, in another process; rules that decide on one call
equal code slower in up to half of the runs (`docs/benchmarks.md`, simulated).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from bench.errors import RecordError
from bench.gate.decision import tolerance_of
from bench.gate.history import PastRun
from bench.gate.machine import differences
from bench.records.result import Scalar

__all__ = ["LEAST_RUNS", "advice", "refuse_other_machines"]

LEAST_RUNS = 8
_LEVEL = 0.98


def refuse_other_machines(
    runs: Sequence[PastRun], machine: Mapping[str, Scalar], software: Mapping[str, Scalar]
) -> None:
    """Refuses a baseline of another machine or other software.

    Args:
        runs: The baseline.
        machine: The fields of this machine.
        software: The versions here.

    Raises:
        RecordError: A field differs; it is named with both values.
    """
    for run in runs:
        if gaps := differences(run.machine, machine) + differences(run.software, software):
            when = f" of {run.at}" if run.at else ""
            raise RecordError(
                f"the baseline{when} is of another machine or software: {'; '.join(gaps)}. "
                "Compare base and head here instead, or leave --baseline out"
            )


def advice(runs: Sequence[PastRun], now: PastRun) -> list[str]:
    """A sentence a row on how head stands against earlier runs of head.

    With y = ln(step): slower where y - mean(y) > t(.98, n - 1) s sqrt(1 + 1 / n), the upper end of a one-sided
    prediction interval, and above the tolerance.

    Args:
        runs: The baseline, of this machine.
        now: This run.
    """
    from scipy.special import stdtrit

    said = []
    for name, row in now.rows.items():
        past = [step for run in runs if name in run.rows and (step := run.rows[name].head_step_s)]
        if row.head_step_s is None:
            continue
        if len(past) < LEAST_RUNS:
            said.append(f"{name}: the baseline has {len(past)} runs of it, at least {LEAST_RUNS} are needed")
            continue
        logs = [math.log(step) for step in past]
        rise = math.log(row.head_step_s) - fmean(logs)
        reach = float(stdtrit(len(logs) - 1, _LEVEL)) * stdev(logs) * math.sqrt(1 + 1 / len(logs))
        words = f"{name}: {100 * math.expm1(rise):+.1f} % against {len(past)} earlier runs"
        if rise > reach and rise > tolerance_of(row.tolerance, math.exp(fmean(logs))):
            said.append(f"{words}, more than they vary ({100 * math.expm1(reach):.1f} %); `bench bisect` may find why")
        else:
            said.append(f"{words}, within what they vary or is tolerated")
    return said
