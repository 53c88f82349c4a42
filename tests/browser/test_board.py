"""The page of a board in a real Chromium: what it shows equals what pandas says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from bench.leaderboard.columns import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from browser.conftest import OpenPage

pytestmark = pytest.mark.browser

# Read from the document, not from timings: a filter that hides nothing is the fastest of all.
ROWS = "[...document.querySelectorAll('table.board tbody th a')].map(link => link.getAttribute('href'))"
WIDE = "boards/tiny.html"


def _frame(site: Path) -> pd.DataFrame:
    """The ranked rows of the board, in order of rank, from the JSON beside the page."""
    rows = json.loads((site / "boards/tiny.json").read_text(encoding="utf-8"))["rows"]
    frame = pd.DataFrame([row for row in rows if row["rank"] is not None])
    links = json.loads((site / "index.json").read_text(encoding="utf-8"))  # the index counts the same rows
    assert links["boards"][0]["num_ranked"] == len(frame)
    return frame


def _expected(frame: pd.DataFrame, name: str, *, descending: bool) -> list[int]:
    """The order of rows by pandas: stable, missing values last both ways."""
    column = COLUMNS[name]
    source = f"{column.source}.ci_low" if column.kind == "interval" else column.source
    values = frame[source]
    if column.kind in ("text", "model"):
        values = values.map(lambda text: (text.casefold(), text), na_action="ignore")
        known = sorted(values.dropna().unique())
        values = values.map({value: index for index, value in enumerate(known)})
    order = values.sort_values(ascending=not descending, kind="stable", na_position="last")
    return list(order.index)


@pytest.mark.parametrize("over", ["file", "http"])
def test_every_column_sorts_like_pandas_both_ways(
    wide_site: Path, open_page: OpenPage, serve: Callable[[Path], str], over: str
) -> None:
    """Missing values last both ways, ties in the order of ranks, best first on the first click, one aria-sort."""
    frame = _frame(wide_site)
    url = wide_site / WIDE if over == "file" else f"{serve(wide_site)}/{WIDE}"
    with open_page(url) as page:
        by_rank = page.evaluate(ROWS)
        assert len(by_rank) == len(frame) == 130
        for button in page.locator("thead button").all():
            name = str(button.get_attribute("data-column"))
            for first in (True, False):
                button.click()
                head = page.locator("thead [aria-sort]")
                assert head.count() == 1
                descending = head.get_attribute("aria-sort") == "descending"
                if name != "rank":  # the page starts sorted by rank, so its first click turns it round
                    assert descending == (COLUMNS[name].descending_first == first)
                assert page.evaluate(ROWS) == [
                    by_rank[index] for index in _expected(frame, name, descending=descending)
                ]
        chunks = page.evaluate("[...document.querySelector('table.board').tBodies].map(body => body.rows.length)")
        assert chunks == [50, 50, 30]


@pytest.mark.parametrize(
    "query", ["resnet", "RESNET mit", "team3", "модель", "c++ (", ".*", 'quote"', "net-12", "  vit   team1 ", "\\d"]
)
def test_the_search_finds_rows_with_all_words(wide_site: Path, open_page: OpenPage, query: str) -> None:
    """Words, not patterns; in title, team, entry and the columns of text; sorting keeps the search."""
    frame = _frame(wide_site)
    texts = [column.source for column in COLUMNS.values() if column.kind == "text" and column.source in frame.columns]
    entry = frame["submission.team"] + "/" + frame["submission.name"]
    parts = [frame["submission.title"], frame["submission.team"], entry, *(frame[name].fillna("") for name in texts)]
    hay = parts[0].str.cat(parts[1:], sep=" ").str.lower()
    found = [index for index, text in hay.items() if all(word in text for word in query.lower().split())]
    with open_page(wide_site / WIDE) as page:
        by_rank = page.evaluate(ROWS)
        page.keyboard.press("/")
        page.keyboard.type(query)
        page.wait_for_timeout(150)
        assert page.evaluate(ROWS) == [by_rank[index] for index in found]
        expected = f"{len(found)} of 130 entries" if len(found) < 130 else "130 entries"
        assert page.locator("#count").text_content() == expected
        assert page.locator("#no-match").is_visible() == (not found)
        page.fill("#search", "")
        page.wait_for_timeout(150)
        assert page.evaluate(ROWS) == by_rank


def test_intervals_are_drawn_for_the_rows_on_screen(wide_site: Path, open_page: OpenPage) -> None:
    """They fill the scale whose ends the header shows, and follow the scrolling."""
    with open_page(wide_site / WIDE) as page:
        assert 10 <= page.locator("svg.glyph").count() <= 30
        before = page.locator("thead .scale").text_content()
        page.evaluate("document.getElementById('box').scrollTop = 3000")
        page.wait_for_timeout(150)
        assert page.locator("thead .scale").text_content() != before
        spans = page.evaluate(
            """[...document.querySelectorAll('svg.glyph .span')]
            .map(path => path.getBBox()).map(box => [box.x, box.width])"""
        )
        assert min(width for _, width in spans) > 4
        assert min(x for x, _ in spans) < 6
        assert max(x + width for x, width in spans) > 94


def test_header_and_names_stay_in_view(wide_site: Path, open_page: OpenPage) -> None:
    """After scrolling both ways; the header is as wide as its rows."""
    with open_page(wide_site / WIDE) as page:
        page.evaluate("document.getElementById('box').scrollTo(400, 3000)")
        page.wait_for_timeout(100)
        left, top, box_left, box_top = page.evaluate(
            """() => { const box = document.getElementById('box').getBoundingClientRect();
            const head = document.querySelector('thead').getBoundingClientRect();
            const name = document.querySelectorAll('table.board tbody th')[70].getBoundingClientRect();
            return [name.left, head.top, box.left, box.top] }"""
        )
        assert abs(left - box_left) <= 2
        assert abs(top - box_top) <= 2
        wide, head = page.evaluate(
            "[document.getElementById('box').scrollWidth, document.querySelector('table.board thead').offsetWidth]"
        )
        assert wide <= head + 1


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_name_value_and_interval_at_once(wide_site: Path, open_page: OpenPage, width: int) -> None:
    """The first four columns fit the screen."""
    with open_page(wide_site / WIDE, viewport={"width": width, "height": 800}) as page:
        cells = page.evaluate(
            """[...document.querySelector('table.board tbody tr').cells].slice(0, 4)
            .map(cell => cell.getBoundingClientRect().right)"""
        )
        assert max(cells) <= width
        assert page.evaluate(
            """[...document.querySelectorAll('table.board tbody td.ci')].slice(0, 5)
            .every(cell => cell.scrollWidth <= cell.clientWidth)"""
        )


def test_print_shows_all_rows_and_no_controls(wide_site: Path, open_page: OpenPage) -> None:
    """On white, without the box that scrolls."""
    with open_page(wide_site / WIDE, color_scheme="dark") as page:
        page.emulate_media(media="print")
        assert page.locator("#search").is_hidden()
        assert page.locator("header.top").is_hidden()
        assert page.evaluate("getComputedStyle(document.getElementById('box')).maxHeight") == "none"
        assert page.locator("table.board tbody tr").nth(129).bounding_box() is not None
