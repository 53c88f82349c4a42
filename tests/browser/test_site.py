"""The site in a real Chromium: sorting, searching, widths, hostile names, accessibility."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from leaderboard.made_results import hostile_names

from bench.leaderboard.columns import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from browser.conftest import OpenPage
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Read from the document, not from timings: a filter that hides nothing is the fastest of all.
ROWS = "[...document.querySelectorAll('table.board tbody th a')].map(link => link.getAttribute('href'))"
WIDE = "boards/tiny.html"


def _pages(site: Path) -> list[Path]:
    return [
        site / "index.html",
        *sorted((site / "boards").glob("*.html")),
        *sorted((site / "submissions").glob("*.html")),
    ]


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


@pytest.mark.parametrize("over", ["file", "http"])
def test_every_page_opens_without_a_complaint(
    tiny_site: Path, open_page: OpenPage, serve: Callable[[Path], str], over: str
) -> None:
    """No console message, no failed or foreign request, under file:// and below a path of a host."""
    root = tiny_site.as_uri() if over == "file" else serve(tiny_site)
    for path in _pages(tiny_site):
        with open_page(f"{root}/{path.relative_to(tiny_site).as_posix()}") as page:
            assert page.locator("h1").is_visible()


def test_links_lead_from_the_index_to_a_board_and_a_submission(tiny_site: Path, open_page: OpenPage) -> None:
    """As a reader clicks."""
    with open_page(tiny_site / "index.html") as page:
        page.click("text=Tiny board")
        page.click("table.board >> text=Tiny ResNet")
        assert "by Acme Labs" in str(page.locator(".lede").text_content())
        assert page.locator("text=outside the 95% interval").is_visible()
        page.click("nav >> text=Leaderboards")
        assert page.locator("h1").text_content() == "Leaderboards"


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_no_page_scrolls_sideways(tiny_site: Path, wide_site: Path, open_page: OpenPage, width: int) -> None:
    """Wide tables scroll in their own box."""
    for path in [*_pages(tiny_site), wide_site / WIDE]:
        with open_page(path, viewport={"width": width, "height": 800}) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name


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


def test_everything_is_readable_without_javascript(wide_site: Path, tiny_site: Path, open_page: OpenPage) -> None:
    """All rows with their heights, intervals and links; controls that need a script are not there."""
    with open_page(wide_site / WIDE, java_script_enabled=False) as page:
        assert page.locator("table.board tbody tr").count() == 130
        box = page.locator("table.board tbody tr").nth(3).bounding_box()
        assert box is not None
        assert box["height"] == 46
        assert page.locator("#search").is_hidden()
        assert page.locator("#theme").is_hidden()
        assert page.locator("thead button").count() == 0
    for path in _pages(tiny_site):
        with open_page(path, java_script_enabled=False) as page:
            assert page.locator("h1").is_visible()


def test_the_theme_button_turns_and_remembers(tiny_site: Path, open_page: OpenPage) -> None:
    """It says what it does; the next page has the same theme before its first paint."""
    with open_page(tiny_site / "index.html") as page:
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert page.locator("#theme").text_content() == "Dark theme"
        page.click("#theme")
        assert page.locator("#theme").text_content() == "Light theme"
        page.click("text=Tiny board")
        page.wait_for_selector("html[data-ready]", state="attached")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_print_shows_all_rows_and_no_controls(wide_site: Path, open_page: OpenPage) -> None:
    """On white, without the box that scrolls."""
    with open_page(wide_site / WIDE, color_scheme="dark") as page:
        page.emulate_media(media="print")
        assert page.locator("#search").is_hidden()
        assert page.locator("header.top").is_hidden()
        assert page.evaluate("getComputedStyle(document.getElementById('box')).maxHeight") == "none"
        assert page.locator("table.board tbody tr").nth(129).bounding_box() is not None


def test_hostile_names_do_nothing_in_a_browser(hostile_site: Path, open_page: OpenPage) -> None:
    """Every name is shown as it is; no dialog, no element, no message, on any page."""
    names = [vector.get("shown", vector["name"]) for vector in hostile_names() if vector["accept"]]
    with open_page(hostile_site / WIDE) as page:
        shown = page.locator("table.board tbody th a").all_text_contents()
        assert sorted(shown) == sorted(names)
        page.fill("#search", "<img")
        page.wait_for_timeout(150)
        assert page.evaluate(ROWS)
    for path in _pages(hostile_site):
        with open_page(path) as page:
            assert page.locator("img, iframe, object, [onmouseover], [onload], [onerror]").count() == 0
            assert page.locator("a[href^='javascript']").count() == 0


def _axe(page: Page) -> list[Any]:
    import axe_playwright_python

    source = Path(axe_playwright_python.__file__).parent / "axe.min.js"
    page.evaluate(source.read_text(encoding="utf-8"))
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    result = page.evaluate("tags => axe.run(document, {runOnly: tags, preload: false})", AXE_TAGS)
    return [(rule["id"], rule["impact"], rule["nodes"][0]["html"][:160]) for rule in result["violations"]]


@pytest.mark.parametrize(
    "look",
    [
        {},
        {"color_scheme": "dark"},
        {"viewport": {"width": 390, "height": 844}},
        {"forced_colors": "active"},
    ],
    ids=["light", "dark", "phone", "forced colours"],
)
def test_axe_finds_nothing(tiny_site: Path, wide_site: Path, open_page: OpenPage, look: dict[str, Any]) -> None:
    """A view of each kind of page, with everything open: 0 violations of WCAG 2.2 AA and best practice."""
    resnet = next((tiny_site / "submissions").glob("acme-resnet-*.html"))
    broken = next((tiny_site / "submissions").glob("acme-broken-*.html"))
    pages = [tiny_site / "index.html", tiny_site / WIDE, tiny_site / "boards/empty.html", resnet, broken]
    for path in pages:
        with open_page(path, **look) as page:
            assert _axe(page) == [], path.name
    with open_page(wide_site / WIDE, **look) as page:
        page.fill("#search", "resnet")
        page.wait_for_timeout(150)
        assert _axe(page) == []
