"""Figures: one SVG that stands alone, PNG and PDF of the same numbers, equal bytes for equal input."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result
from leaderboard.made_results import hostile_names, hostile_store, run_of, tiny_store, write_boards

from bench.cli.main import cli
from bench.errors import UsageError
from bench.leaderboard import figures
from bench.leaderboard.figures import figures_of, write_figures
from bench.leaderboard.forest import forest, forest_rows
from bench.leaderboard.material import Material
from bench.leaderboard.scatter import axes_of, scatter
from bench.leaderboard.standalone import tokens
from bench.records.result import Cost
from bench.store import Store

SVG = "{http://www.w3.org/2000/svg}"
HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None
needs_matplotlib = pytest.mark.skipif(not HAS_MATPLOTLIB, reason="needs the extra 'figures'")


def _field(folder: Path, num_entries: int = 30) -> Material:
    """Entries of which a larger one is better, but for each third."""
    store = Store(folder / "results")
    for index in range(num_entries):
        costs = {"num_params": Cost(value=1e6 * 1.3**index, unit="parameters")}
        store.add(run_of(f"net-{index}", 300 + 6 * index - 40 * (index % 3 == 0), hours=index, costs=costs))
    return _material(folder, store)


def _material(folder: Path, store: Store) -> Material:
    return Material(store, write_boards(folder / "boards"))


def _figures(material: Material) -> dict[str, bytes]:
    return {figure.name: figure.content for place in material.standings for figure in figures_of(place)}


def _texts(content: bytes) -> list[str]:
    return [text.text or "" for text in ET.fromstring(content).iter(f"{SVG}text")]  # noqa: S314 - our own


@needs_matplotlib
def test_every_board_has_two_figures_in_three_formats(tmp_path: Path) -> None:
    """Names say board and figure; other files of the folder stay."""
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "own.txt").write_text("mine")

    paths = write_figures(_field(tmp_path), tmp_path / "figures")

    names = [f"tiny-{figure}.{suffix}" for figure in ("cost", "forest") for suffix in ("svg", "png", "pdf")]
    assert [path.name for path in paths] == names
    heads = {path.suffix: path.read_bytes()[:5] for path in paths}
    assert heads == {".svg": b"<svg ", ".png": b"\x89PNG\r", ".pdf": b"%PDF-"}
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted([*names, "own.txt"])


@needs_matplotlib
def test_equal_numbers_give_equal_bytes(tmp_path: Path) -> None:
    """No date, no random id, whatever the user's own matplotlib settings are."""
    import matplotlib

    one = _figures(_field(tmp_path / "a"))
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "text.parse_math": True}):
        other = _figures(_field(tmp_path / "b"))

    assert one == other
    assert not any(b"CreationDate" in content or b"Matplotlib v" in content for content in one.values())


@needs_matplotlib
def test_the_file_shows_the_drawing_of_the_page(tmp_path: Path) -> None:
    """The same generator: points and staircase are equal, names of the frontier are added."""
    material = _field(tmp_path)
    (place,) = material.standings
    axes = axes_of(place)
    assert axes is not None
    page = scatter(place, axes, 860, 440).svg

    root = ET.fromstring(_figures(material)["tiny-cost.svg"])  # noqa: S314 - our own

    for name in ("frontier", "edge"):
        (drawn,) = root.findall(f".//{SVG}path[@class='{name}']")
        expected = page.find(f"path[@class='{name}']")
        assert expected is not None
        assert drawn.attrib["d"] == expected.attrib["d"]
    labels = {text.text for text in root.iter(f"{SVG}text") if text.get("class") == "label"}
    assert {"Net-1", "Net-29"} <= labels
    assert not any(f"Net-{index}" in labels for index in range(3, 30, 3))


@needs_matplotlib
def test_a_file_stands_alone(tmp_path: Path) -> None:
    """Colours of the site in both schemes, written out; own fonts; nothing that would be fetched."""
    for name, content in _figures(_field(tmp_path)).items():
        if name.endswith(".svg"):
            text = content.decode()
            root = ET.fromstring(content)  # noqa: S314 - our own
            assert text.count("@media (prefers-color-scheme: dark)") == 1
            assert set(re.findall(r"#[0-9a-f]{6}", text)) <= {colour for pair in tokens().values() for colour in pair}
            assert tokens()["card"][1] in text
            assert root.attrib["font-family"].endswith("sans-serif")
            assert not re.search(r"var\(|light-dark|href|url\(|<script|<image|style=", text)
            assert root.findtext(f"{SVG}title", "").startswith("Tiny board: ")


def test_the_forest_draws_every_interval_to_scale(tmp_path: Path) -> None:
    """Positions along the axis are linear in the numbers, read back by two of them."""
    (place,) = _field(tmp_path).standings
    column, rows = forest_rows(place)

    root = forest(column, rows)

    dots = [float(dot.attrib["cx"]) for dot in root.iter("circle")]
    spans = [
        [float(x) for x in re.findall(r"M([\d.]+) [\d.]+H([\d.]+)", path.attrib["d"])[0]]
        for path in root.iter("path")
        if path.get("class") == "span"
    ]
    per_unit = (dots[0] - dots[-1]) / (rows[0].value - rows[-1].value)
    assert len(rows) == 20
    for row, dot, (low, high) in zip(rows, dots, spans, strict=True):
        assert row.low is not None
        assert row.high is not None
        assert dot == pytest.approx(dots[0] + (row.value - rows[0].value) * per_unit, abs=0.02)
        assert low == pytest.approx(dot - (row.value - row.low) * per_unit, abs=0.02)
        assert high == pytest.approx(dot + (row.high - row.value) * per_unit, abs=0.02)
    assert [row.value for row in rows] == sorted((row.value for row in rows), reverse=True)


def test_the_status_is_said_where_entries_differ_in_it(tmp_path: Path) -> None:
    """Verified and self-reported numbers never look alike; where all are alike the heading says it."""
    mixed = forest_rows(_material(tmp_path, tiny_store(tmp_path)).standings[0])[1]
    alike = forest_rows(_field(tmp_path / "field").standings[0])[1]

    assert [row.name for row in mixed] == ["Tiny ResNet (verified)", "Lenet (self-reported)", "Alexnet (self-reported)"]
    assert "(" not in alike[0].name


@needs_matplotlib
def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """Markup, dollars that matplotlib would take for formulas, scripts that its font does not have."""
    drawn = _figures(_material(tmp_path, hostile_store(tmp_path)))

    shown = [vector.get("shown", vector["name"]) for vector in hostile_names() if vector["accept"]]
    assert set(shown) <= set(_texts(drawn["tiny-forest.svg"]))
    assert drawn["tiny-forest.pdf"].startswith(b"%PDF-")


@needs_matplotlib
def test_a_board_without_results_has_no_figure(tmp_path: Path) -> None:
    """There is nothing to draw."""
    (tmp_path / "results").mkdir()

    assert _figures(_material(tmp_path, Store(tmp_path / "results"))) == {}


def _publish(folder: Path, *arguments: str) -> Result:
    tiny_store(folder)
    base = ["publish", "--results", str(folder / "results"), "--boards", str(write_boards(folder / "boards"))]
    return CliRunner().invoke(cli, [*base, "--out", str(folder / "site"), *arguments])


def test_without_matplotlib_the_command_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is written; exit code 2."""
    monkeypatch.setattr(figures, "find_spec", lambda _name: None)

    done = _publish(tmp_path, "--figures", str(tmp_path / "figures"))

    assert done.exit_code == 2
    assert "pip install 'ilsvrc-bench[figures]'" in done.stderr
    assert not (tmp_path / "site").exists()
    with pytest.raises(UsageError, match="matplotlib"):
        figures.needs_matplotlib()


@needs_matplotlib
def test_the_option_writes_figures_beside_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a folder, or without one into `leaderboards/figures`."""
    monkeypatch.chdir(tmp_path)

    done = _publish(tmp_path, "--figures")

    assert done.exit_code == 0, done.output
    assert "6 figures in leaderboards/figures" in done.stderr
    assert len(list((tmp_path / "leaderboards/figures").iterdir())) == 6
    assert _publish(tmp_path / "other", "--figures", "--check").exit_code == 2


def test_an_address_is_checked_and_reaches_the_feed(tmp_path: Path) -> None:
    """A link of the web without a query."""
    refused = [_publish(tmp_path / str(n), "--url", url) for n, url in enumerate(["javascript:x", "https://e.org/?a"])]

    done = _publish(tmp_path, "--url", "https://example.org/bench")

    assert [result.exit_code for result in refused] == [2, 2]
    assert done.exit_code == 0, done.output
    assert 'href="https://example.org/bench/index.html"' in (tmp_path / "site/feed.xml").read_text(encoding="utf-8")
