"""The page of a board's history: what entered, moved, left and was withdrawn, and the best value over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from markupsafe import Markup

from bench.leaderboard.column import Column
from bench.leaderboard.columns import column_of
from bench.leaderboard.exports import json_text
from bench.leaderboard.history import Change, Move, Spot, Withdrawal, changes
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page
from bench.leaderboard.pages import render
from bench.leaderboard.slugs import slug
from bench.leaderboard.standing import TRUST, Standing
from bench.leaderboard.svg import element, markup, number

__all__ = ["best_line", "history_json", "history_page", "history_pages"]

NUM_DAYS = 40
"""How many days the page tells; the JSON beside it has all."""
NUM_NAMED = 5
"""How many entries of one kind and day are named."""
_LEAST_DAYS = 3
_DECIDES = ("run", "state", *(f"retraction.{key}" for key in ("created_at", "reason", "by", "superseded_by")))
"""The columns that a history is made from: the rest of a result never changes."""
_WIDTH, _HEIGHT, _EDGE = 1000.0, 160.0, 8.0


class _Line(NamedTuple):
    """One kind of change on a day."""

    label: str
    note: str
    """What stands before the entries: how many there are, when not all are named."""
    spots: list[dict[str, str]]
    more: int = 0


def history_pages(material: Material) -> Iterator[Page]:
    """The history of every board, as a page and as JSON."""
    for place in material.standings:
        yield from _pages_of_board(place, material)


def _pages_of_board(place: Standing, material: Material) -> Iterator[Page]:
    board = place.loaded.board
    runs = material.frame[(material.frame["protocol.id"] == board.protocol).to_numpy(dtype=bool)]
    inputs = (board.as_json(), place.loaded.protocol_digest, [runs[name].tolist() for name in _DECIDES])
    told = cache(lambda: changes(place, material.frame))

    def page() -> bytes:
        return render("history.html", {"root": "../", **material.common, "page": history_page(place, told())})

    yield Page.lazy(f"boards/{board.id}.history.html", (inputs, material.common), page)
    yield Page.lazy(f"boards/{board.id}.history.json", inputs, lambda: history_json(place, told()))


def history_json(place: Standing, told: Sequence[Change]) -> str:
    """Every change with every entry."""
    days = [
        {
            "day": change.day,
            "num_ranked": change.num_ranked,
            "best": change.best,
            "entered": [spot._asdict() for spot in change.entered],
            "renewed": [_move_json(move) for move in change.renewed],
            "moved": [_move_json(move) for move in change.moved],
            "left": [spot._asdict() for spot in change.left],
            "withdrawn": [item._asdict() for item in change.withdrawn],
            "records": [
                {**record._asdict(), "holders": [spot._asdict() for spot in record.holders]}
                for record in change.records
            ],
        }
        for change in told
    ]
    return json_text({"board": place.loaded.board.id, "metric": place.loaded.rank_by, "changes": days})


def _move_json(move: Move) -> dict[str, Any]:
    return {"before": move.before._asdict(), "after": move.after._asdict()}


def history_page(place: Standing, told: Sequence[Change]) -> dict[str, Any]:
    """What the template shows, the newest day first.

    Args:
        place: The board.
        told: Its changes, oldest first.
    """
    column = column_of(place.loaded.rank_by)
    statuses = {status for change in told for status in change.best}
    newest = list(reversed(told))
    return {
        "board": place.loaded.board,
        "metric": column.label,
        "headline": _headline(told, column),
        "line": best_line(told, column),
        "days": [
            {
                "day": change.day,
                "ranked": f"{change.num_ranked:,} ranked",
                "lines": list(_lines(change, column, name_status=len(statuses) > 1)),
                "withdrawn": [_withdrawal(item) for item in change.withdrawn[:NUM_NAMED]],
                "more_withdrawn": max(0, len(change.withdrawn) - NUM_NAMED),
            }
            for change in newest[:NUM_DAYS]
        ],
        "more_days": max(0, len(told) - NUM_DAYS),
    }


def _headline(told: Sequence[Change], column: Column) -> list[tuple[str, str, str]]:
    if not told:
        return []
    last = told[-1]
    facts = [
        ("First result", told[0].day, ""),
        ("Last change", last.day, ""),
        ("Days with changes", f"{len(told):,}", ""),
        ("New bests", f"{sum(len(change.records) for change in told):,}", ""),
    ]
    for status, value in last.best.items():
        facts.append((f"Best {column.title.lower()}", f"{column.text(value)} {column.unit}".strip(), status))
    return facts


def _lines(change: Change, column: Column, *, name_status: bool) -> Iterator[_Line]:
    def shown(spot: Spot, words: str) -> dict[str, str]:
        status = f" {spot.status}" if name_status else ""
        return {
            "slug": slug(spot.entry),
            "title": spot.title,
            "team": spot.team,
            "words": words.format(rank=spot.rank, value=column.text(spot.value), status=status),
        }

    for record in change.records:
        status = f", {record.status}" if name_status else ""
        note = f"{column.text(record.before)} to {column.text(record.after)}{status}, by"
        spots = [shown(spot, "") for spot in record.holders[:NUM_NAMED]]
        yield _Line("New best", note, spots, len(record.holders) - len(spots))
    if change.entered:
        spots = [shown(spot, "rank {rank}{status}, {value}") for spot in change.entered[:NUM_NAMED]]
        many = len(change.entered) - len(spots)
        yield _Line("Entered", f"{len(change.entered):,} entered, the first of them:" if many else "", spots, many)
    lost = [move for move in change.moved if move.before.rank == 1]
    others = [move for move in change.moved if move.before.rank > 1]
    for label, moves in (("New run", change.renewed), ("Lost first place", lost), ("Moved", others)):
        if moves:
            spots = [shown(move.after, _move_words(move, column)) for move in moves[:NUM_NAMED]]
            yield _Line(label, "", spots, len(moves) - len(spots))
    if change.left:
        spots = [shown(spot, "was rank {rank}{status}, {value}") for spot in change.left[:NUM_NAMED]]
        yield _Line("Left", "", spots, len(change.left) - len(spots))


def _move_words(move: Move, column: Column) -> str:
    """From where to where: rank, and what else is new."""
    before, after = move
    words = [f"rank {before.rank} to {after.rank}" if before.rank != after.rank else f"still rank {after.rank}"]
    if before.status != after.status:
        words.append(f"{before.status} to {after.status}")
    if before.value != after.value:
        words.append(f"{column.text(before.value)} to {column.text(after.value)}")
    return ", ".join(words)


def _withdrawal(item: Withdrawal) -> dict[str, Any]:
    return {**item._asdict(), "slug": slug(item.entry)}


def best_line(told: Sequence[Change], column: Column) -> dict[str, Any] | None:
    """The best value of each status over time as a step line, with what stands at its edges; None before three days.

    The drawing has no text and may be stretched: the page writes the ends of its axes beside it.
    """
    values = [value for change in told for value in change.best.values()]
    if len(told) < _LEAST_DAYS or not values:
        return None
    low, high = min(values), max(values)
    start, end = (date.fromisoformat(told[index].day).toordinal() for index in (0, -1))

    def at_x(change: Change) -> float:
        return _WIDTH * (date.fromisoformat(change.day).toordinal() - start) / ((end - start) or 1)

    def at_y(value: float) -> float:
        return _EDGE + (_HEIGHT - 2 * _EDGE) * ((high - value) / (high - low) if high > low else 0.5)

    points = [(at_x(change), {status: at_y(value) for status, value in change.best.items()}) for change in told]
    statuses = [status for status in TRUST if any(status in change.best for change in told)]
    paths = [
        element(
            "path", {"class_": f"best {status}", "d": _steps(points, status), "vector-effect": "non-scaling-stroke"}
        )
        for status in statuses
    ]
    words = [f"{status} {_span(told, status, column)}" for status in statuses]
    label = f"Best {column.label} from {told[0].day} to {told[-1].day}: {'; '.join(words)}."
    attributes = {
        "class_": "line",
        "viewBox": f"0 0 {number(_WIDTH)} {number(_HEIGHT)}",
        "preserveAspectRatio": "none",
        "role": "img",
        "aria-label": label,
    }
    return {
        "svg": Markup(markup(element("svg", attributes, *paths))),  # noqa: S704 - escaped by the XML library
        "statuses": statuses,
        "high": column.text(high),
        "low": column.text(low),
        "start": told[0].day,
        "end": told[-1].day,
    }


def _steps(points: Sequence[tuple[float, Mapping[str, float]]], status: str) -> str:
    """A path of horizontal and vertical steps: a value holds until the next day that changes it."""
    path, last = "", None
    for x, ys in points:
        y = ys.get(status)
        if last is not None:
            path += f"H{number(x)}"
        if y is not None and y != last:
            path += f"M{number(x)} {number(y)}H{number(x)}" if last is None else f"V{number(y)}"
        last = y
    return path


def _span(told: Sequence[Change], status: str, column: Column) -> str:
    values = [change.best[status] for change in told if status in change.best]
    return f"{column.text(values[0])} to {column.text(values[-1])}"
