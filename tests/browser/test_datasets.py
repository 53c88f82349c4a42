"""The pages of datasets in a real Chromium: searching and sorting classes, without a script, on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from browser.looks import LOOKS, axe
from leaderboard.made_results import breakdown_of, hostile_names, run_of, tiny_store, write_boards

from bench.leaderboard import site
from bench.leaderboard.slugs import slug
from bench.records.result import DatasetRef, ProtocolRef
from bench.resources import resource_folder
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from browser.conftest import OpenPage

pytestmark = pytest.mark.browser

IMAGENET = f"datasets/{slug('imagenet-1k')}"
SHAPES = f"datasets/{slug('shapes10')}"
ROWS = """[...document.querySelectorAll('#classes tbody tr')].filter(row => !row.hidden)
    .map(row => Number(row.cells[0].textContent))"""


@pytest.fixture(scope="module")
def shipped_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The boards that ship, with results of the synthetic set only."""
    folder = tmp_path_factory.mktemp("shipped")
    store = tiny_store(folder)
    breakdown = breakdown_of()
    store.add(run_of("gap", 300, hours=9), breakdown=breakdown.model_copy(update={"num_top1": (0, *([50] * 9))}))
    return site.publish(store, resource_folder("boards"), folder / "site").index.parent


@pytest.mark.parametrize("over", ["file", "http"])
def test_classes_sort_like_pandas(
    shipped_site: Path, open_page: OpenPage, serve: Callable[[Path], str], over: str
) -> None:
    """Every column both ways, ties in the order of indices."""
    root = shipped_site.as_uri() if over == "file" else serve(shipped_site)
    for path in (IMAGENET, SHAPES):
        frame = pd.read_csv(shipped_site / f"{path}.csv")
        with open_page(f"{root}/{path}.html") as page:
            assert page.evaluate(ROWS) == list(frame.index)
            columns = ["class_index", "name", "wnid", "ilsvrc_id", "num_samples", "median_top1"]
            for button, name in zip(page.locator("#classes .sort").all(), columns, strict=False):
                values = frame[name].str.lower() if name in ("name", "wnid") else frame[name]
                for descending in (False, True):
                    button.click()
                    expected = values.sort_values(ascending=not descending, kind="stable", na_position="last")
                    assert page.evaluate(ROWS) == list(expected.index), (path, name, descending)
                    assert page.locator("#classes [aria-sort]").count() == 1


@pytest.mark.parametrize("query", ["shark", "N01440764", "tiger  CAT", "cardigan", ".*", "449"])
def test_the_search_finds_classes_with_all_words(shipped_site: Path, open_page: OpenPage, query: str) -> None:
    """In index, name, WNID and id; the count says how many."""
    frame = pd.read_csv(shipped_site / f"{IMAGENET}.csv", dtype=str)
    hay = (frame["class_index"] + " " + frame["name"] + " " + frame["wnid"] + " " + frame["ilsvrc_id"]).str.lower()
    found = [index for index, text in hay.items() if all(word in text for word in query.lower().split())]
    with open_page(shipped_site / f"{IMAGENET}.html") as page:
        page.fill("#search", query)
        page.wait_for_timeout(150)
        assert page.evaluate(ROWS) == found
        assert page.locator("#count").text_content() == f"{len(found)} of 1,000 classes"
        assert page.locator("#no-match").is_visible() == (not found)


def test_all_classes_are_there_without_a_script(shipped_site: Path, open_page: OpenPage) -> None:
    """With drawings and facts, and without the search."""
    with open_page(shipped_site / f"{IMAGENET}.html", java_script_enabled=False) as page:
        assert page.locator("#classes tbody tr").count() == 1000
        assert page.locator("#search").is_hidden()
        assert page.locator("#classes button").count() == 0
        assert page.locator(".pixels svg").first.is_visible()


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_nothing_scrolls_sideways(shipped_site: Path, open_page: OpenPage, width: int) -> None:
    """Wide tables scroll in their own box."""
    for path in sorted((shipped_site / "datasets").glob("*.html")):
        with open_page(path, viewport={"width": width, "height": 800}) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_axe_finds_nothing(shipped_site: Path, open_page: OpenPage, look: dict[str, Any]) -> None:
    """The index, and a page with counts by class."""
    for name in ("datasets/index.html", f"{SHAPES}.html"):
        with open_page(shipped_site / name, **look) as page:
            assert axe(page) == [], name
    with open_page(shipped_site / f"{IMAGENET}.html", **look) as page:
        page.fill("#search", "shark")
        page.wait_for_timeout(150)
        assert axe(page) == []


def test_every_link_leads_to_a_file(shipped_site: Path, open_page: OpenPage) -> None:
    """From the navigation to a dataset, from there to its boards and its CSV."""
    with open_page(shipped_site / "index.html") as page:
        page.click("nav >> text=Datasets")
        assert page.locator("nav [aria-current]").text_content() == "Datasets"
    for path in sorted((shipped_site / "datasets").glob("*.html")):
        with open_page(path) as page:
            links = page.evaluate("[...document.querySelectorAll('main a')].map(a => a.getAttribute('href'))")
            own = [link for link in links if not link.startswith("https:")]
            assert own
            assert all((path.parent / link).is_file() for link in own)


def test_hostile_splits_stay_text(tmp_path: Path, open_page: OpenPage) -> None:
    """A split is free text of a result."""
    store = Store(tmp_path / "results")
    names = [vector["name"] for vector in hostile_names() if vector["accept"]]
    for index, name in enumerate(names):
        own = DatasetRef(name="our-own", split=name, num_samples=3)
        store.add(run_of(f"net-{index}", dataset=own, protocol=ProtocolRef(id="our-protocol", version=1)))
    report = site.publish(store, write_boards(tmp_path / "boards"), tmp_path / "site")
    with open_page(report.index.parent / f"datasets/{slug('our-own')}.html") as page:
        shown = page.evaluate("[...document.querySelectorAll('main tbody th bdi')].map(part => part.textContent)")
        assert set(shown) == set(names)
        assert page.locator("img, iframe, object, [onmouseover], [onload], [onerror]").count() == 0
