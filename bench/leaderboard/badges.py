"""SVG badges for a README: where a submission was measured and what came out, in a fixed form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element

from bench.leaderboard.column import DASH, is_missing, values_of
from bench.leaderboard.columns import column_of
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page
from bench.leaderboard.slugs import slug
from bench.leaderboard.standing import Standing
from bench.leaderboard.svg import element, markup, number
from bench.leaderboard.table import team_titles
from bench.leaderboard.text_width import FONTS, fitted, is_measured, text_width

__all__ = ["Badge", "badge_pages", "badge_path", "badge_svg"]

_HEIGHT = 20.0
_SIZE = 11.0
_PADDING = 7.0
_WIDEST_TITLE = 320.0
_LEFT, _TEXT = "#2f3946", "#ffffff"
_COLOURS = {"verified": "#14663a", "self-reported": "#1a56c4", "imported": "#54606f"}
"""Of the value, by status, which is also said in words. White has a contrast of at least 6 to 1 on all of them; the
badge brings its own ground, so it reads alike on light and dark pages."""


class Badge(NamedTuple):
    """What a badge says; no rank, which others would change."""

    entry: str
    """The submission and its team, for the title."""
    board: str
    metric: str
    value: str
    interval: str
    status: str


def badge_path(board_id: str, entry: str) -> str:
    """Where the badge of an entry lies, relative to the site; only ranked entries have one."""
    return f"badges/{board_id}/{slug(entry)}.svg"


def badge_pages(material: Material) -> Iterator[Page]:
    """A badge for every ranked entry of every board."""
    for place in material.standings:
        yield from _badges_of_board(place)


def _badges_of_board(place: Standing) -> Iterator[Page]:
    column, board = column_of(place.loaded.rank_by), place.loaded.board
    stem = f"metrics.{place.loaded.rank_by}"
    names = [
        "rank",
        "entry",
        "status",
        "submission.title",
        *(f"{stem}.{key}" for key in ("value", "ci_low", "ci_high")),
    ]
    rows = zip(*(values_of(place.ranked, name) for name in names), team_titles(place.ranked), strict=True)
    for rank, entry, status, title, value, low, high, team in rows:
        if is_missing(rank):
            continue
        badge = Badge(
            entry=f"{title} by {team}",
            board=board.title,
            metric=column.title.lower(),
            value=f"{column.text(value)} {column.unit}".rstrip(),
            interval=column.interval(low, high),
            status=status,
        )
        yield Page.lazy(badge_path(board.id, entry), tuple(badge), lambda badge=badge: badge_svg(badge))  # type: ignore[misc]


def badge_svg(badge: Badge) -> str:
    """A badge as an SVG file: board on the left, value and interval on the right, with the status unless verified."""
    interval = "" if badge.interval == DASH else badge.interval
    status = "" if badge.status == "verified" else badge.status
    left = fitted(badge.board, _SIZE, _WIDEST_TITLE)
    right = f"{badge.metric} {badge.value}{interval and f' ({interval})'}{status and f', {status}'}"
    widths = [round(text_width(text, _SIZE) + 2 * _PADDING, 1) for text in (left, right)]
    said = f"{badge.entry} on {badge.board}: {badge.metric} {badge.value}"
    said += f"{interval and f', 95% interval {interval}'}, {badge.status}"
    size = {"width": sum(widths), "height": _HEIGHT}
    root = element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", **size, "role": "img", "aria-label": said},
        element("title", {}, said),
        element("rect", {**size, "rx": 4, "fill": _COLOURS[badge.status]}),
        # The left half is round at its left end only.
        element(
            "path",
            {"d": f"M{number(widths[0])} 0H4a4 4 0 0 0-4 4v12a4 4 0 0 0 4 4H{number(widths[0])}z", "fill": _LEFT},
        ),
        element(
            "g",
            {"fill": _TEXT, "font-family": FONTS, "font-size": _SIZE},
            _label(left, _PADDING),
            _label(right, widths[0] + _PADDING),
        ),
    )
    return markup(root) + "\n"


def _label(text: str, x: float) -> Element:
    """A text that is as wide as there is room for it, whatever the font, where its width is known."""
    width = {"textLength": text_width(text, _SIZE)} if is_measured(text) else {}
    return element("text", {"x": x, "y": 14, **width}, text)
