"""The page of a board, and the same rows as CSV and JSON beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

from markupsafe import Markup

from bench.files import canonical_json
from bench.leaderboard.board_files import standing_inputs
from bench.leaderboard.column import GROUP_TITLES, values_of
from bench.leaderboard.columns import column_of
from bench.leaderboard.exports import json_text
from bench.leaderboard.facets import facets_of
from bench.leaderboard.facts import protocol_facts
from bench.leaderboard.headline import RANK_RULES, headline
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page
from bench.leaderboard.pages import render
from bench.leaderboard.scatter import axes_of, axis_columns, num_verified, scatter
from bench.leaderboard.slugs import slug
from bench.leaderboard.standing import Standing
from bench.leaderboard.svg import markup
from bench.leaderboard.table import board_csv, board_records, chunks, column_groups, is_mixed, table_rows, team_titles
from bench.leaderboard.view import view_data

__all__ = ["board_pages"]


def board_pages(material: Material) -> Iterator[Page]:
    """The files of all boards."""
    for place in material.standings:
        yield from _pages_of_board(place, {"root": "../", **material.common})


def _pages_of_board(place: Standing, common: Mapping[str, Any]) -> Iterator[Page]:
    loaded = place.loaded
    stem = f"boards/{loaded.board.id}"
    inputs = (standing_inputs(place), canonical_json(loaded.protocol.as_json()), sorted(common.items()))
    records = cache(partial(board_records, place))
    yield Page.lazy(f"{stem}.html", inputs, lambda: render("board.html", {**common, **_context(place)}))
    yield Page.lazy(f"{stem}.csv", inputs, lambda: board_csv(place, records()))
    whole = {
        "board": loaded.board.as_json(),
        "protocol": loaded.protocol.as_json(),
        "protocol_digest": loaded.protocol_digest,
    }
    yield Page.lazy(f"{stem}.json", inputs, lambda: json_text({**whole, "rows": records()}))


def _context(place: Standing) -> dict[str, Any]:
    loaded, rows, facets = place.loaded, table_rows(place), facets_of(place)
    groups = column_groups(loaded.columns)
    return {
        "loaded": loaded,
        "facts": protocol_facts(loaded.protocol, loaded.protocol_digest),
        "headline": headline(place),
        "columns": loaded.columns,
        "groups": groups,
        "choices": [
            (name, GROUP_TITLES[name]) for name in dict.fromkeys(item.name for item in groups) if name != "result"
        ],
        "ranges": axis_columns(place),
        "facets": facets,
        "plot": _plot(place),
        "rank_label": column_of(loaded.rank_by).label,
        "rank_title": column_of(loaded.rank_by).title,
        "rank_rule": RANK_RULES[place.rank_rule],
        "is_mixed": is_mixed(place),
        "num_rows": len(rows),
        "num_ranked": place.num_ranked,
        "chunks": list(chunks(rows)),
        "data": view_data(place, facets),
        "unranked": _unranked(place),
    }


def _plot(place: Standing) -> dict[str, Any] | None:
    """The plot, what is said about it, and its frontier as links; None where a board has no two numbers."""
    axes = axes_of(place)
    if axes is None:
        return None
    plot, frame = scatter(place, axes), place.ranked
    names = ("entry", "submission.title", axes.y.source, axes.x.source)
    columns = [values_of(frame.iloc[plot.frontier], name) for name in names]
    statuses = ["" if row < num_verified(place) else ", self-reported" for row in plot.frontier]
    links = [
        {"slug": slug(entry), "title": title, "text": f"{axes.y.words(y)}, {axes.x.words(x)}{status}"}
        for entry, title, y, x, status in zip(*columns, statuses, strict=True)
    ]
    drawing = Markup(markup(plot.svg))  # noqa: S704 - written by an XML library
    return {"svg": drawing, "note": plot.note, "links": links, "axes": axes}


def _unranked(place: Standing) -> list[dict[str, Any]]:
    column, frame = column_of(place.loaded.rank_by), place.unranked
    names = ("entry", "run", "created_at", "submission.title", "reason", f"metrics.{place.loaded.rank_by}.value")
    rows = zip(*(values_of(frame, name) for name in names), team_titles(frame), strict=True)
    return [
        {
            "slug": slug(entry),
            "run": run,
            "day": created_at[:10],
            "title": title,
            "team": team,
            "reason": reason,
            "value": column.text(number),
        }
        for entry, run, created_at, title, reason, number, team in rows
    ]
