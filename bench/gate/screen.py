"""Stored speeds over time, and where they may have changed: what to gate next, never a verdict.

A series never holds two machines or two versions of what counts as software: a fingerprint parts them, or, in runs
without one, the names of processor, GPU, driver and libraries.
"""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from bench.files import digest_of
from bench.gate.history import PastRun
from bench.records.result import Cost, Result
from bench.stats.changes import Change, changes

__all__ = [
    "Point",
    "Proposal",
    "Segment",
    "Series",
    "changes_in",
    "history_series",
    "proposals",
    "result_series",
    "segments",
]

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
    command: str | None = None
    """What measures it again, where it is no row of the gate."""


class Segment(NamedTuple):
    """Runs of a series between two changes."""

    start: int
    """The first of them."""
    end: int
    """The first after them."""
    seconds: float
    """Their median."""


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
    """The series of measured throughputs and latencies in a store; imported numbers have no machine and no date.

    Args:
        results: Results, retracted ones left out.
    """
    groups: dict[tuple[str, str], list[Point]] = defaultdict(list)
    commands: dict[str, str] = {}
    for result in results:
        if result.status in ("imported", "failed"):
            continue
        environment = result.environment
        for cost, found in result.costs.items():
            if (seconds := _seconds(found)) is not None:
                same = [environment.get(key, "unknown") for key in _SAME]
                mark = str(environment.get("fingerprint") or digest_of(same)[:16])
                settings = [result.precision, environment.get("batch_size"), environment.get("compile_mode")]
                words = [result.entry, result.protocol.id, cost, *(str(value) for value in settings if value)]
                name = ", ".join(words)
                groups[name, mark].append(Point(at=result.created_at, seconds=seconds))
                commands[name] = _again(result)
    return [
        Series(
            name=name,
            fingerprint=mark,
            points=tuple(sorted(points, key=lambda point: point.at)),
            command=commands[name],
        )
        for (name, mark), points in sorted(groups.items())
    ]


def _seconds(cost: Cost) -> float | None:
    """Seconds an image or a step: of speeds and of latencies; None of costs that are no time, or none that counts."""
    if not cost.value > 0:
        return None
    return 1 / cost.value if cost.unit == "img/s" else cost.value / 1e3 if cost.unit == "ms" else None


def _again(result: Result) -> str:
    """The command that measures a result once more, on the machine that it runs on."""
    team, name = result.submission.team, result.submission.name
    named = f"timm:{name}" if team == result.submission.source == "timm" else f"submissions/{result.entry}"
    words = ["bench", "throughput", named, "--protocol", result.protocol.id]
    words += [] if result.device_type is None else ["--device", result.device_type]
    words += [] if result.precision is None else ["--precision", result.precision]
    return shlex.join([*words, "--rerun"])


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


@lru_cache(maxsize=4096)  # thousands of permutations each, and a page asks as its list of proposals did
def changes_in(series: Series, tolerance: float | None = None) -> tuple[Change, ...]:
    """Where a series may have changed, on the log scale.

    Args:
        series: What was measured.
        tolerance: The least change, instead of that of the series.
    """
    least = math.log1p(series.tolerance if tolerance is None else tolerance)
    return tuple(changes([math.log(point.seconds) for point in series.points], least_step=least))


def segments(series: Series, changes: Sequence[Change]) -> list[Segment]:
    """The runs between the changes, at least one segment."""
    borders = [0, *(change.place for change in changes), len(series.points)]
    return [
        Segment(start, end, median(point.seconds for point in series.points[start:end]))
        for start, end in pairwise(borders)
    ]


def _command(series: Series, before: Point, after: Point) -> str:
    """What would tell whether it is real: a bisection between two commits, or the same measurement once more."""
    if series.command is not None:
        return series.command
    if before.commit and after.commit:
        # The gate between two neighbours first: of equal commits nothing can be told but the machine.
        if before.commit == after.commit:
            return "none: both runs measured the same commit, so the machine changed"
        good, bad = before.commit[:12], after.commit[:12]
    else:
        good, bad = (f'"$(git rev-list -1 --before={point.at} HEAD)"' for point in (before, after))
    return f"bench bisect --good {good} --bad {bad} --row {shlex.quote(series.row or series.name)}"
