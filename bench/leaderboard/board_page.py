"""The page of a board, and the same rows as CSV and JSON beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.leaderboard.columns import column_of
from bench.leaderboard.exports import json_text
from bench.leaderboard.facts import protocol_facts
from bench.leaderboard.index import last_change
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page
from bench.leaderboard.pages import render
from bench.leaderboard.slugs import slug
from bench.leaderboard.standing import Standing
from bench.leaderboard.table import board_csv, board_records, chunks, script_data, table_rows

__all__ = ["board_pages"]


def board_pages(material: Material) -> Iterator[Page]:
    """The files of all boards."""
    for place in material.standings:
        yield from _pages_of_board(place, {"root": "../", **material.common})


def _pages_of_board(place: Standing, common: Mapping[str, Any]) -> Iterator[Page]:
    loaded = place.loaded
    records = board_records(place)
    rows = table_rows(place)
    context = {
        **common,
        "loaded": loaded,
        "facts": protocol_facts(loaded.protocol, loaded.protocol_digest),
        "headline": _headline(place),
        "columns": loaded.columns,
        "rank_label": column_of(loaded.rank_by).label,
        "num_rows": len(rows),
        "chunks": list(chunks(rows)),
        "data": script_data(place),
        "unranked": _unranked(place),
    }
    board = loaded.board.id
    yield Page.of(f"boards/{board}.html", render("board.html", context))
    yield Page.of(f"boards/{board}.csv", board_csv(place, records))
    whole = {
        "board": loaded.board.as_json(),
        "protocol": loaded.protocol.as_json(),
        "protocol_digest": loaded.protocol_digest,
        "rows": records,
    }
    yield Page.of(f"boards/{board}.json", json_text(whole))


def _headline(place: Standing) -> list[tuple[str, str, str]]:
    """The facts at the top of a board: label, value, and what stands small behind it."""
    column = column_of(place.loaded.rank_by)
    facts = [("Ranked", f"{place.num_ranked:,}", "")]
    if place.num_ranked:
        best = place.ranked.iloc[0].to_dict()
        stem = f"metrics.{place.loaded.rank_by}"
        interval = column.interval(best.get(f"{stem}.ci_low"), best.get(f"{stem}.ci_high"))
        facts.append((f"Best {column.title.lower()}", f"{column.text(best[f'{stem}.value'])} {column.unit}", interval))
    facts.append(("Not ranked", f"{len(place.unranked):,}", ""))
    if day := last_change(place):
        facts.append(("Last change", day, ""))
    return facts


def _unranked(place: Standing) -> list[dict[str, Any]]:
    column = column_of(place.loaded.rank_by)
    stem = f"metrics.{place.loaded.rank_by}"
    names = ("entry", "run", "created_at", "submission.title", "submission.team", "submission.team_title", "reason")
    value = (
        place.unranked[f"{stem}.value"].tolist() if f"{stem}.value" in place.unranked else [None] * len(place.unranked)
    )
    rows = zip(*(place.unranked[name].tolist() for name in names), value, strict=True)
    return [
        {
            "slug": slug(entry),
            "run": run,
            "day": created_at[:10],
            "title": title,
            "team": team_title if isinstance(team_title, str) else team,
            "reason": reason,
            "value": column.text(number),
        }
        for entry, run, created_at, title, team, team_title, reason, number in rows
    ]
