"""What results and boards do with a dataset: protocols, digests, geometries, and how hard its classes are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from bench.data.classes import ClassTable, class_table
from bench.errors import UsageError
from bench.leaderboard.board import LoadedBoard
from bench.leaderboard.entry import Entry
from bench.protocols import load_protocol, protocol_ids
from bench.records.breakdown import Breakdown
from bench.records.protocol import Protocol
from bench.records.result import Result, ResultInput

__all__ = [
    "ClassCounts",
    "DatasetUse",
    "Digest",
    "class_counts",
    "dataset_uses",
    "ranked_breakdowns",
    "table_or_none",
]


Key = TypeVar("Key")


class Digest(NamedTuple):
    """The images that results were measured on, by content."""

    split: str
    digest: str | None
    """None for imported numbers, which have none."""
    num_samples: int
    complete: bool


class DatasetUse(NamedTuple):
    """A dataset and what uses it."""

    name: str
    protocols: tuple[Protocol, ...]
    """Those that measure on it and that a board or a result names, sorted by id."""
    boards: tuple[LoadedBoard, ...]
    """Those that rank by it, or show numbers measured on it."""
    num_results: int
    digests: tuple[tuple[Digest, int], ...]
    """How many results each has, most first."""
    inputs: Mapping[str, tuple[tuple[ResultInput, int], ...]]
    """From protocol to what models saw, most frequent first."""
    by_protocol: Mapping[str, int]
    """From protocol to its number of results."""


class ClassCounts(NamedTuple):
    """A class over all ranked runs with counts by class."""

    num_samples: int
    accuracy: float | None
    """The median of the runs; None where the class has no image."""


def dataset_uses(results: Sequence[Result], boards: Sequence[LoadedBoard]) -> list[DatasetUse]:
    """Every dataset that a board or a result names; the one of the first board first, then by name.

    Args:
        results: All results.
        boards: All boards, in their order.
    """
    known = set(protocol_ids())
    shown = {loaded.board.id: _protocols_of(loaded) for loaded in boards}
    named = {name for names in shown.values() for name in names} | {result.protocol.id for result in results}
    protocols = {name: load_protocol(name) for name in sorted(named & known)}
    names = [protocols[loaded.board.protocol].dataset.name for loaded in boards]
    names += sorted({protocol.dataset.name for protocol in protocols.values()} | {r.dataset.name for r in results})
    by_name: dict[str, list[Result]] = {}
    for result in results:
        by_name.setdefault(result.dataset.name, []).append(result)
    return [
        _use(
            name,
            tuple(protocol for protocol in protocols.values() if protocol.dataset.name == name),
            tuple(
                loaded
                for loaded in boards
                if any(protocols[protocol].dataset.name == name for protocol in shown[loaded.board.id])
            ),
            by_name.get(name, ()),
        )
        for name in dict.fromkeys(names)
    ]


def _protocols_of(loaded: LoadedBoard) -> list[str]:
    return [loaded.board.protocol, *(join.protocol for join in loaded.board.joins)]


def _use(
    name: str, protocols: tuple[Protocol, ...], boards: tuple[LoadedBoard, ...], results: Sequence[Result]
) -> DatasetUse:
    digests = Counter(
        Digest(data.split, data.digest, data.num_samples, data.complete) for data in (r.dataset for r in results)
    )
    inputs: dict[str, Counter[ResultInput]] = {}
    # Counted by their values: to hash a record takes ten times as long.
    one_of = {_values(shown): shown for result in results if (shown := result.input) is not None}
    seen = Counter((result.protocol.id, _values(shown)) for result in results if (shown := result.input) is not None)
    for (protocol, values), count in seen.items():
        inputs.setdefault(protocol, Counter())[one_of[values]] += count
    return DatasetUse(
        name=name,
        protocols=protocols,
        boards=boards,
        num_results=len(results),
        digests=_most_first(digests),
        inputs={protocol: _most_first(counts) for protocol, counts in sorted(inputs.items())},
        by_protocol=dict(sorted(Counter(result.protocol.id for result in results).items())),
    )


def _values(shown: ResultInput) -> tuple[Any, ...]:
    return (*vars(shown.geometry).values(), shown.mean, shown.std)


def _most_first(counts: Counter[Key]) -> tuple[tuple[Key, int], ...]:
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], repr(pair[0]))))


def table_or_none(name: str) -> ClassTable | None:
    """The class table of a dataset, where one ships."""
    try:
        return class_table(name)
    except UsageError:
        return None


def ranked_breakdowns(entries: Iterable[Entry], use: DatasetUse) -> dict[str, Breakdown]:
    """From run to its counts by class: the ranked runs on a dataset's own labels that have them."""
    protocols = {protocol.id for protocol in use.protocols if protocol.dataset.labels == "original"}
    found = {}
    for entry in entries:
        if not entry.breakdowns:
            continue
        ranked = {place.run for place in entry.places if place.rank is not None}
        for stored in entry.runs:
            breakdown = entry.breakdowns.get(stored.run) if stored.run in ranked else None
            if breakdown is not None and breakdown.classes == use.name and stored.result.protocol.id in protocols:
                found[stored.run] = breakdown
    return dict(sorted(found.items()))


def class_counts(breakdowns: Iterable[Breakdown], num_classes: int) -> list[ClassCounts]:
    """Per class how many images the runs saw and the median of their accuracies; empty without any run."""
    runs = [breakdown for breakdown in breakdowns if len(breakdown.num_samples) == num_classes]
    if not runs:
        return []
    totals = np.array([run.num_samples for run in runs], dtype=np.float64)
    right = np.array([run.num_top1 for run in runs], dtype=np.float64)
    shares = np.divide(right, totals, out=np.full_like(right, np.nan), where=totals > 0)
    found = []
    for index in range(num_classes):
        present = shares[:, index][~np.isnan(shares[:, index])]
        median = float(np.median(present)) if present.size else None
        found.append(ClassCounts(int(totals[:, index].max()), median))
    return found
