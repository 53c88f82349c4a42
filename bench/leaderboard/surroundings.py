"""What the page of a submission says about others: numbers joined to it, its neighbours on a board, class medians.

All of it is found once for all pages; results are immutable, so run ids stand for what is shown of them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bench.leaderboard.column import Column, is_missing
from bench.leaderboard.columns import column_of
from bench.leaderboard.standing import Standing
from bench.records.breakdown import Breakdown

__all__ = ["Joined", "Medians", "Near", "Neighbours", "joined_runs", "medians_of", "neighbours_of"]

_NUM_BESIDE = 2
"""How many of the next better and of the next worse entries are named."""
_NUM_ALIKE = 4
"""How many entries of like cost are named."""
_FEWEST = 3
"""A median over fewer submissions says nothing."""


class Joined(NamedTuple):
    """A result of the same architecture at the same input size, measured for whoever has it."""

    title: str
    """What the board calls it."""
    run: str


class Near(NamedTuple):
    """A neighbour: its run and the two numbers that make it one."""

    run: str
    value: float
    cost: float | None


class Neighbours(NamedTuple):
    """Entries of one board and one status that are close to an entry."""

    board: str
    metric: Column
    cost: Column | None
    own: Near
    by_metric: tuple[Near, ...]
    """The next better and worse ones, best first."""
    by_cost: tuple[Near, ...]
    """The closest in cost by ratio, the best of each cost, cheapest first."""


class Medians(NamedTuple):
    """Per class the median accuracy of a board's ranked submissions."""

    board: str
    num_submissions: int
    accuracy: tuple[float | None, ...]
    """By class index; None for a class without images."""


def joined_runs(standings: Sequence[Standing]) -> dict[str, tuple[Joined, ...]]:
    """From entry to the results that boards join to it by architecture and input size, each once."""
    found: dict[str, dict[str, Joined]] = {}
    for standing in standings:
        frame = standing.ranked
        for join in standing.loaded.board.joins:
            if join.on != "architecture":
                continue
            names = ("entry", f"{join.name}.run", f"{join.name}.entry")
            for entry, run, owner in zip(*(frame[name].tolist() for name in names), strict=True):
                if not is_missing(run) and owner != entry:
                    found.setdefault(entry, {}).setdefault(run, Joined(join.title, run))
    return {entry: tuple(runs.values()) for entry, runs in found.items()}


def neighbours_of(standings: Sequence[Standing]) -> dict[str, Neighbours]:
    """From entry to its neighbours on the first board that ranks it."""
    found: dict[str, Neighbours] = {}
    for standing in standings:
        board, metric, cost = standing.loaded.board, column_of(standing.loaded.rank_by), _cost_axis(standing)
        ranked = standing.ranked[standing.ranked["rank"].notna()]
        if ranked.empty:
            continue  # and without any result the metric is no column either
        costs = ranked[cost.source] if cost is not None and cost.source in ranked.columns else [None] * len(ranked)
        rows: dict[str, list[tuple[str, Near]]] = {}
        for entry, run, status, value, price in zip(
            ranked["entry"], ranked["run"], ranked["status"], ranked[metric.source], costs, strict=True
        ):
            near = Near(run, float(value), None if is_missing(price) or price <= 0 else float(price))
            rows.setdefault(status, []).append((entry, near))
        for of_status in rows.values():
            alike = _alike([near for _, near in of_status])
            for index, (entry, own) in enumerate(of_status):
                if entry not in found and len(of_status) > 1:
                    beside = of_status[max(0, index - _NUM_BESIDE) : index + _NUM_BESIDE + 1]
                    others = tuple(near for _, near in beside if near is not own)
                    found[entry] = Neighbours(board.title, metric, cost, own, others, alike.get(own.run, ()))
    return found


def _cost_axis(standing: Standing) -> Column | None:
    """The cost that the board plots against, else its first one."""
    loaded = standing.loaded
    axes = [column for column in loaded.columns if column.is_axis and column.group in ("cost", "throughput")]
    chosen = [column for column in axes if column.name == loaded.board.plot_against]
    return next(iter(chosen + axes), None)


def _alike(rows: Sequence[Near]) -> dict[str, tuple[Near, ...]]:
    """From run to those of which the cost is closest by ratio; of equal costs (one architecture) only the best.

    Args:
        rows: Entries, best first.
    """
    best: dict[float, Near] = {}
    for near in rows:
        if near.cost is not None:
            best.setdefault(near.cost, near)
    costs = sorted(best)
    found = {}
    for near in rows:
        if (own := near.cost) is not None:
            at = bisect_left(costs, own)
            window = [best[cost] for cost in costs[max(0, at - _NUM_ALIKE) : at + _NUM_ALIKE + 1]]
            others = [other for other in window if other.run != near.run]
            closest = sorted(others, key=lambda other: abs(math.log((other.cost or own) / own)))[:_NUM_ALIKE]
            found[near.run] = tuple(sorted(closest, key=lambda other: other.cost or own))
    return found


def medians_of(standings: Sequence[Standing], breakdowns: Mapping[str, Breakdown]) -> dict[str, Medians]:
    """From run to the class medians of the first board that ranks it, where enough of its entries have counts."""
    found: dict[str, Medians] = {}
    for standing in standings:
        ranked = standing.ranked[standing.ranked["rank"].notna()]
        kept = {run: breakdowns[run] for run in ranked["run"] if run in breakdowns}
        if len(kept) >= _FEWEST and len({one.classes for one in kept.values()}) == 1:
            medians = Medians(standing.loaded.board.title, len(kept), tuple(_medians(list(kept.values()))))
            for run in kept:
                found.setdefault(run, medians)
    return found


def _medians(kept: Sequence[Breakdown]) -> Iterator[float | None]:
    right_NC = np.array([one.num_top1 for one in kept], dtype=np.float64)
    total_NC = np.array([one.num_samples for one in kept], dtype=np.float64)
    share_NC = np.divide(right_NC, total_NC, out=np.full_like(right_NC, np.nan), where=total_NC > 0)
    for shares_N in share_NC.T:
        known = shares_N[~np.isnan(shares_N)]
        yield float(np.median(known)) if len(known) else None
