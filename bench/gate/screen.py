"""Stored speeds over time, and where they may have changed: what to gate next, never a verdict.

A series never holds two machines or two versions of what counts as software: a fingerprint parts them, or, in runs
without one, the names of processor, GPU, driver and libraries.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.files import digest_of
from bench.gate.history import PastRun
from bench.records.result import Result
from bench.stats.changes import Change, changes

__all__ = ["Point", "Proposal", "Series", "changes_in", "history_series", "proposals", "result_series"]

TOLERANCE = 0.03
_SAME = (
    "machine", "cpu", "num_cores", "gpu", "num_gpus", "driver", "cuda", "cudnn", "torch", "torchvision", "timm",
    "python", "batch_size", "compile_mode", "num_threads",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run."""

    at: str
    """When, ISO 8601."""
    seconds: float
    """Seconds a step or an image: more is slower."""
    commit: str | None = None
    """The commit that was measured, where it is known."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Runs that may be compared, in order of time."""

    name: str
    """What was measured."""
    fingerprint: str
    """The machine and software that all of them share."""
    points: tuple[Point, ...]
    row: str | None = None
    """The row of the gate, where it is one."""
    tolerance: float = TOLERANCE
    """Smaller changes are not proposed."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A place where a series may have changed."""

    name: str
    fingerprint: str
    before: Point
    """The last run before it."""
    after: Point
    """The first run after it."""
    slowdown: float
    """Time after it over time before it, minus 1; negative is faster."""
    p: float
    """Of the permutation test; after a search, so no error rate."""
    num_runs: int
    """Runs of the series."""
    command: str
    """What to run, to know."""


def result_series(results: Iterable[Result]) -> list[Series]:
    """The series of measured throughputs in a store; imported numbers have no machine and no date of their own.

    Args:
        results: Results, retracted ones left out.
    """
    groups: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for result in results:
        if result.status in ("imported", "failed"):
            continue
        environment = result.environment
        for cost, found in result.costs.items():
            if found.unit == "img/s" and found.value > 0:
                same = [environment.get(key, "unknown") for key in _SAME]
                mark = str(environment.get("fingerprint") or digest_of(same)[:16])
                settings = [result.precision, environment.get("batch_size"), environment.get("compile_mode")]
                words = [result.entry, result.protocol.id, cost, *(str(value) for value in settings if value)]
                point = Point(at=result.created_at, seconds=1 / found.value)
                groups[", ".join(words), mark].append(point)
    return [
        Series(name=name, fingerprint=mark, points=tuple(sorted(points, key=lambda point: point.at)))
        for (name, mark), points in sorted(groups.items())
    ]


def history_series(runs: Iterable[PastRun]) -> list[Series]:
    """The series of the heads of gate runs: a row on one machine under one software each.

    Args:
        runs: The runs of histories; two histories of one machine are one.
    """
    groups: dict[tuple[str, str], list[Point]] = defaultdict(list)
    tolerances: dict[tuple[str, str], float] = {}
    for run in runs:
        mark = digest_of([run.machine, run.software])[:16]
        for name, row in run.rows.items():
            if row.head_step_s:
                point = Point(at=run.at, seconds=row.head_step_s, commit=run.head_commit)
                groups[name, mark].append(point)
                tolerances[name, mark] = row.tolerance
    return [
        Series(
            name=name,
            fingerprint=mark,
            points=tuple(sorted(points, key=lambda point: point.at)),
            row=name,
            tolerance=tolerances[name, mark],
        )
        for (name, mark), points in sorted(groups.items())
    ]


def proposals(series: Sequence[Series], tolerance: float | None = None) -> list[Proposal]:
    """Where series may have changed by their tolerance or more, the largest slowdown first.

    Args:
        series: What was measured.
        tolerance: The least change, instead of that of each series.
    """
    found = []
    for one in series:
        for change in changes_in(one, tolerance):
            before, after = one.points[change.place - 1], one.points[change.place]
            found.append(
                Proposal(
                    name=one.name,
                    fingerprint=one.fingerprint,
                    before=before,
                    after=after,
                    slowdown=math.expm1(change.step),
                    p=change.p,
                    num_runs=len(one.points),
                    command=_command(one, before, after),
                )
            )
    return sorted(found, key=lambda item: (-item.slowdown, item.name, item.after.at))


def changes_in(series: Series, tolerance: float | None = None) -> list[Change]:
    """Where a series may have changed, on the log scale.

    Args:
        series: What was measured.
        tolerance: The least change, instead of that of the series.
    """
    least = math.log1p(series.tolerance if tolerance is None else tolerance)
    return changes([math.log(point.seconds) for point in series.points], least_step=least)


def _command(series: Series, before: Point, after: Point) -> str:
    """What would tell whether it is real: commits where they are known, else those of the dates."""
    if before.commit and after.commit:
        # The gate between two neighbours first: of equal commits nothing can be told but the machine.
        if before.commit == after.commit:
            return "none: both runs measured the same commit, so the machine changed"
        good, bad = before.commit[:12], after.commit[:12]
    else:
        good, bad = (f'"$(git rev-list -1 --before={point.at} HEAD)"' for point in (before, after))
    if series.row is not None:
        return f"bench bisect --good {good} --bad {bad} --row {_quoted(series.row)}"
    return f"bench gate --base rev:{good} --head rev:{bad}"


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
