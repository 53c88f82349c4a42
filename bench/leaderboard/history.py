"""A board's own changes over time, from the dates of its results and of what was withdrawn.

The past is read by today's rules: a run that the board would not rank today never entered. A moment is a day (UTC),
and what counts is who stood where at its end; so an import of thousands of results is one change.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from bench.leaderboard.board import LoadedBoard
from bench.leaderboard.column import is_missing, values_of
from bench.leaderboard.reasons import reasons
from bench.leaderboard.standing import TRUST, Standing
from bench.leaderboard.table import team_titles
from bench.metrics import METRICS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NUM_TOP", "Change", "Move", "Record", "Spot", "Withdrawal", "changes"]

NUM_TOP = 10
"""Moves without a new run are told of this many first places."""
_LAST = "\U0010ffff"
"""Behind every key of an entry."""


class Spot(NamedTuple):
    """Where an entry stood at the end of a day."""

    entry: str
    title: str
    team: str
    run: str
    status: str
    rank: int
    """Within its status."""
    value: float


class Move(NamedTuple):
    """An entry that was ranked the day before and still is."""

    before: Spot
    after: Spot


class Record(NamedTuple):
    """The best value of a status became better."""

    status: str
    before: float
    after: float
    holders: tuple[Spot, ...]


class Withdrawal(NamedTuple):
    """A run that was retracted or superseded, ranked or not."""

    run: str
    entry: str
    title: str
    team: str
    state: str
    """`retracted`, `superseded` or `penalised`."""
    reason: str
    by: str
    superseded_by: str | None


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one day changed on a board."""

    day: str
    num_ranked: int
    """How many entries had a rank at the end of the day."""
    best: dict[str, float]
    """From status to its best value at the end of the day."""
    entered: tuple[Spot, ...]
    """Entries that had no rank the day before, the best first."""
    renewed: tuple[Move, ...]
    """Entries that another run stands for."""
    moved: tuple[Move, ...]
    """Entries with the same run that others moved into, within or out of the first places."""
    left: tuple[Spot, ...]
    """Entries without a rank from this day on, where they stood the day before."""
    withdrawn: tuple[Withdrawal, ...]
    records: tuple[Record, ...]


class _Run(NamedTuple):
    """A run that the board ranks unless it was withdrawn."""

    run: str
    entry: str
    title: str
    team: str
    status: str
    value: float
    key: float
    """Small is good; what decides the rank."""

    @property
    def place(self) -> tuple[float, str]:
        return self.key, self.entry


@dataclass
class _Table:
    """Who stands where: for each status its entries in order."""

    current: dict[str, _Run] = field(default_factory=dict)
    """From entry to the run that stands for it."""
    order: defaultdict[str, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, run: _Run) -> None:
        self.current[run.entry] = run
        insort(self.order[run.status], run.place)

    def remove(self, run: _Run) -> None:
        del self.current[run.entry]
        places = self.order[run.status]
        del places[bisect_left(places, run.place)]

    def spot(self, run: _Run) -> Spot:
        """Where a run stands; equal values share the first of their ranks."""
        rank = 1 + bisect_left(self.order[run.status], (run.key, ""))
        return Spot(run.entry, run.title, run.team, run.run, run.status, rank, run.value)

    def top(self, num: int) -> dict[str, Spot]:
        """The entries with ranks up to a number, by entry."""
        found = {}
        for places in self.order.values():
            end = bisect_right(places, (places[num - 1][0], _LAST)) if len(places) >= num else len(places)
            found.update({entry: self.spot(self.current[entry]) for _, entry in places[:end]})
        return found

    def best(self) -> dict[str, _Run]:
        """From status to the first of its runs."""
        return {
            status: self.current[places[0][1]]
            for status, places in sorted(self.order.items(), key=lambda item: TRUST[item[0]])
            if places
        }


def changes(standing: Standing, frame: pd.DataFrame) -> list[Change]:
    """What changed on a board, a day at a time, the oldest first.

    Args:
        standing: The board as it stands today.
        frame: All results, from `frame_of`.
    """
    loaded = standing.loaded
    runs = frame[(frame["protocol.id"] == loaded.board.protocol).to_numpy(dtype=bool)]
    arriving: defaultdict[str, list[_Run]] = defaultdict(list)
    leaving: defaultdict[str, list[_Run]] = defaultdict(list)
    for run, start, end in _rankable(loaded, runs):
        if not end or end > start:  # what is withdrawn on its first day was never there at the end of one
            arriving[start].append(run)
            if end:
                leaving[end].append(run)
    withdrawn = _withdrawn(runs)
    table, alive = _Table(), defaultdict[str, list[_Run]](list)
    found = []
    for day in sorted({*arriving, *leaving, *withdrawn}):
        for run in arriving[day]:
            alive[run.entry].append(run)
        for run in leaving[day]:
            alive[run.entry].remove(run)
        touched = sorted({run.entry for run in (*arriving[day], *leaving[day])})
        change = _step(table, {entry: _standing_for(alive[entry]) for entry in touched}, day, withdrawn.get(day, ()))
        if change.entered or change.renewed or change.left or change.withdrawn:
            found.append(change)
    return found


def _standing_for(alive: Sequence[_Run]) -> _Run | None:
    """The run that stands for an entry: the most trusted, then the latest, as on the board."""
    return max(alive, key=lambda run: (-TRUST[run.status], run.run), default=None)


def _step(table: _Table, wanted: dict[str, _Run | None], day: str, withdrawn: Sequence[Withdrawal]) -> Change:
    """Changes who stands for which entry, and says what that did to the board."""
    old = {entry: table.current.get(entry) for entry in wanted}
    changed = [entry for entry, run in wanted.items() if run != old[entry]]
    spots = {entry: table.spot(run) for entry in changed if (run := old[entry]) is not None}
    # Whoever comes into the first places stood at most as far behind them as there are entries that may leave.
    near, best = table.top(NUM_TOP + len(changed)), table.best()
    for entry in changed:
        if (run := old[entry]) is not None:
            table.remove(run)
    for entry in changed:
        if (run := wanted[entry]) is not None:
            table.add(run)
    fresh = {entry: table.spot(run) for entry in changed if (run := wanted[entry]) is not None}
    top, new_best = table.top(NUM_TOP), table.best()
    return Change(
        day=day,
        num_ranked=len(table.current),
        best={status: run.value for status, run in new_best.items()},
        entered=_sorted(spot for entry, spot in fresh.items() if entry not in spots),
        renewed=_by_rank(Move(spots[entry], spot) for entry, spot in fresh.items() if entry in spots),
        moved=_by_rank(_moves(table, near, top, set(changed))),
        left=_sorted(spot for entry, spot in spots.items() if entry not in fresh),
        withdrawn=tuple(sorted(withdrawn)),
        records=tuple(_records(best, new_best, top)),
    )


def _moves(table: _Table, near: dict[str, Spot], top: dict[str, Spot], changed: set[str]) -> Iterator[Move]:
    """Who moved in the first places although the same run stands for it."""
    for entry in (near.keys() | top.keys()) - changed:
        before, after = near[entry], table.spot(table.current[entry])
        if before.rank != after.rank and min(before.rank, after.rank) <= NUM_TOP:
            yield Move(before, after)


def _records(best: dict[str, _Run], new_best: dict[str, _Run], top: dict[str, Spot]) -> Iterator[Record]:
    """Statuses whose best value became better; their first value is no record."""
    for status, run in new_best.items():
        if status in best and run.key < best[status].key:
            holders = _sorted(spot for spot in top.values() if (spot.status, spot.rank) == (status, 1))
            yield Record(status, best[status].value, run.value, holders)


def _order(spot: Spot) -> tuple[int, int, str]:
    return TRUST[spot.status], spot.rank, spot.entry


def _sorted(spots: Iterable[Spot]) -> tuple[Spot, ...]:
    return tuple(sorted(spots, key=_order))


def _by_rank(moves: Iterable[Move]) -> tuple[Move, ...]:
    return tuple(sorted(moves, key=lambda move: _order(move.after)))


def _rankable(loaded: LoadedBoard, runs: pd.DataFrame) -> Iterator[tuple[_Run, str, str]]:
    """The runs that the board ranks before they are withdrawn, with the days of their start and end."""
    why = reasons(loaded, runs.assign(state="current"))
    sign = -1.0 if METRICS[loaded.rank_by].higher_is_better else 1.0
    names = ("run", "entry", "submission.title", "status", "created_at", "retraction.created_at")
    numbers = (f"metrics.{loaded.rank_by}.{key}" for key in ("value", "count", "num_samples"))
    columns = [values_of(runs, name) for name in (*names, *numbers)]
    for reason, team, row in zip(why, team_titles(runs), zip(*columns, strict=True), strict=True):
        if reason is None:
            run, entry, title, status, start, end, value, count, num_samples = row
            exact = value if is_missing(count) else count / num_samples
            yield (
                _Run(run, entry, title, team, status, float(value), sign * float(exact)),
                start[:10],
                "" if is_missing(end) else max(end[:10], start[:10]),
            )


def _withdrawn(runs: pd.DataFrame) -> dict[str, list[Withdrawal]]:
    """From day to the runs that were withdrawn on it."""
    later = (f"retraction.{key}" for key in ("reason", "by", "superseded_by", "created_at"))
    columns = [values_of(runs, name) for name in ("run", "entry", "submission.title", "state", *later)]
    found: defaultdict[str, list[Withdrawal]] = defaultdict(list)
    for team, row in zip(team_titles(runs), zip(*columns, strict=True), strict=True):
        run, entry, title, state, reason, by, superseded_by, day = row
        if state != "current":
            other = None if is_missing(superseded_by) else superseded_by
            found[day[:10]].append(Withdrawal(run, entry, title, team, state, reason, by, other))
    return found
