"""The index and the history of a board in a real Chromium: search, keyboard, widths, hostile names, accessibility."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser.looks import LOOKS, axe
from leaderboard.made_results import BOARD, PROTOCOL, hostile_names, run_of, write_boards

from bench.leaderboard import site
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from browser.conftest import OpenPage

pytestmark = pytest.mark.browser

FOUND = "[...document.querySelectorAll('#found a')].map(link => link.getAttribute('href'))"
HISTORY = "boards/tiny.history.html"
MOST = 20


@pytest.fixture(scope="module")
def busy_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve days of entries of two statuses, new bests, a withdrawal, an import, and a board without results."""
    folder = tmp_path_factory.mktemp("busy")
    store = Store(folder / "results")
    for day in range(12):
        status = "verified" if day % 3 == 0 else "self-reported"
        costs = {"num_params": {"value": 1e6 * (12 - day), "unit": "parameters"}}
        run = run_of(f"net-{day % 8}", 400 + 7 * day % 60, hours=24 * day, status=status, costs=costs)
        store.add(run)
        if day == 5:
            words = {"reason": "labels of the old devkit", "by": "Acme", "created_at": "2026-08-09T00:00:00Z"}
            path = store.results / PROTOCOL / "acme" / "net-5" / f"{run.run}.retract.json"
            path.write_text(json.dumps({"format_version": 1, "run": run.run, **words}), encoding="utf-8")
    for index in range(30):
        store.add(run_of(f"import-{index}", 300 + index, hours=24 * 13, team="timm", status="imported"))
    empty = BOARD.replace('"tiny"', '"empty"').replace("Tiny board", "Empty").replace(PROTOCOL, "imagenet-val-open")
    return site.publish(store, write_boards(folder / "boards", BOARD, empty), folder / "site").index.parent


def _entries(folder: Path) -> list[list[str]]:
    """The rows of the search list."""
    script = (folder / "assets/search-index.js").read_text(encoding="utf-8")
    rows: list[list[str]] = json.loads(script[len("benchIndex(") : -3])
    return rows


def _expected(folder: Path, query: str) -> list[str]:
    """All words must be there; titles that begin with the first word come before the others."""
    words = query.lower().split()
    rows = [(slug, f"{title} {team}".lower()) for slug, title, team in _entries(folder)]
    found = [row for row in rows if all(word in row[1] for word in words)]
    ordered = sorted(found, key=lambda row: not row[1].startswith(words[0]))
    return [f"submissions/{slug}.html" for slug, _ in ordered]


@pytest.mark.parametrize("over", ["file", "http"])
def test_the_search_finds_by_title_and_team(
    wide_site: Path, open_page: OpenPage, serve: Callable[[Path], str], over: str
) -> None:
    """Words, not patterns, in any order and case; how many there are stands beside the box."""
    root = wide_site.as_uri() if over == "file" else serve(wide_site)
    with open_page(f"{root}/index.html") as page:
        assert page.locator("script[src*=search-index]").count() == 0  # nobody has searched yet
        page.focus("#find")
        for query in ("resnet", "RESNET 12", "team3", "team3 vit", "модель", "c++ (", ".*", "\\d", "nothing like it"):
            page.fill("#find", query)
            expected = _expected(wide_site, query)
            more = ", the first 20 shown" if len(expected) > MOST else ""
            page.wait_for_function(
                "words => document.getElementById('found-count').textContent === words",
                arg=f"{len(expected)} of 130 submissions{more}",
            )
            assert page.evaluate(FOUND) == expected[:MOST]
            assert page.locator("#found").is_visible() == bool(expected)
        page.fill("#find", "  ")
        assert page.locator("#found").is_hidden()
        assert page.text_content("#found-count") == ""


def test_the_keyboard_alone_searches_and_opens(wide_site: Path, open_page: OpenPage) -> None:
    """A slash goes to the box, arrows through what is found, Escape back, Enter opens the first."""
    with open_page(wide_site / "index.html") as page:
        page.keyboard.press("/")
        page.keyboard.type("team3 resnet")
        page.wait_for_selector("#found a")
        focused = "[...document.querySelectorAll('#found a')].indexOf(document.activeElement)"
        last = page.locator("#found a").count() - 1
        for key, expected in (("ArrowDown", 0), ("ArrowDown", 1), ("ArrowUp", 0), ("ArrowUp", -1)):
            page.keyboard.press(key)
            assert page.evaluate(focused) == expected
        for _ in range(last + 3):
            page.keyboard.press("ArrowDown")
        assert page.evaluate(focused) == last
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.id") == "find"
        assert page.input_value("#find") == ""
        assert page.locator("#found").is_hidden()
        page.keyboard.type("team3 resnet")
        page.keyboard.press("Enter")
        page.wait_for_url("**/submissions/*.html")
        assert page.url.endswith(_expected(wide_site, "team3 resnet")[0])


def test_hostile_names_are_found_as_text(hostile_site: Path, open_page: OpenPage) -> None:
    """No dialog, no element, no message; the link leads to a page of the site."""
    names = [vector for vector in hostile_names() if vector["accept"]]
    with open_page(hostile_site / "index.html") as page:
        page.focus("#find")
        for vector in names:
            page.fill("#find", vector["name"])
            page.wait_for_selector("#found a", state="attached")
            assert vector.get("shown", vector["name"]) in page.locator("#found bdi:first-child").all_text_contents()
        page.fill("#find", "net")
        assert page.locator("main img, main iframe, main object, [onmouseover], [onload], [onerror]").count() == 0
        links = page.evaluate("[...document.links].map(link => link.protocol)")
        assert set(links) <= {"file:", "https:"}
    with open_page(hostile_site / HISTORY) as page:
        assert page.locator("main img, main iframe, main object, [onmouseover], [onload], [onerror]").count() == 0


@pytest.mark.parametrize("over", ["file", "http"])
def test_index_and_history_open_without_a_complaint(
    busy_site: Path, open_page: OpenPage, serve: Callable[[Path], str], over: str
) -> None:
    """And lead to each other: from a card to the history, from there to the board, a submission, the index."""
    root = busy_site.as_uri() if over == "file" else serve(busy_site)
    with open_page(f"{root}/index.html") as page:
        assert page.locator(".board-card").count() == 1
        assert (
            page.locator("#recent-title ~ p").first.text_content() == "12 measured since the last release, bench 0.1.0"
        )
        assert page.locator("text=30 results imported from").count() == 1
        assert page.locator(".empty a").all_text_contents() == ["Empty"]
        page.click(".board-card .last a")
        page.wait_for_selector("html[data-ready]", state="attached")
        assert page.text_content("h1") == "History of Tiny board"
        assert page.locator(".best-line svg path").count() == 2
        assert page.locator(".days >> text=labels of the old devkit").count() == 1
        page.click("text=The board today")
        page.wait_for_selector("html[data-ready]", state="attached")
        page.click("main a:has-text('History')")
        page.wait_for_selector("html[data-ready]", state="attached")
        page.click(".days a >> nth=0")
        page.wait_for_url("**/submissions/*.html")


def test_both_are_whole_without_javascript(busy_site: Path, open_page: OpenPage) -> None:
    """Cards, plots, tables and the line; the search box and the buttons to copy are not there."""
    with open_page(busy_site / "index.html", java_script_enabled=False) as page:
        assert page.locator(".leaders li").count() == 3
        assert page.locator(".board-card .mini").is_visible()
        assert page.locator("#find").is_hidden()
        assert page.locator(".copy").first.is_hidden()
    with open_page(busy_site / HISTORY, java_script_enabled=False) as page:
        assert page.locator(".best-line svg").is_visible()
        told = json.loads((busy_site / "boards/tiny.history.json").read_text(encoding="utf-8"))["changes"]
        assert page.locator(".days > li").count() == len(told) >= 10


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_neither_scrolls_sideways(busy_site: Path, hostile_site: Path, open_page: OpenPage, width: int) -> None:
    """Not with a list of what was found, nor with names of 120 characters without a space."""
    for folder in (busy_site, hostile_site):
        for name in ("index.html", HISTORY):
            with open_page(folder / name, viewport={"width": width, "height": 800}) as page:
                if name == "index.html":
                    page.focus("#find")
                    page.fill("#find", "a")
                    page.wait_for_selector("#found a")
                assert page.evaluate("document.documentElement.scrollWidth") <= width, name
                assert page.evaluate("document.querySelector('.top nav').offsetHeight") < 40  # one line of links


def test_a_command_is_copied(busy_site: Path, open_page: OpenPage) -> None:
    """The button says that it did."""
    with open_page(busy_site / "index.html", permissions=["clipboard-read", "clipboard-write"]) as page:
        page.click("[data-copy-from=step-1]")
        page.wait_for_selector("text=Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.text_content("#step-1")
        assert copied.startswith("bench new submissions/")


def test_print_has_no_controls(busy_site: Path, open_page: OpenPage) -> None:
    """Neither the search nor the buttons to copy."""
    with open_page(busy_site / "index.html", color_scheme="dark") as page:
        page.emulate_media(media="print")
        assert page.locator("#find").is_hidden()
        assert page.locator(".copy").first.is_hidden()
        assert page.locator("header.top").is_hidden()


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_axe_finds_nothing_on_index_and_history(busy_site: Path, open_page: OpenPage, look: dict[str, Any]) -> None:
    """With everything open, also what the search found."""
    with open_page(busy_site / "index.html", **look) as page:
        page.focus("#find")
        page.fill("#find", "net")
        page.wait_for_selector("#found a")
        assert axe(page) == []
    for name in (HISTORY, "boards/empty.history.html"):
        with open_page(busy_site / name, **look) as page:
            assert axe(page) == [], name
