"""All pages of a site in a real Chromium: no complaint, every width, no script, themes, hostile names, any size."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from browser.looks import LOOKS, axe
from leaderboard.made_results import BOARD, hostile_names, run_of, write_boards

from bench.leaderboard import site
from bench.leaderboard.material import Material
from bench.leaderboard.output import write_site
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from browser.conftest import OpenPage
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

# Read from the document, not from timings: a filter that hides nothing is the fastest of all.
ROWS = "[...document.querySelectorAll('table.board tbody th a')].map(link => link.getAttribute('href'))"
BOARD_PAGE = "boards/tiny.html"


def _pages(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.html"))


@pytest.mark.parametrize("over", ["file", "http"])
def test_every_page_opens_without_a_complaint(
    tiny_site: Path, open_page: OpenPage, serve: Callable[[Path], str], over: str
) -> None:
    """No console message, no failed or foreign request, under file:// and below a path of a host."""
    root = tiny_site.as_uri() if over == "file" else serve(tiny_site)
    kinds = {path.relative_to(tiny_site).parts[0] for path in _pages(tiny_site)}
    assert kinds >= {"index.html", "boards", "submissions", "compare.html", "throughput.html", "datasets"}
    for path in _pages(tiny_site):
        with open_page(f"{root}/{path.relative_to(tiny_site).as_posix()}") as page:
            assert page.locator("h1").is_visible(), path.name
            assert page.locator("nav a").count() >= 4


def test_links_lead_from_the_index_to_a_board_and_a_submission(tiny_site: Path, open_page: OpenPage) -> None:
    """As a reader clicks."""
    with open_page(tiny_site / "index.html") as page:
        page.click("main >> text=Tiny board")
        page.click("table.board >> text=Tiny ResNet")
        assert "by Acme Labs" in str(page.locator(".lede").text_content())
        assert page.locator("text=outside the 95% interval").is_visible()
        page.click("nav >> text=Leaderboards")
        assert page.locator("h1").text_content() == "Leaderboards"


@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_page_scrolls_sideways(tiny_site: Path, hostile_site: Path, open_page: OpenPage, width: int) -> None:
    """Wide tables scroll in their own box; a name of 120 characters breaks or is cut."""
    hostile = [path for path in _pages(hostile_site) if path.parent.name != "submissions"]
    some = _pages(hostile_site / "submissions")[::6]
    for path in [*_pages(tiny_site), *hostile, *some]:
        with open_page(path, viewport={"width": width, "height": 800}) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_every_page_is_readable_without_javascript(tiny_site: Path, open_page: OpenPage) -> None:
    """Its heading and its text; what needs a script is not there."""
    for path in _pages(tiny_site):
        with open_page(path, java_script_enabled=False) as page:
            assert page.locator("h1").is_visible(), path.name
            assert page.locator("#theme").is_hidden()
            assert len(page.locator("main").inner_text()) > 100
            assert [control for control in page.locator("button, input, select").all() if control.is_visible()] == []


def test_the_theme_button_turns_and_remembers(tiny_site: Path, open_page: OpenPage) -> None:
    """It says what it does; the next page has the same theme before its first paint."""
    with open_page(tiny_site / "index.html") as page:
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert page.locator("#theme").text_content() == "Dark theme"
        page.click("#theme")
        assert page.locator("#theme").text_content() == "Light theme"
        page.click("main >> text=Tiny board")
        page.wait_for_selector("html[data-ready]", state="attached")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_hostile_names_do_nothing_on_any_page(hostile_site: Path, open_page: OpenPage) -> None:
    """Every name is shown as it is; no dialog, no element, no message."""
    names = [vector.get("shown", vector["name"]) for vector in hostile_names() if vector["accept"]]
    with open_page(hostile_site / BOARD_PAGE) as page:
        assert sorted(page.locator("table.board tbody th a").all_text_contents()) == sorted(names)
        page.fill("#search", "<img")
        page.wait_for_timeout(150)
        assert page.evaluate(ROWS)
    for path in _pages(hostile_site):
        with open_page(path) as page:
            assert page.locator("img, iframe, object, [onmouseover], [onload], [onerror]").count() == 0
            assert page.locator("a[href^='javascript']").count() == 0


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_axe_finds_nothing(tiny_site: Path, wide_site: Path, open_page: OpenPage, look: dict[str, Any]) -> None:
    """Boards and submissions with everything open; the other pages are examined by their own tests."""
    paths = [tiny_site / BOARD_PAGE, tiny_site / "boards/empty.html"]
    paths += [next((tiny_site / "submissions").glob(f"acme-{name}-*.html")) for name in ("resnet", "broken")]
    for path in paths:
        with open_page(path, **look) as page:
            assert axe(page) == [], path.name
    with open_page(wide_site / BOARD_PAGE, **look) as page:
        page.fill("#search", "resnet")
        page.wait_for_timeout(150)
        assert axe(page) == []


@pytest.mark.parametrize("num_rows", [0, 1, 10, 1990, 5000])
def test_boards_of_any_size_open_sort_search_and_export(tmp_path: Path, open_page: OpenPage, num_rows: int) -> None:
    """In the order that pandas finds, with as many rows in the export; the empty board says how to submit."""
    store = Store(tmp_path / "results")
    store.results.mkdir()
    for index in range(num_rows):
        result = run_of(f"net-{index}", 100 + index * 7919 % 389, hours=index, team=f"team{index % 9}")
        path = store.results / result.protocol.id / result.submission.team / f"{result.run}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(result.to_text(), encoding="utf-8")
    boards = write_boards(tmp_path / "boards", BOARD.replace('"nll", ', ""))
    folder = tmp_path / "site"
    pages = site.pages_of(Material(store, boards))
    write_site((page for page in pages if page.path.startswith(("index.", "boards/", "assets/"))), folder)
    rows = json.loads((folder / "boards/tiny.json").read_text(encoding="utf-8"))["rows"]
    assert len(rows) == num_rows

    with open_page(folder / "index.html") as page:
        assert page.locator("h1").is_visible()
    with open_page(folder / BOARD_PAGE) as page:
        if not num_rows:
            assert "No results yet" in page.locator("main").inner_text()
            assert page.locator("main a[href$='#submit']").count() == 1
            return
        by_rank = page.evaluate(ROWS)
        assert len(by_rank) == num_rows
        _sorts_like_pandas(page, rows, by_rank)
        found = sum(row["submission.team"] == "team3" for row in rows)
        for words, number in (("team3", found), ("", num_rows)):
            page.fill("#search", words)
            page.wait_for_timeout(200)
            _wait_for(page, f"{ROWS}.length === {number}")
        page.click("summary:has-text('Export')")
        with page.expect_download() as download:
            page.click("[data-export=csv]")
        exported = list(csv.reader(io.StringIO(download.value.path().read_text(encoding="utf-8"), newline="")))
        assert len(exported) == num_rows + 1


def _sorts_like_pandas(page: Page, rows: list[dict[str, Any]], by_rank: list[str]) -> None:
    """By date, oldest last and oldest first."""
    dates = pd.Series([row["created_at"] for row in rows])
    page.click("thead button[data-column=date]")
    head = page.locator("thead [aria-sort]")
    assert head.count() == 1
    ascending = head.get_attribute("aria-sort") == "ascending"
    order = dates.sort_values(ascending=ascending, kind="stable").index
    _wait_for(page, f"JSON.stringify({ROWS}) === JSON.stringify({[by_rank[index] for index in order]})")


def _wait_for(page: Page, condition: str) -> None:
    """Rows beyond the screen follow after the paint; the page's policy forbids to wait by a string."""
    for _ in range(50):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(condition[:200])
