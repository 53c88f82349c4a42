"""The page of a submission in a real browser: its drawings, the search over all classes, copying."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser.conftest import OpenPage
from browser.looks import LOOKS, axe
from leaderboard.made_results import breakdown_of, hostile_names, run_of, write_boards

from bench.data.classes import class_table
from bench.leaderboard import site
from bench.leaderboard.slugs import slug
from bench.records.breakdown import Breakdown, ReliabilityBin
from bench.records.result import Cost
from bench.store import Store

PAGE = f"submissions/{slug('acme/net-0')}.html"


def _many() -> Breakdown:
    """1,000 classes, right in 0 to 49 of 50 images, and 15 bins."""
    bins = tuple(ReliabilityBin(num_samples=100 * k, num_top1=90 * k, confidence=(k + 0.5) / 15) for k in range(15))
    return Breakdown(
        classes="imagenet-1k",
        num_samples=(50,) * 1000,
        num_top1=tuple(k % 50 for k in range(1000)),
        num_top5=(50,) * 1000,
        num_answered=(50,) * 1000,
        confusions=breakdown_of().confusions,
        reliability=bins,
    )  # fmt: skip


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three networks with counts of 1,000 classes, one with speeds at three batch sizes."""
    folder = tmp_path_factory.mktemp("measured")
    store = Store(folder / "results")
    for index in range(3):
        costs = {"num_params": Cost(value=1e6 * (index + 1), unit="parameters")}
        store.add(run_of(f"net-{index}", 450 - index, hours=20 + index, costs=costs), breakdown=_many())
    for k, batch in enumerate((1, 8, 64)):
        speed = Cost(
            value=500.0 * (k + 1), ci_low=490.0 * (k + 1), ci_high=510.0 * (k + 1), unit="img/s", device="A100"
        )
        run = run_of("net-0", 440, hours=10 + k, costs={"throughput_img_s": speed}, precision="bf16",
                     environment={"batch_size": batch})  # fmt: skip
        store.add(run)
    return site.publish(store, write_boards(folder / "boards"), folder / "site").index.parent


@pytest.mark.parametrize("over", ["file", "http"])
def test_a_thousand_classes_are_searchable(
    measured: Path, open_page: OpenPage, serve: Callable[[Path], str], over: str
) -> None:
    """All words must match, in names and WordNet ids; what is shown are the counts of the record."""
    root = measured.as_uri() if over == "file" else serve(measured)
    table, counts = class_table("imagenet-1k"), _many().num_top1
    hay = [f"{wnid} {name}".lower() for wnid, name in zip(table.wnids, table.names, strict=True)]
    with open_page(f"{root}/{PAGE}") as page:
        search, found = page.locator(".class-search input"), page.locator(".class-search li")
        for query in ("tench", "shark white", table.wnids[999], "crane", "(", "no such class"):
            search.fill(query)
            page.wait_for_function(
                "expected => document.querySelector('.class-search p').textContent.startsWith(expected)",
                arg=f"{sum(all(word in text for word in query.lower().split()) for text in hay)} of 1000 classes",
            )
            expected = [
                f"{table.names[k]} ({table.wnids[k]}): {2 * counts[k]:.2f}%, {counts[k]} of 50"
                for k, text in enumerate(hay)
                if all(word in text for word in query.lower().split())
            ]
            assert found.all_text_contents() == expected[:50]
        search.fill("")
        page.wait_for_function("() => !document.querySelector('.class-search li')")


def test_the_page_draws_and_lists_what_it_knows(measured: Path, open_page: OpenPage) -> None:
    """Reliability, throughput by batch size, neighbours, medians, citation; also without JavaScript."""
    for enabled in (True, False):
        with open_page(measured / PAGE, java_script_enabled=enabled) as page:
            assert page.locator("svg.reliability .bar-right").count() == 14
            assert page.locator("svg.speed circle").count() == 3
            assert "at most 1,500 images a second" in str(page.locator("svg.speed").get_attribute("aria-label"))
            assert page.locator("#nearby-title").is_visible()
            assert page.locator("text=median over 3 submissions of Tiny board").is_visible()
            assert "@misc{" in str(page.locator("pre[aria-label='BibTeX']").text_content())
            assert page.locator(".class-search").is_visible() == enabled
            assert page.locator(".copy").first.is_visible() == enabled


def test_copying_takes_the_whole_entry(measured: Path, open_page: OpenPage) -> None:
    """Into the clipboard where the browser allows it, else it is selected for Ctrl+C."""
    for permissions in (["clipboard-read", "clipboard-write"], []):
        with open_page(measured / PAGE, permissions=permissions) as page:
            text = page.locator("pre[aria-label='BibTeX']").text_content()
            page.locator(".copy").first.click()
            page.wait_for_timeout(100)
            selected = page.evaluate("getSelection().toString()").strip()
            copied = page.locator(".copy").first.text_content()
            assert copied == "Copied" or selected == str(text).strip()


def test_the_comparison_that_a_page_links_opens(measured: Path, open_page: OpenPage) -> None:
    """With its neighbours."""
    with open_page(measured / PAGE) as page:
        page.click("text=compare them all")
        page.wait_for_selector("body[data-shown='3']")
        assert page.locator("#side thead a").first.text_content() == "Net-0"


@pytest.mark.parametrize("width", [320, 390, 1440])
def test_the_page_never_scrolls_sideways(measured: Path, open_page: OpenPage, width: int) -> None:
    """Nor when everything is open."""
    with open_page(measured / PAGE, viewport={"width": width, "height": 800}) as page:
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_axe_finds_nothing(measured: Path, open_page: OpenPage, look: dict[str, Any]) -> None:
    """With drawings and search results."""
    with open_page(measured / PAGE, **look) as page:
        page.locator(".class-search input").fill("shark")
        page.wait_for_selector(".class-search li")
        assert axe(page) == []


def test_hostile_names_stay_text(hostile_site: Path, open_page: OpenPage) -> None:
    """In the citation and the search as well."""
    for index in range(sum(vector["accept"] for vector in hostile_names())):
        with open_page(hostile_site / f"submissions/{slug(f'acme/net-{index}')}.html") as page:
            page.locator(".class-search input").first.fill("a")
            page.wait_for_selector(".class-search li")
            assert page.locator("main :is(img, iframe, script, [onerror], [onload])").count() == 0
