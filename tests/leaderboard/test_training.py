"""Trainings on the pages of a site."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from leaderboard.made_attempts import BOARD, attempt_of, trained_site, trained_store, training_of
from leaderboard.made_results import write_boards

from bench.leaderboard import site
from bench.leaderboard.slugs import slug
from bench.leaderboard.training import training_of as shown_of


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_site(tmp_path_factory.mktemp("trained"))


def page(pages: Path, name: str) -> str:
    return (pages / "submissions" / f"{slug(f'acme/{name}')}.html").read_text(encoding="utf-8")


def test_a_board_ranks_by_the_mean_and_shows_the_spread(pages: Path) -> None:
    """Mean, standard deviation, attempts, time to target; a failed training is listed with the reason."""
    board = (pages / "boards" / "trained.html").read_text(encoding="utf-8")

    with (pages / "boards" / "trained.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert [(row["rank"], row["submission.name"]) for row in rows] == [
        ("1", "steady"), ("2", "racer"), ("3", "single"), ("", "broken"),
    ]  # fmt: skip
    assert "failed: nonfinite" in board
    for shown in ("92.00", "1.00", "36.0", "86.00"):
        assert shown in board


def test_the_page_shows_every_attempt_and_its_course(pages: Path) -> None:
    """Curves with a line an attempt, seeds, and what no training clock counts."""
    text = page(pages, "steady")

    assert text.count('class="speed"') == 2
    assert len(re.findall(r'class="run run-\d"', text)) == 6
    assert "SD 1.00 over attempts" in text
    assert all(str(1_000_003 * number) in text for number in (1, 2, 3))
    assert "1.5 start, 3.0 evaluation" in text
    assert "A line an attempt: 1 solid, 2 dashed, 3 dotted." in text
    assert "There are no counts by class" not in text


def test_a_miss_is_shown_as_one(pages: Path) -> None:
    """The median, the range without an end, and the attempt that missed."""
    text = page(pages, "racer")

    assert "missed" in text
    assert "36.0 s, epoch 18" in text
    assert "median; 24\N{EN DASH}\N{INFINITY}" in text
    assert "1 of 3 missed the target" in text


def test_a_failed_attempt_keeps_its_row(pages: Path) -> None:
    """With how it failed and how far it came."""
    text = page(pages, "broken")

    assert '<span class="badge failed">nonfinite</span>' in text
    assert "attempt 2 of 2 failed" in text


def test_a_single_attempt_claims_no_spread(pages: Path) -> None:
    """It has the interval of its images; nothing is said about lines."""
    text = page(pages, "single")

    assert "SD" not in text
    assert "A line an attempt" not in text
    assert "350 of 500" in text


def test_a_curve_is_drawn_within_its_frame() -> None:
    """Every point of every line, and one drawing for each number that an attempt has two points of."""
    result, attempts = training_of("net", attempt_of(1), attempt_of(2, 0.5, epochs=3))
    shown = shown_of(result, attempts)

    assert [curve.title for curve in shown.curves] == ["Top-1 while it was trained", "Training loss"]
    for curve in shown.curves:
        root = ET.fromstring(str(curve.drawing))  # noqa: S314 - our own drawing
        width, height = (float(value) for value in root.attrib["viewBox"].split()[2:])
        lines = [item.attrib["d"] for item in root.iter("path") if item.attrib.get("class", "").startswith("run")]
        places = [tuple(map(float, place.split())) for line in lines for place in line[1:].split("L")]
        assert places
        assert all(0 <= x <= width and 0 <= y <= height for x, y in places)


def test_an_attempt_without_a_course_has_a_row() -> None:
    """And no empty drawing."""
    bare = attempt_of(1).model_copy(update={"curve": ()})
    shown = shown_of(*training_of("net", bare))

    assert shown.curves == []
    assert [row.number for row in shown.rows] == [1]


def test_a_missing_file_of_attempts_is_named(tmp_path: Path) -> None:
    """The rest is published."""
    store = trained_store(tmp_path)
    path = next((tmp_path / "results").rglob("single/*.attempts.json"))
    path.unlink()
    report = site.publish(store, write_boards(tmp_path / "boards", BOARD), tmp_path / "site")

    assert [str(path) in str(error) for error in report.broken] == [True]
    assert "Every attempt" not in page(tmp_path / "site", "single")
