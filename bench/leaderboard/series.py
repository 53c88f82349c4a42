"""Throughput over time: which runs may be compared with which, and where two neighbours differ; pure functions.

A series never holds two machines, so no line can join them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from bench.leaderboard.facts import arithmetic_words
from bench.records.result import Cost, Result
from bench.stats import changes
from bench.stored import Stored

__all__ = [
    "COSTS",
    "Change",
    "Event",
    "Point",
    "Series",
    "SeriesKey",
    "changes_of",
    "events",
    "largest_first",
    "series_of",
]

COSTS = ("throughput_img_s", "train_throughput_img_s")
"""The costs that have a history."""
SMALLEST_EVENT = 0.05
"""Neighbours that differ by less, relative to the earlier one, are no event."""
LONG = 20
"""From so many runs on events are change points of the series, and not differences of neighbours."""
_NEWEST = 100
"""So many of its newest runs are searched for change points: the time grows with their square."""
TICKS = ("torch", "driver", "CUDA")
"""The conditions whose change is drawn."""

_Order = tuple[str, tuple[int, ...], tuple[int, ...], str]
_LABELS = {
    "torch": "torch",
    "driver": "driver",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "triton": "triton",
    "python": "Python",
    "batch_size": "batch size",
}
"""What an event names as changed: keys of a run's environment, and their words."""


class SeriesKey(NamedTuple):
    """What all runs of a series share."""

    protocol: str
    cost: str
    model: str
    """The architecture, or the entry's key."""
    size: str
    """The input size, where the architecture is the model; else empty."""
    machine: str
    setting: str
    """What was chosen: the arithmetic, the memory format, and the batch size of a measurement of our own."""
    status: str


class Point(NamedTuple):
    """One run."""

    run: str
    entry: str
    title: str
    """The model as it is shown."""
    day: str
    value: float
    """The median, in images a second."""
    low: float | None
    """The interval, where the run has one."""
    high: float | None
    conditions: tuple[tuple[str, str], ...]
    """What may change on one machine, as word and value; what was not recorded is left out."""


class Series(NamedTuple):
    """The runs of one model on one machine under one protocol, in order of time, then of versions."""

    key: SeriesKey
    points: tuple[Point, ...]

    @property
    def title(self) -> str:
        """The model as its newest run names it."""
        return self.points[-1].title

    @property
    def largest_step(self) -> float:
        """The largest |ln(after / before)| of neighbours: a half and a double are equally large; 0 for one point."""
        return max((abs(math.log(b.value / a.value)) for a, b in pairwise(self.points)), default=0.0)

    @property
    def largest_change(self) -> float | None:
        """The change of that step, relative to the earlier point; None for one point."""
        steps = [b.value / a.value - 1 for a, b in pairwise(self.points)]
        return max(steps, key=lambda change: abs(math.log1p(change)), default=None)


class Change(NamedTuple):
    """A condition that differs between two neighbours; None was not recorded."""

    name: str
    before: str | None
    after: str | None


class Event(NamedTuple):
    """Two neighbours of a series that differ."""

    key: SeriesKey
    before: Point
    after: Point
    levels: tuple[float, float]
    """Images a second before and after: of the two runs, or the medians of the segments of a long series."""
    changed: tuple[Change, ...]
    """What else differs between the two runs."""
    segments: tuple[int, int] | None = None
    """How many runs lie before and after, where this is a change point of a long series."""

    @property
    def change(self) -> float:
        """Relative to what was before: -0.5 is half the speed."""
        return self.levels[1] / self.levels[0] - 1

    @property
    def has_intervals(self) -> bool:
        """Both runs have an interval; else one run stands for each, and the difference may be noise."""
        return _interval(self.before) is not None and _interval(self.after) is not None


def series_of(stored: Iterable[Stored]) -> tuple[list[Series], int]:
    """The series of all current runs with a throughput, sorted by key; and how many runs name no machine.

    Args:
        stored: Results; withdrawn and failed ones have no part in a history.
    """
    found: dict[SeriesKey, list[tuple[_Order, Point]]] = {}
    num_homeless = 0
    for item in stored:
        result = item.result
        if item.retraction is not None or result.status == "failed":
            continue
        for name in COSTS:
            cost = result.costs.get(name)
            if cost is None or not (math.isfinite(cost.value) and cost.value > 0):
                continue
            machine = _machine(result, cost)
            if machine is None:
                num_homeless += 1
                continue
            point = _point(result, cost)
            found.setdefault(_key(result, name, machine), []).append((_order(result), point))
    series = [
        Series(key, tuple(point for _, point in sorted(points, key=lambda pair: pair[0])))
        for key, points in found.items()
    ]
    return sorted(series, key=lambda one: one.key), num_homeless


def events(series: Series) -> list[Event]:
    """Where a series changes by 5 % or more: this is a screen and no test, it says where to look.

    A short series changes between neighbours whose intervals, where both have one, lie apart; a long one at its change
    points (`bench.stats.changes`), between the medians of the segments before and after.
    """
    return list(_change_points(series) if len(series.points) >= LONG else _steps(series))


def _change_points(series: Series) -> Iterator[Event]:
    points = series.points[-_NEWEST:]
    found = _changes(tuple(math.log(point.value) for point in points))
    borders = [0, *(change.place for change in found), len(points)]
    for start, place, end in zip(borders, borders[1:], borders[2:], strict=False):
        before, after = points[place - 1], points[place]
        low, high = (median(point.value for point in points[a:b]) for a, b in ((start, place), (place, end)))
        sizes = (place - start, end - place)
        yield Event(series.key, before, after, (low, high), changes_of(before, after), sizes)


@lru_cache(maxsize=4096)
def _changes(logs_T: tuple[float, ...]) -> tuple[changes.Change, ...]:
    """The same series is asked for its drawing and for the table."""
    return tuple(changes.changes(logs_T, least_step=math.log1p(SMALLEST_EVENT)))


def _steps(series: Series) -> Iterator[Event]:
    for before, after in pairwise(series.points):
        change = after.value / before.value - 1
        if abs(change) >= SMALLEST_EVENT and not _overlap(before, after):
            yield Event(series.key, before, after, (before.value, after.value), changes_of(before, after))


def changes_of(before: Point, after: Point) -> tuple[Change, ...]:
    """The conditions that differ between two runs, in a fixed order."""
    old, new = dict(before.conditions), dict(after.conditions)
    return tuple(
        Change(name, old.get(name), new.get(name)) for name in _LABELS.values() if old.get(name) != new.get(name)
    )


def _interval(point: Point) -> tuple[float, float] | None:
    return None if point.low is None or point.high is None else (point.low, point.high)


def _overlap(one: Point, other: Point) -> bool:
    first, second = _interval(one), _interval(other)
    return first is not None and second is not None and first[0] <= second[1] and second[0] <= first[1]


def _key(result: Result, cost: str, machine: str) -> SeriesKey:
    model, size = _model(result)
    return SeriesKey(result.protocol.id, cost, model, size, machine, _setting(result), result.status)


def _setting(result: Result) -> str:
    """What parts series: who measures two of these measures two things, and neither comes after the other.

    A batch size is a choice in our own sweeps, and the largest that a machine took in timm's tables: a condition there.
    """
    words = [arithmetic_words(result) or "not recorded"]
    if (layout := result.environment.get("memory_format")) is not None:
        words.append(str(layout))
    if result.status != "imported" and (batch_size := result.environment.get("batch_size")) is not None:
        words.append(f"batch {batch_size}")
    return ", ".join(words)


def _model(result: Result) -> tuple[str, str]:
    """Speed is reported by architecture and input size; what an entry measures itself is its own."""
    architecture = result.submission.architecture
    if architecture is None or result.input is None:
        return result.entry, ""
    return architecture, f"{result.input.geometry.crop} px"


def _machine(result: Result, cost: Cost) -> str | None:
    """The GPU, or the processor and its threads; None where the record does not say."""
    environment = result.environment
    gpu, cpu = environment.get("gpu"), environment.get("cpu")
    if gpu and result.device_type != "cpu":
        number = environment.get("num_gpus")
        return f"{number} x {gpu}" if isinstance(number, int) and number > 1 else str(gpu)
    if cpu and result.device_type != "cuda":
        threads = environment.get("num_threads")
        return f"{cpu}, {threads} threads" if threads else str(cpu)
    return cost.device


def _point(result: Result, cost: Cost) -> Point:
    conditions = tuple(
        (label, str(result.environment[key])) for key, label in _LABELS.items() if result.environment.get(key)
    )
    day = result.created_at[:10]
    title = _model(result)[0] if _model(result)[1] else result.submission.title
    return Point(result.run, result.entry, title, day, cost.value, cost.ci_low, cost.ci_high, conditions)


def _order(result: Result) -> _Order:
    """Time, then the versions of torch and of CUDA: one import writes many records in the same second."""
    torch, cuda = (_numbers(result.environment.get(name)) for name in ("torch", "cuda"))
    return result.created_at, torch, cuda, result.run


def _numbers(version: object) -> tuple[int, ...]:
    """The numbers of a version, so that 2.10 comes after 2.9.

    >>> _numbers("2.10.1+cu126")
    (2, 10, 1)
    """
    match = re.match(r"\d{1,9}(?:\.\d{1,9})*", str(version or ""))
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def largest_first(series: Sequence[Series]) -> list[Series]:
    """The series with the largest change first; the order of keys decides among equals."""
    return sorted(series, key=lambda one: (-one.largest_step, one.key))
