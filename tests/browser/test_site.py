"""The site in a real Chromium: sorting, searching, widths, hostile names, accessibility."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from leaderboard.made_results import hostile_names

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
