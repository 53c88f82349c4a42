"""Badges: a fixed form, one for every ranked entry, and text stays text."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from leaderboard.made_results import hostile_names, hostile_store, run_of, tiny_store, write_boards

from bench.leaderboard.badges import Badge, badge_pages, badge_path, badge_svg
from bench.leaderboard.material import Material
from bench.leaderboard.text_width import fitted, text_width

SVG = "{http://www.w3.org/2000/svg}"
BADGE = Badge("Net by Acme", "ImageNet", "top-1", "80.86 %", "80.51\N{EN DASH}81.20", "self-reported")


def _parsed(badge: Badge) -> ET.Element:
    return ET.fromstring(badge_svg(badge))  # noqa: S314 - our own


def _shown(root: ET.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def test_a_badge_says_board_value_interval_and_status() -> None:
    """Whoever hears it hears also whose it is."""
    root = _parsed(BADGE)

    assert _shown(root) == ["ImageNet", "top-1 80.86 % (80.51\N{EN DASH}81.20), self-reported"]
    said = "Net by Acme on ImageNet: top-1 80.86 %, 95% interval 80.51\N{EN DASH}81.20, self-reported"
    assert root.attrib["aria-label"] == root.findtext(f"{SVG}title") == said


def test_a_verified_badge_needs_no_word_and_none_has_an_empty_interval() -> None:
    """What goes without saying is not said."""
    root = _parsed(BADGE._replace(status="verified", interval="\N{EN DASH}"))

    assert _shown(root) == ["ImageNet", "top-1 80.86 %"]
    assert root.findtext(f"{SVG}title") == "Net by Acme on ImageNet: top-1 80.86 %, verified"


def test_every_ranked_entry_has_a_badge_and_no_other(tmp_path: Path) -> None:
    """Failed and partial runs have no value to show."""
    material = Material(tiny_store(tmp_path), write_boards(tmp_path / "boards"))

    paths = [page.path for page in badge_pages(material)]

    assert paths == [badge_path("tiny", entry) for entry in ("acme/resnet", "acme/lenet", "beta/alexnet")]


def test_a_new_result_leaves_the_badges_of_others(tmp_path: Path) -> None:
    """A badge holds no rank, so its inputs are those of its own entry."""
    store, boards = tiny_store(tmp_path), write_boards(tmp_path / "boards")
    before = {page.path: (page.inputs, page.make()) for page in badge_pages(Material(store, boards))}

    store.add(run_of("best", 499, hours=90))

    after = {page.path: (page.inputs, page.make()) for page in badge_pages(Material(store, boards))}
    assert before.items() < after.items()
    assert len(after) == len(before) + 1


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """A parser gives the name back, in the title and on the badge, and finds no element more."""
    material = Material(hostile_store(tmp_path), write_boards(tmp_path / "boards"))
    shown = {vector.get("shown", vector["name"]) for vector in hostile_names() if vector["accept"]}

    roots = [ET.fromstring(page.make()) for page in badge_pages(material)]  # noqa: S314 - our own
    roots += [_parsed(BADGE._replace(board=name)) for name in shown]

    titles = [root.findtext(f"{SVG}title") or "" for root in roots]
    assert {title.partition(" on Tiny board: ")[0] for title in titles[: len(shown)]} == {f"{x} by {x}" for x in shown}
    assert {_shown(root)[0] for root in roots[len(shown) :]} == {fitted(name, 11, 320) for name in shown}
    tags = {element.tag.removeprefix(SVG) for root in roots for element in root.iter()}
    assert tags == {"svg", "title", "rect", "path", "g", "text"}


@pytest.mark.parametrize("board", ["x", "W" * 10_000, "\N{CJK UNIFIED IDEOGRAPH-6A21}" * 40, "\0\x1b\ud800 a"])
def test_both_halves_hold_their_text(board: str) -> None:
    """A badge is as wide as its text, never wider than a line of a page."""
    root = _parsed(BADGE._replace(board=board))

    left, right = root.iter(f"{SVG}text")
    end = float(left.attrib["x"]) + text_width(left.text or "", 11)
    assert end <= float(right.attrib["x"]) - 7
    assert float(right.attrib["x"]) + text_width(right.text or "", 11) <= float(root.attrib["width"]) <= 700


def test_widths_are_those_of_a_wide_font_or_more() -> None:
    """Compared with DejaVu Sans itself, which matplotlib brings."""
    matplotlib = pytest.importorskip("matplotlib")
    from PIL import ImageFont

    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", 1000)
    for text in (
        "ImageNet, closed division",
        "top-1 80.86 % (80.51\N{EN DASH}81.20)",
        "".join(map(chr, range(32, 127))),
    ):
        real = sum(font.getlength(character) for character in text) / 1000
        assert text_width(text, 1.0) == pytest.approx(real, rel=0.01)
