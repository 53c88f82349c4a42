"""The index page: a card a board, the latest results, what did not become a rank."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bench.leaderboard.board import LoadedBoard
from bench.leaderboard.columns import COLUMNS, DASH, Column, column_of, is_missing
from bench.leaderboard.exports import csv_of_rows, json_text, plain
from bench.leaderboard.facts import status_words, team_of
from bench.leaderboard.frame import BASE_COLUMNS
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page
from bench.leaderboard.pages import render
from bench.leaderboard.slugs import slug
from bench.leaderboard.standing import Standing
from bench.store import Stored

__all__ = ["Glyph", "index_pages"]

NUM_RECENT = 10
NUM_PROBLEMS = 12
GLYPH_WIDTH = 96


class Glyph(NamedTuple):
    """An interval drawn on a shared scale: positions in CSS pixels."""

    low: float
    value: float
    high: float


class _Leader(NamedTuple):
    rank: int
    title: str
    team: str
    slug: str
    value: str
    interval: str
    glyph: Glyph | None


def index_pages(material: Material) -> Iterator[Page]:
    """The index page, the boards as JSON, and every run as CSV."""
    content = _index_page(material.standings, material.stored, material.reasons)
    context = {"root": "", **material.common, "page": content}
    yield Page.of("index.html", render("index.html", context))
    yield Page.of("index.json", _index_json(material.standings, len(material.stored)))
    rows = list(material.rows.values())
    yield Page.lazy("results.csv", list(material.rows), lambda: csv_of_rows(rows, first=BASE_COLUMNS))


def _index_page(standings: Sequence[Standing], stored: Sequence[Stored], reasons: Mapping[str, str]) -> dict[str, Any]:
    """What the template of the index page shows.

    Args:
        standings: The boards in their order.
        stored: All results, newest first.
        reasons: From run to the reason why it is not ranked.
    """
    problems = [item for item in stored if item.run in reasons]
    # One import brings a hundred results of the same second; they would hide what somebody measured.
    measured = [item for item in stored if item.result.status != "imported"] or stored
    return {
        "cards": [_card(standing) for standing in standings],
        "recent": [_recent(item, reasons) for item in measured[:NUM_RECENT]],
        "problems": [_recent(item, reasons) for item in problems[:NUM_PROBLEMS]],
        "num_problems": len(problems),
        "num_more_problems": max(0, len(problems) - NUM_PROBLEMS),
        "num_results": f"{len(stored):,}",
    }


def last_change(standing: Standing) -> str:
    """The day of a board's newest run, or an empty text."""
    days = [str(day)[:10] for frame in (standing.ranked, standing.unranked) for day in frame["created_at"]]
    return max(days, default="")


def _card(standing: Standing) -> dict[str, Any]:
    loaded = standing.loaded
    column = column_of(loaded.rank_by)
    return {
        "id": loaded.board.id,
        "title": loaded.board.title,
        "description": loaded.board.description,
        "protocol": loaded.protocol.id,
        "metric": column.label,
        "num_ranked": standing.num_ranked,
        "num_unranked": len(standing.unranked),
        "leaders": _leaders(loaded, standing, column),
        "last_change": last_change(standing),
    }


def _leaders(loaded: LoadedBoard, standing: Standing, column: Column) -> list[_Leader]:
    top = standing.ranked.head(min(3, standing.num_ranked)).to_dict("records")
    stem = f"metrics.{loaded.rank_by}"
    intervals = [_interval(run, stem) for run in top]
    known = [interval for interval in intervals if interval is not None]
    scale = (min(low for low, _, _ in known), max(high for _, _, high in known)) if known else (0.0, 1.0)
    return [
        _Leader(
            rank=run["rank"],
            title=run["submission.title"],
            team=run["submission.team"] if is_missing(run["submission.team_title"]) else run["submission.team_title"],
            slug=slug(run["entry"]),
            value=column.text(run[f"{stem}.value"]),
            interval=column.interval(run.get(f"{stem}.ci_low"), run.get(f"{stem}.ci_high")),
            glyph=None if interval is None else _glyph(interval, scale),
        )
        for run, interval in zip(top, intervals, strict=True)
    ]


def _interval(run: Mapping[Hashable, Any], stem: str) -> tuple[float, float, float] | None:
    low, value, high = (run.get(f"{stem}.{key}") for key in ("ci_low", "value", "ci_high"))
    return None if is_missing(low) or is_missing(high) else (float(low), float(value), float(high))  # type: ignore[arg-type]


def _glyph(interval: tuple[float, float, float], scale: tuple[float, float]) -> Glyph:
    start, end = scale
    low, value, high = (
        round(4 + (GLYPH_WIDTH - 8) * (number - start) / ((end - start) or 1.0), 1) for number in interval
    )
    return Glyph(low, value, high)


def _recent(item: Stored, reasons: Mapping[str, str]) -> dict[str, Any]:
    result = item.result
    top1 = result.metrics.get("top1")
    return {
        "day": result.created_at[:10],
        "title": result.submission.title,
        "team": team_of(result),
        "slug": slug(result.entry),
        "protocol": result.protocol.id,
        "status": status_words(item),
        "top1": COLUMNS["top1"].text(top1.value if top1 else None),
        "interval": COLUMNS["top1"].interval(top1.ci_low, top1.ci_high) if top1 else DASH,
        "reason": reasons.get(item.run, ""),
    }


def _index_json(standings: Sequence[Standing], num_results: int) -> str:
    """The boards and their leaders as JSON."""
    boards = []
    for standing in standings:
        stem = f"metrics.{standing.loaded.rank_by}"
        keys = ("rank", "rank_low", "rank_high", "entry", "run", f"{stem}.value", f"{stem}.ci_low", f"{stem}.ci_high")
        top = standing.ranked.head(min(3, standing.num_ranked)).to_dict("records")
        boards.append(
            {
                "board": standing.loaded.board.as_json(),
                "protocol_digest": standing.loaded.protocol_digest,
                "num_ranked": standing.num_ranked,
                "num_unranked": len(standing.unranked),
                "last_change": last_change(standing),
                "leaders": [{key: plain(run.get(key)) for key in keys} for run in top],
            }
        )
    return json_text({"boards": boards, "num_results": num_results})
