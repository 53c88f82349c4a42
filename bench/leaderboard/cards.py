"""The cards of the index page: a board's first three with their intervals, its plot, its last change."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from markupsafe import Markup

from bench.leaderboard.column import Column, is_missing
from bench.leaderboard.columns import column_of
from bench.leaderboard.headline import last_change
from bench.leaderboard.scatter import axes_of, mini_scatter
from bench.leaderboard.slugs import slug
from bench.leaderboard.standing import Standing
from bench.leaderboard.svg import element, markup, number

__all__ = ["board_card", "fill_command"]

NUM_LEADERS = 3
GLYPH_WIDTH, GLYPH_HEIGHT, GLYPH_EDGE = 96.0, 14.0, 4.0
Interval = tuple[float, float, float]
"""Lower end, value, upper end."""


class _Leader(NamedTuple):
    rank: int
    title: str
    team: str
    slug: str
    value: str
    interval: str
    glyph: Markup | None


def board_card(standing: Standing) -> dict[str, Any]:
    """What the card of a board shows."""
    loaded = standing.loaded
    column = column_of(loaded.rank_by)
    plot, axes = mini_scatter(standing), axes_of(standing)
    return {
        "id": loaded.board.id,
        "title": loaded.board.title,
        "description": loaded.board.description,
        "protocol": loaded.protocol.id,
        "metric": column.label,
        "num_ranked": standing.num_ranked,
        "num_unranked": len(standing.unranked),
        "groups": _groups(standing, column),
        "plot": None if plot is None else Markup(markup(plot)),  # noqa: S704 - escaped by the XML library
        "axes": "" if axes is None else f"{axes.y.title} against {axes.x.label}",
        "last_change": last_change(standing),
    }


def fill_command(standing: Standing) -> str:
    """The command that gives a board its first results."""
    protocol = standing.loaded.protocol
    if protocol.kind == "reported":  # the protocols of a source begin with its name
        source = protocol.id.split("-", 1)[0]
        return f"bench import {source}" + ("" if source == "torchvision" else " FILE...")
    verb = "train" if protocol.kind == "train" else "evaluate"
    return f"bench {verb} SUBMISSION --protocol {protocol.id} --data DIR"


def _groups(standing: Standing, column: Column) -> list[tuple[str, list[_Leader]]]:
    """The first rows by status, for each status has ranks of its own; all on one scale."""
    ranked = standing.ranked[standing.ranked["rank"].notna().to_numpy(dtype=bool)]
    top = ranked.head(NUM_LEADERS).to_dict("records")
    stem = f"metrics.{standing.loaded.rank_by}"
    known = [interval for run in top if (interval := _interval(run, stem)) is not None]
    scale = (min(low for low, _, _ in known), max(high for _, _, high in known)) if known else (0.0, 1.0)
    return [
        (str(status), [_leader(run, stem, column, scale) for run in runs])
        for status, runs in groupby(top, key=lambda run: run["status"])
    ]


def _leader(run: Mapping[Hashable, Any], stem: str, column: Column, scale: tuple[float, float]) -> _Leader:
    interval = _interval(run, stem)
    return _Leader(
        rank=run["rank"],
        title=run["submission.title"],
        team=run["submission.team"] if is_missing(run["submission.team_title"]) else run["submission.team_title"],
        slug=slug(run["entry"]),
        value=column.text(run[f"{stem}.value"]),
        interval=column.interval(run.get(f"{stem}.ci_low"), run.get(f"{stem}.ci_high")),
        glyph=None if interval is None else _glyph(interval, scale),
    )


def _interval(run: Mapping[Hashable, Any], stem: str) -> Interval | None:
    ends: list[Any] = [run.get(f"{stem}.{key}") for key in ("ci_low", "value", "ci_high")]
    if any(is_missing(end) for end in ends):
        return None
    low, value, high = (float(end) for end in ends)
    return low, value, high


def _glyph(interval: Interval, scale: Sequence[float]) -> Markup:
    """An interval on the scale of its card: a line with two ends and a dot."""
    start, end = scale
    width = GLYPH_WIDTH - 2 * GLYPH_EDGE
    low, value, high = (number(GLYPH_EDGE + width * (at - start) / ((end - start) or 1.0)) for at in interval)
    attributes: dict[str, str | float] = {
        "class_": "glyph",
        "width": GLYPH_WIDTH,
        "height": GLYPH_HEIGHT,
        "aria-hidden": "true",
    }
    drawing = element(
        "svg",
        attributes,
        element("path", {"class_": "base", "d": f"M0 7H{number(GLYPH_WIDTH)}"}),
        element("path", {"class_": "span", "d": f"M{low} 7H{high}M{low} 3V11M{high} 3V11"}),
        element("circle", {"cx": value, "cy": 7, "r": 2.8}),
    )
    return Markup(markup(drawing))  # noqa: S704 - escaped by the XML library
