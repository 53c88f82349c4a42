"""The throughput history in a real Chromium: choosing, drawing, without a script, on a phone, hostile names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser.looks import LOOKS, axe
from leaderboard.made_results import hostile_names, run_of, write_boards
from leaderboard.made_speeds import speed_of

from bench.leaderboard import site
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from browser.conftest import OpenPage

pytestmark = pytest.mark.browser

NAMES = "[...document.querySelectorAll('#multiples a')].map(link => link.textContent)"
EVENTS = "[...document.querySelectorAll('#events tbody tr:not([hidden]) th a')].map(link => link.textContent)"


@pytest.fixture(scope="module")
def speedy_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 models on two GPUs, ever larger changes up and down; one with a history of seven runs and intervals."""
    folder = tmp_path_factory.mktemp("speedy")
    store = Store(folder / "results")
    for index in range(30):
        gpu = {"gpu": ("RTX 4090", "RTX 5090")[index % 2]}
        store.add(speed_of(f"net{index:02}", 100.0, environment=gpu))
        if index:
            value = 100.0 * (1 + 0.03 * index if index % 3 else 1 / (1 + 0.03 * index))
            store.add(speed_of(f"net{index:02}", value, days=1, environment=gpu | {"torch": "2.9.1"}))
    for day, value in enumerate((1000.0, 1010.0, 990.0, 700.0, 705.0, 1400.0, 1410.0)):
        words = {"team": "acme", "name": "net", "title": "Acme <Net>"}
        machine = {"gpu": "H100", "torch": f"2.{day}.0"}
        store.add(speed_of(None, value, days=day, half_width=9.5, words=words, environment=machine, precision="bf16"))
    store.add(run_of("resnet"))
    return site.publish(store, write_boards(folder / "boards"), folder / "site").index.parent


@pytest.mark.parametrize("over", ["file", "http"])
def test_the_script_draws_what_python_draws(
    speedy_site: Path, open_page: OpenPage, serve: Callable[[Path], str], over: str
) -> None:
    """The same twelve figures, element for element, after they are drawn again."""
    root = speedy_site.as_uri() if over == "file" else serve(speedy_site)
    figures = (
        "[...document.querySelectorAll('#multiples figure')].map(f => f.innerHTML.replace(/>\\s+</g, '><').trim())"
    )
    with open_page(f"{root}/throughput.html") as page:
        before = page.evaluate(figures)
        page.select_option("#setting", "0")
        page.select_option("#setting", "")
        after = page.evaluate(figures)
        assert len(before) == 12
        assert [text.replace(" </p>", "</p>") for text in after] == before


def test_selects_and_search_choose_series_and_events(speedy_site: Path, open_page: OpenPage) -> None:
    """By machine, precision, direction and words; the largest change first; nothing found is said."""
    with open_page(speedy_site / "throughput.html") as page:
        assert page.evaluate(NAMES)[:3] == ["Acme <Net>", "net29", "net28"]
        assert page.locator("#count").text_content() == "12 of 31 drawn"
        page.select_option("#machine", label="RTX 5090")
        assert page.evaluate(NAMES)[:3] == ["net29", "net27", "net25"]
        assert page.locator("#count").text_content() == "12 of 15 drawn"
        page.click("#more")
        assert page.evaluate("document.activeElement.textContent") == page.evaluate(NAMES)[12]
        assert page.locator("#multiples figure").count() == 15
        assert page.locator("#more").is_hidden()
        page.select_option("#change", "-1")
        slower = [f"net{index:02}" for index in range(29, 0, -2) if index % 3 == 0]
        assert page.evaluate(NAMES) == slower
        assert page.evaluate(EVENTS) == slower
        page.fill("#search", "NET2 224")
        page.wait_for_timeout(150)
        assert page.evaluate(NAMES) == ["net27", "net21"]
        assert page.evaluate(EVENTS) == ["net27", "net21"]
        page.fill("#search", ".*")
        page.wait_for_timeout(150)
        assert page.locator("#no-match").is_visible()
        page.click("#reset")
        assert page.locator("#count").text_content() == "12 of 31 drawn"


def test_without_a_script_drawings_and_events_are_there(speedy_site: Path, open_page: OpenPage) -> None:
    """And what needs a script is not."""
    with open_page(speedy_site / "throughput.html", java_script_enabled=False) as page:
        assert page.locator("#multiples svg").count() == 12
        assert page.locator("#events tbody tr").count() == 30
        assert page.locator("#filters").is_hidden()
        assert page.locator("#more").is_hidden()
        assert page.locator("#no-match").is_hidden()


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_nothing_scrolls_sideways(speedy_site: Path, tiny_site: Path, open_page: OpenPage, width: int) -> None:
    """With a history and without one."""
    for folder in (speedy_site, tiny_site):
        with open_page(folder / "throughput.html", viewport={"width": width, "height": 800}) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_axe_finds_nothing(speedy_site: Path, tiny_site: Path, open_page: OpenPage, look: dict[str, Any]) -> None:
    """With a history and without one."""
    for folder in (speedy_site, tiny_site):
        with open_page(folder / "throughput.html", **look) as page:
            assert axe(page) == []


def test_hostile_names_stay_text(tmp_path: Path, open_page: OpenPage) -> None:
    """As architecture, machine, version and title, drawn by Python and by the script."""
    store = Store(tmp_path / "results")
    names = [vector.get("shown", vector["name"]) for vector in hostile_names() if vector["accept"]]
    for index, name in enumerate(names):
        words = {"name": f"net-{index}", "title": name}
        machine = {"gpu": name, "torch": name, "driver": name, "precision": name}
        store.add(speed_of(name, 100.0, words=words, environment=machine))
        store.add(speed_of(name, 50.0, words=words, environment=machine | {"torch": f"{name} 2"}, days=1))
    store.add(run_of("resnet"))
    report = site.publish(store, write_boards(tmp_path / "boards"), tmp_path / "site")
    with open_page(report.index.parent / "throughput.html") as page:
        page.select_option("#change", "-1")
        while page.locator("#more").is_visible():
            page.click("#more")
        assert len(page.evaluate(NAMES)) == len(names)
        assert set(page.evaluate(NAMES)) == set(names)
        assert page.locator("img, iframe, object, [onmouseover], [onload], [onerror]").count() == 0
        assert page.locator("script").count() == 4
