"""Rules for templates, styles and scripts that no page can show: contrast, and what may not be written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.leaderboard.material import Material
from bench.leaderboard.pages import asset_pages
from bench.leaderboard.table import CHUNK
from bench.resources import resource_folder
from bench.store import Store

TEMPLATES = resource_folder("templates")
SHEETS = sorted(TEMPLATES.glob("*.css"))
SCRIPTS = sorted(TEMPLATES.glob("*.js"))
CSS = (TEMPLATES / "site.css").read_text(encoding="utf-8")
TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", CSS)
}
BACKGROUNDS = ("page", "card", "hover", "soft", "bad-soft")
TEXTS = ("ink", "muted", "accent", "good", "hot", "bad")


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2, sRGB)."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_contrast_formula_knows_black_on_white() -> None:
    """21 to 1, by definition."""
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("text", TEXTS)
def test_text_is_readable_on_every_background(text: str, background: str, scheme: int) -> None:
    """WCAG 2.2 AA: 4.5 to 1."""
    assert _contrast(TOKENS[text][scheme], TOKENS[background][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("background", ["page", "card", "hover"])
def test_edges_of_controls_are_seen(background: str, scheme: int) -> None:
    """WCAG 2.2 AA, 1.4.11: 3 to 1."""
    assert _contrast(TOKENS["edge"][scheme], TOKENS[background][scheme]) >= 3.0


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.name)
def test_colours_stand_in_tokens_only(path: Path) -> None:
    """A colour elsewhere would escape the tests above; a token that no sheet defines is no colour at all."""
    text = path.read_text(encoding="utf-8")
    rules = text[text.index("}") :] if path.name == "site.css" else text
    defined = set(re.findall(r"(--[a-z0-9-]+):", "".join(sheet.read_text(encoding="utf-8") for sheet in SHEETS)))

    assert not re.findall(r":[^;{]*(#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(|oklch\(|color-mix\()", rules)
    assert set(re.findall(r"var\((--[a-z0-9-]+)", text)) - {"--tracks", "--least"} <= defined


def test_every_colour_token_is_judged() -> None:
    """A new token is a text, a background, or an edge, and is then tested as one."""
    assert set(TOKENS) == {*BACKGROUNDS, *TEXTS, "edge", "line"}


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_templates_never_switch_escaping_off(path: Path) -> None:
    """Names are hostile; nor is there inline style, script or handler for the CSP to stop.

    A page that needs nothing beside it brings its one style sheet, which its own CSP allows.
    """
    text = path.read_text(encoding="utf-8")
    if path.name == "alone.html":
        text = text.replace("<style>", "", 1)

    assert not re.search(r"\|\s*safe\b|autoescape|Markup", text)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert not re.search(r"(src|href)=\"(//|https?:)", text)
    for attributes in re.findall(r"<script([^>]*)>", text):
        assert "src=" in attributes or 'type="application/json"' in attributes


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_write_text_only(path: Path) -> None:
    """No way from a name to markup or code, and no request."""
    text = path.read_text(encoding="utf-8")

    banned = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|fetch\(|XMLHttpRequest|import\("
    )
    assert not re.search(banned, text)


def test_no_python_makes_markup() -> None:
    """Every value reaches a page through an escaping template, drawings through an XML library."""
    import bench.leaderboard

    modules = sorted(Path(bench.leaderboard.__file__).parent.glob("*.py"))
    assert modules
    for path in modules:
        assert not re.search(r"Markup\((?!markup\()|autoescape=False|\|safe", path.read_text(encoding="utf-8")), path


def test_chunks_have_one_size_everywhere() -> None:
    """Python, script and style sheet agree, or the page jumps while it scrolls."""
    scripts = "".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    sheets = "".join(path.read_text(encoding="utf-8") for path in SHEETS)
    board = (TEMPLATES / "board.html").read_text(encoding="utf-8")

    assert re.findall(r"const CHUNK = (\d+)", scripts) == [str(CHUNK)]
    assert re.findall(r"contain-intrinsic-size: 0 calc\((\d+) \* var\(--row\)\)", sheets) == [str(CHUNK)]
    assert f"loop.index0 * {CHUNK}" in board


def test_scripts_and_styles_stay_small(tmp_path: Path) -> None:
    """The budget of the site: 30 KB compressed, as they are published, all together."""
    import gzip

    (tmp_path / "results").mkdir()
    material = Material(Store(tmp_path / "results"), resource_folder("boards"))
    assets = {page.path: page.make() for page in asset_pages(material) if page.path.endswith((".js", ".css"))}
    sizes = {path: len(gzip.compress(content)) for path, content in assets.items()}
    assert sum(sizes.values()) <= 30_000, sizes


def test_every_style_sheet_has_its_pages() -> None:
    """A sheet is published under the class of its pages, so a page without the class would be bare."""
    pages = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.html"))
    kinds = " ".join(re.findall(r"block kind %\}([^{]*)", pages))

    assert {f"on-{path.stem}" for path in SHEETS if path.name != "site.css"} == set(kinds.split())
