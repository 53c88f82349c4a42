"""Trainings in a real browser: curves and attempts fit the window, in every look, for everybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.conftest import OpenPage
from browser.looks import LOOKS, axe
from leaderboard.made_attempts import trained_site

from bench.leaderboard.slugs import slug


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_site(tmp_path_factory.mktemp("trained"))


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", ["racer", "broken"])
def test_a_page_with_a_training_is_for_everybody(trained: Path, open_page: OpenPage, look: str, name: str) -> None:
    """No violation, nothing beside the window, every curve within it."""
    with open_page(trained / "submissions" / f"{slug(f'acme/{name}')}.html", **LOOKS[look]) as page:
        width = page.viewport_size["width"]

        assert axe(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        curves = page.locator("svg.speed").all()
        assert len(curves) == 2
        for curve in curves:
            box = curve.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert curve.get_attribute("aria-label")


def test_a_board_of_trainings_sorts_by_time_to_target(trained: Path, open_page: OpenPage) -> None:
    """Who has none comes last."""
    with open_page(trained / "boards" / "trained.html") as page:
        assert axe(page) == []
        page.locator('button[data-column="time_to_target_s"]').click()
        page.wait_for_function("() => document.querySelector('.model a').textContent.includes('Racer')")
