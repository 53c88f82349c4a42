"""The page of a board in a real Chromium: what it shows equals what pandas says."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from leaderboard.made_results import hostile_names, proportion, run_of, write_boards

from bench.leaderboard.board import load_boards
from bench.leaderboard.board_page import board_pages
from bench.leaderboard.column import is_missing
from bench.leaderboard.columns import COLUMNS
from bench.leaderboard.exports import latex_cell, markdown_cell
from bench.leaderboard.frame import frame_of
from bench.leaderboard.pages import asset_pages
from bench.leaderboard.slugs import slug
from bench.leaderboard.standing import standing
from bench.records.result import Cost, Estimate
from bench.records.submission import Claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from browser.conftest import OpenPage
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

# Read from the document, not from timings: a filter that hides nothing is the fastest of all.
ROWS = "[...document.querySelectorAll('table.board tbody th a')].map(link => link.getAttribute('href'))"
WIDE = "boards/tiny.html"


def _frame(site: Path) -> pd.DataFrame:
    """The ranked rows of the board, in order of rank, from the JSON beside the page."""
    rows = json.loads((site / "boards/tiny.json").read_text(encoding="utf-8"))["rows"]
    frame = pd.DataFrame([row for row in rows if row["rank"] is not None])
    links = json.loads((site / "index.json").read_text(encoding="utf-8"))  # the index counts the same rows
    assert links["boards"][0]["num_ranked"] == len(frame)
    return frame


def _expected(frame: pd.DataFrame, name: str, *, descending: bool) -> list[int]:
    """The order of rows by pandas: stable, missing values last both ways."""
    column = COLUMNS[name]
    source = f"{column.source}.ci_low" if column.kind == "interval" else column.source
    values = frame[source]
    if column.kind in ("text", "model"):
        values = values.map(lambda text: (text.casefold(), text), na_action="ignore")
        known = sorted(values.dropna().unique())
        values = values.map({value: index for index, value in enumerate(known)})
    order = values.sort_values(ascending=not descending, kind="stable", na_position="last")
    return list(order.index)


@pytest.mark.parametrize("over", ["file", "http"])
def test_every_column_sorts_like_pandas_both_ways(
    wide_site: Path, open_page: OpenPage, serve: Callable[[Path], str], over: str
) -> None:
    """Missing values last both ways, ties in the order of ranks, best first on the first click, one aria-sort."""
    frame = _frame(wide_site)
    url = wide_site / WIDE if over == "file" else f"{serve(wide_site)}/{WIDE}"
    with open_page(url) as page:
        by_rank = page.evaluate(ROWS)
        assert len(by_rank) == len(frame) == 130
        for button in page.locator("thead button").all():
            name = str(button.get_attribute("data-column"))
            for first in (True, False):
                button.click()
                head = page.locator("thead [aria-sort]")
                assert head.count() == 1
                descending = head.get_attribute("aria-sort") == "descending"
                if name != "rank":  # the page starts sorted by rank, so its first click turns it round
                    assert descending == (COLUMNS[name].descending_first == first)
                assert page.evaluate(ROWS) == [
                    by_rank[index] for index in _expected(frame, name, descending=descending)
                ]
        chunks = page.evaluate("[...document.querySelector('table.board').tBodies].map(body => body.rows.length)")
        assert chunks == [50, 50, 30]


QUERIES = (
    "resnet", "RESNET mit", "team3", "\N{CYRILLIC SMALL LETTER EM}\N{CYRILLIC SMALL LETTER O}", "c++ (", ".*", 'quote"',
    "net-12", "  vit   team1 ", "\\d", "[a-z]", "^vit", "net$", "(", "'", "acme/", "team1/net-1", "self-reported",
    "mit vit 3", "nobody",
)  # fmt: skip


def test_the_search_finds_rows_with_all_words(wide_site: Path, open_page: OpenPage) -> None:
    """Words, not patterns; in title, team, entry and the columns of text."""
    frame = _frame(wide_site)
    texts = [column.source for column in COLUMNS.values() if column.kind == "text" and column.source in frame.columns]
    entry = frame["submission.team"] + "/" + frame["submission.name"]
    parts = [frame["submission.title"], frame["submission.team"], entry, *(frame[name].fillna("") for name in texts)]
    hay = parts[0].str.cat(parts[1:], sep=" ").str.lower()
    with open_page(wide_site / WIDE) as page:
        by_rank = page.evaluate(ROWS)
        for query in QUERIES:
            page.keyboard.press("/")
            page.fill("#search", query)
            _settle(page)
            found = [index for index, text in hay.items() if all(word in text for word in query.lower().split())]
            assert page.evaluate(ROWS) == [by_rank[index] for index in found], query
            expected = f"{len(found)} of 130 entries" if len(found) < 130 else "130 entries"
            assert page.locator("#count").text_content() == expected
            assert page.locator("#no-match").is_visible() == (not found)
        page.fill("#search", "")
        _settle(page)
        assert page.evaluate(ROWS) == by_rank


def test_intervals_are_drawn_for_the_rows_on_screen(wide_site: Path, open_page: OpenPage) -> None:
    """They fill the scale whose ends the header shows, and follow the scrolling."""
    with open_page(wide_site / WIDE) as page:
        assert 10 <= page.locator("svg.glyph").count() <= 30
        before = page.locator("thead .scale").text_content()
        page.evaluate("document.getElementById('box').scrollTop = 3000")
        page.wait_for_timeout(150)
        assert page.locator("thead .scale").text_content() != before
        spans = page.evaluate(
            """[...document.querySelectorAll('svg.glyph .span')]
            .map(path => path.getBBox()).map(box => [box.x, box.width])"""
        )
        assert min(width for _, width in spans) > 4
        assert min(x for x, _ in spans) < 6
        assert max(x + width for x, width in spans) > 94


def test_header_and_names_stay_in_view(wide_site: Path, open_page: OpenPage) -> None:
    """After scrolling both ways; the header is as wide as its rows."""
    with open_page(wide_site / WIDE) as page:
        page.evaluate("document.getElementById('box').scrollTo(400, 3000)")
        page.wait_for_timeout(100)
        left, top, box_left, box_top = page.evaluate(
            """() => { const box = document.getElementById('box').getBoundingClientRect();
            const head = document.querySelector('thead').getBoundingClientRect();
            const name = document.querySelectorAll('table.board tbody th')[70].getBoundingClientRect();
            return [name.left, head.top, box.left, box.top] }"""
        )
        assert abs(left - box_left) <= 2
        assert abs(top - box_top) <= 2
        wide, head = page.evaluate(
            "[document.getElementById('box').scrollWidth, document.querySelector('table.board thead').offsetWidth]"
        )
        assert wide <= head + 1


def test_print_shows_all_rows_and_no_controls(wide_site: Path, open_page: OpenPage) -> None:
    """On white, without the box that scrolls."""
    with open_page(wide_site / WIDE, color_scheme="dark") as page:
        page.emulate_media(media="print")
        assert page.locator("#search").is_hidden()
        assert page.locator("header.top").is_hidden()
        assert page.evaluate("getComputedStyle(document.getElementById('box')).maxHeight") == "none"
        assert page.locator("table.board tbody tr").nth(129).bounding_box() is not None


SETTLED = "table.board:not([aria-busy])"
CUT_RANKS = """document.querySelectorAll('table.board tbody').forEach(body => body.style.contentVisibility = 'visible')
  || [...document.querySelectorAll('table.board td.rank')].filter(cell => cell.scrollWidth > cell.clientWidth)
    .map(cell => cell.textContent)"""
AXES = ("top1", "top5", "nll", "num_params", "throughput_img_s", "input_size")
RICH = """
format_version = 1
id = "rich"
title = "Rich board"
description = "Results with every kind of cell."
protocol = "shapes10-val"
plot_against = "throughput_img_s"
columns = ["rank", "model", "top1", "top1_interval", "top5", "nll", "throughput_img_s", "num_params", "gmacs",
           "input_size", "extra_training_data", "license", "date"]
"""


def _result(index: int, drawn: random.Random, words: dict[str, Any] | None = None) -> Any:
    """A run whose numbers tie, lie far apart and are missing, as it comes."""
    right = drawn.choice([20, 300, 350, 400, 410, 410, 420, 450]) + drawn.randrange(30)
    nll = Estimate(value=round(drawn.uniform(0.3, 2.0), drawn.choice([1, 6])), num_samples=500)
    costs = {"num_params": Cost(value=float(drawn.randrange(10**5, 10**8)), unit="parameters")}
    if drawn.random() < 0.8:
        costs["throughput_img_s"] = Cost(
            value=drawn.choice([500.0, 1000.0, round(10 ** drawn.uniform(2, 5), 2)]), unit="img/s"
        )
    if index % 11 == 0:
        costs = {}
    described: dict[str, Any] = {"title": f"Net {index}" if index % 3 else f"net-{drawn.randrange(40)} (v{index})"}
    described |= {"license": drawn.choice(["MIT", "Apache-2.0", "=cmd"])} if index % 4 else {}
    described |= {"extra_training_data": drawn.choice(["none", "ImageNet-21k", "JFT"])}
    described |= {"claims": Claims(top1=0.99)} if index % 13 == 0 else {}
    metrics = {"top1": proportion(right), "top5": proportion(min(500, right + drawn.randrange(80))), "nll": nll}
    status = "verified" if index % 3 == 0 else "self-reported"
    fields: dict[str, Any] = {"metrics": metrics, "costs": costs, "status": status}
    return run_of(f"net-{index}", hours=index, team=f"team{index % 5}", words=described | (words or {}), **fields)


def _site(folder: Path, results: list[Any], board: str = RICH) -> Path:
    """The pages of a board alone, from results that were never written."""
    (loaded,), _ = load_boards(write_boards(folder / "boards", board))
    material: Any = SimpleNamespace(
        standings=[standing(loaded, frame_of(results))], boards=[loaded], common={"version": "1"}
    )
    for page in [*asset_pages(material), *board_pages(material)]:
        path = folder / "site" / page.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(page.make())
    return folder / "site" / f"boards/{loaded.board.id}.html"


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board of 180 rows, verified and self-reported, with every kind of cell."""
    drawn = random.Random(7)  # noqa: S311 - no secret
    return _site(tmp_path_factory.mktemp("rich"), [_result(index, drawn) for index in range(180)])


def _rich_frame(page_path: Path) -> pd.DataFrame:
    """The rows in the order of the page, from the JSON beside it, each with its slug and its numbers as shown."""
    rows = json.loads(page_path.with_suffix(".json").read_text(encoding="utf-8"))["rows"]
    frame = pd.DataFrame([row for row in rows if row["reason"] is None])
    keys = frame["submission.team"] + "/" + frame["submission.name"]
    frame["slug"] = [slug(key) for key in keys]
    for name in AXES:
        column = COLUMNS[name]
        frame[f"shown.{name}"] = (frame[column.source].astype(float) * column.scale).round(column.digits)
    return frame


def _settle(page: Page) -> None:
    """Waits for the search's delay, and for the rows and the plot that come after the paint."""
    page.wait_for_timeout(80)
    page.wait_for_selector(SETTLED)


def _shown(page: Page) -> list[str]:
    """The slugs of the rows in the table, in order."""
    page.wait_for_selector(SETTLED)
    links: list[str] = page.evaluate(ROWS)
    return [link.removeprefix("../submissions/").removesuffix(".html") for link in links]


def _expect(page: Page, slugs: Iterable[str]) -> None:
    """Compares the rows of a changed view."""
    _settle(page)
    assert _shown(page) == list(slugs)


def test_ranks_sort_without_mixing_statuses(rich: Path, open_page: OpenPage) -> None:
    """Verified rows first or last, never between self-reported ones; the page says what S means."""
    frame = _rich_frame(rich)
    verified, others = (frame[(frame["status"] == "verified") == flag] for flag in (True, False))
    with open_page(rich) as page:
        assert _shown(page) == [*verified["slug"], *others["slug"]]
        ranks = page.locator("table.board tbody td.rank").all_text_contents()
        assert [text.split()[0] for text in ranks] == [
            *(str(rank) for rank in verified["rank"]),
            *(f"S{rank}" for rank in others["rank"]),
        ]
        page.click("[data-column=rank]")
        backwards = pd.concat([part.sort_values("rank", ascending=False, kind="stable") for part in (others, verified)])
        assert _shown(page) == list(backwards["slug"])
        assert "self-reported, ranked apart" in str(page.locator("#reading").text_content())
        badges = page.locator("table.board .badge", has_text="self-reported")
        assert badges.count() == len(others)


def test_facets_equal_pandas(rich: Path, open_page: OpenPage) -> None:
    """Each box alone, its count, two boxes of one facet together, boxes of two facets; none ticked filters nothing."""
    frame = _rich_frame(rich)
    claimed = frame["submission.name"].str.removeprefix("net-").astype(int) % 13 == 0
    sources = {
        "license": frame["submission.license"].fillna("not stated"),
        "extra_training_data": frame["submission.extra_training_data"],
        "status": frame["status"],
        "claim": claimed.map({True: "differs", False: ""}),
    }
    with open_page(rich) as page:
        everyone = _shown(page)
        for name, values in sources.items():
            boxes = page.locator(f"[name={name}]")
            texts = [str(box.get_attribute("value")) for box in boxes.all()]
            assert set(texts) == set(values) - {""}
            for text, box in zip(texts, boxes.all(), strict=True):
                box.evaluate("box => box.click()")
                _expect(page, frame["slug"][values == text])
                label = box.evaluate("box => box.closest('label').querySelector('small').textContent")
                assert int(label) == (values == text).sum()
                box.evaluate("box => box.click()")
        for value in ("MIT", "not stated"):
            page.locator(f"[name=license][value='{value}']").evaluate("box => box.click()")
        page.locator("[name=status][value=verified]").evaluate("box => box.click()")
        both = sources["license"].isin(["MIT", "not stated"]) & (sources["status"] == "verified")
        _expect(page, frame["slug"][both])
        assert page.locator(".menu .on").all_text_contents()[:3].count("2") == 1
        page.click("[type=reset] >> nth=0")
        _expect(page, everyone)


@pytest.mark.parametrize("name", AXES)
def test_ranges_equal_pandas_at_the_bound_itself(rich: Path, open_page: OpenPage, name: str) -> None:
    """What the reader sees is what is compared; an empty field and a missing value are no zero."""
    frame = _rich_frame(rich)
    values = frame[f"shown.{name}"]
    low, high = values.dropna().quantile([0.3, 0.8], interpolation="nearest")
    with open_page(rich) as page:
        page.evaluate("document.querySelectorAll('.menu').forEach(menu => { menu.open = true })")
        for start, end in ((low, None), (None, high), (low, high), (high, low)):
            page.fill(f"[name={name}-from]", "" if start is None else f"{start:.9g}")
            page.fill(f"[name={name}-to]", "" if end is None else f"{end:.9g}")
            inside = (values >= (-1e99 if start is None else start)) & (values <= (1e99 if end is None else end))
            _expect(page, frame["slug"][inside])
        page.fill(f"[name={name}-from]", "")
        page.fill(f"[name={name}-to]", "")
        _settle(page)
        assert len(_shown(page)) == len(frame)


def _frontier(frame: pd.DataFrame, x: str, y: str) -> set[str]:
    """By all pairs."""
    xs, ys = ((frame[COLUMNS[name].source] * (1 if COLUMNS[name].higher_is_better else -1)) for name in (x, y))
    known = frame[COLUMNS[x].source].gt(0) & ys.notna()
    points = list(zip(frame["slug"][known], xs[known], ys[known], strict=True))
    return {
        name
        for name, a, b in points
        if not any(c >= a and d >= b and (c > a or d > b) for _, c, d in points)
    }  # fmt: skip


def test_the_frontier_equals_all_pairs_for_every_pair_of_axes(rich: Path, open_page: OpenPage) -> None:
    """In the table, in the list below the plot, and of the rows in view only; the line has only H and V after M."""
    frame = _rich_frame(rich)
    verified = frame[frame["status"] == "verified"]
    with open_page(rich) as page:
        page.check("[name=pareto]")
        for rows, box in ((frame, None), (verified, "[name=status][value=verified]")):
            if box:
                page.locator(box).evaluate("box => box.click()")
            for x in AXES:
                for y in AXES:
                    page.select_option("[name=x]", x)
                    page.select_option("[name=y]", y)
                    _settle(page)
                    expected = _frontier(rows, x, y)
                    assert set(_shown(page)) == expected, (x, y)
                    links = page.evaluate("[...document.querySelectorAll('#frontier a')].map(link => link.href)")
                    assert {link.split("/")[-1].removesuffix(".html") for link in links} == expected
                    path = str(page.locator("#plot .frontier").get_attribute("d"))
                    assert re.fullmatch(r"M[\d.]+ [\d.]+([HV][\d.]+)+", path), path
            assert page.locator("#in-view").is_visible() is False  # the list is closed
        assert page.evaluate("document.getElementById('in-view').hidden") is False


def test_outliers_do_not_flatten_the_plot(rich: Path, open_page: OpenPage) -> None:
    """Hollow at the edge and counted in words; the full range draws them as dots."""
    frame = _rich_frame(rich)
    known = frame[frame["costs.throughput_img_s.value"].notna()]
    with open_page(rich) as page:
        note = str(page.locator("#plot-note").text_content())
        match = re.fullmatch(r"(\d+) entries below ([\d.]+) % are drawn hollow at the lower edge\.", note)
        assert match
        assert int(match[1]) == (known["metrics.top1.value"] * 100 < float(match[2])).sum() > 0
        dots = """[...document.querySelectorAll('#plot .points path:not(.faded)')]
            .map(path => path.getAttribute('d')).join('').split('h0').length - 1"""
        assert page.evaluate(dots) == len(known) - int(match[1])
        page.check("[name=full]")
        _settle(page)
        assert page.locator("#plot-note").text_content() == ""
        assert page.evaluate(dots) == len(known)


def test_a_link_holds_the_whole_view(rich: Path, open_page: OpenPage) -> None:
    """Set everything, reload, equal; Reset gives an address without a hash."""
    with open_page(rich) as page:
        page.fill("#search", "net 1")
        page.click("[data-column=nll]")
        page.click("[data-column=nll]")
        for box in ("[name=license][value='MIT']", "[name=license][value='=cmd']", "[name=columns][value=cost]"):
            page.locator(box).evaluate("box => box.click()")
        page.evaluate("document.querySelectorAll('.menu').forEach(menu => { menu.open = true })")
        page.fill("[name=top1-from]", "60.5")
        page.evaluate("document.querySelectorAll('.menu').forEach(menu => { menu.open = false })")
        page.select_option("[name=x]", "num_params")
        page.check("[name=full]")
        _settle(page)
        for tick in page.locator("tbody .pick input").all()[:2]:
            tick.check()
        rows, address = _shown(page), None
        page.wait_for_timeout(350)
        address = page.url
        assert 0 < len(rows) < 180
        for text in (
            "q=net+1",
            "sort=-nll",
            "license=MIT",
            "license=%3Dcmd",
            "columns=cost",
            "top1-from=60.5",
            "x=num_params",
        ):
            assert text in address
    with open_page(address) as page:
        assert _shown(page) == rows
        assert page.locator("tr.picked").count() == 2
        assert page.input_value("[name=x]") == "num_params"
        assert page.is_checked("[name=full]")
        assert page.locator("[data-column=num_params]").is_hidden()
        assert page.locator("thead [aria-sort=descending] [data-column=nll]").count() == 1
        page.click("[type=reset] >> nth=0")
        page.click("#clear")
        page.wait_for_timeout(450)
        assert page.url == rich.as_uri()
        assert len(_shown(page)) == 180


@pytest.mark.parametrize(
    "hash_",
    ["#sort=__proto__&m=constructor&x=toString&q=", "#=&&&=%", "#%E0%A4%A=1", "#main", "#license=nothing&top1-from=abc",
     "#sort=-&columns=&metric=nothing&pareto=2&full=no", "#m=" + "a" * 5000],
)  # fmt: skip
def test_nonsense_in_the_address_is_ignored(rich: Path, open_page: OpenPage, hash_: str) -> None:
    """No message, all rows, the order of the ranks."""
    expected = list(_rich_frame(rich)["slug"])
    with open_page(rich.as_uri() + hash_) as page:
        assert _shown(page) == expected
        assert page.locator("#tray").is_hidden()


def _export(page: Page, kind: str) -> str:
    page.click(".actions .menu summary")
    with page.expect_download() as download:
        page.click(f"[data-export={kind}]")
    return Path(download.value.path()).read_bytes().decode()


def _markdown(text: str) -> list[list[str]]:
    """The cells of a Markdown table, unescaped."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines()]
    assert all(set(cell.strip()) <= {"-", ":"} for cell in lines[1])
    return [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in line] for line in (lines[0], *lines[2:])]


def _latex(text: str) -> list[list[str]]:
    """The cells of a LaTeX table, unescaped."""
    words = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<", "textgreater": ">"}
    body = (
        text.split("\\toprule\n")[1]
        .split("\\bottomrule", maxsplit=1)[0]
        .replace("\\midrule\n", "")
        .replace("\\endhead\n", "")
    )
    rows = [re.split(r"(?<!\\)&", line.removesuffix("\\\\")) for line in body.splitlines()]
    return [
        [re.sub(r"\\(?:(text\w+)\{\}|(.))", lambda m: words.get(m[1]) or m[2], cell.strip()) for cell in row]
        for row in rows
    ]


def test_exports_parse_back_to_the_view(rich: Path, open_page: OpenPage) -> None:
    """Rows, order and values of a filtered and sorted view, without the columns that are hidden."""
    frame = _rich_frame(rich).set_index("slug")
    with open_page(rich) as page:
        page.locator("[name=license][value='=cmd']").evaluate("box => box.click()")
        page.locator("[name=columns][value=calibration]").evaluate("box => box.click()")
        page.click("[data-column=throughput_img_s]")
        _settle(page)
        slugs = _shown(page)
        rows = frame.loc[slugs]
        texts = page.evaluate(
            """[...document.querySelectorAll('table.board tbody tr')].map(row => [...row.cells].slice(1)
            .filter(cell => getComputedStyle(cell).display !== 'none')
            .map(cell => cell.firstChild.textContent.trim()))"""
        )
        files = {kind: _export(page, kind) for kind in ("csv", "json", "md", "tex")}
    assert 0 < len(rows) < 180
    read = list(csv.DictReader(io.StringIO(files["csv"], newline="")))
    objects = json.loads(files["json"])
    assert [row["license"] for row in read] == ["'=cmd"] * len(rows)  # no spreadsheet runs it
    assert [row["license"] for row in objects] == ["=cmd"] * len(rows)
    assert "nll" not in read[0]
    for name, source in (("top1", "metrics.top1.value"), ("throughput_img_s", "costs.throughput_img_s.value"),
                         ("num_params", "costs.num_params.value"), ("gmacs", "costs.gmacs.value"),
                         ("rank", "rank"), ("rank_high", "rank_high")):  # fmt: skip
        expected = [None if is_missing(value) else pytest.approx(float(value), rel=1e-8) for value in rows[source]]
        assert [None if row[name] == "" else float(row[name]) for row in read] == expected
        assert [row[name] for row in objects] == expected
    for end in ("low", "high"):
        ends = [float(row[f"top1_interval.{end}"]) for row in read]
        assert ends == pytest.approx(list(rows[f"metrics.top1.ci_{end}"]), abs=5.1e-5)
    assert [row["status"] for row in objects] == list(rows["status"])
    for parsed in (_markdown(files["md"]), _latex(files["tex"])):
        assert parsed[0][:4] == ["#", "Model", "Team", "Top-1, %"]
        assert [row[1] for row in parsed[1:]] == list(rows["submission.title"])
        assert [[*row[:2], *row[3:]][1:] for row in parsed[1:]] == [text[1:] for text in texts]


def test_exports_of_hostile_names_equal_the_vectors(tmp_path: Path, open_page: OpenPage) -> None:
    """The same cells as Python's exporters write."""
    vectors = [vector for vector in hostile_names() if vector["accept"]]
    drawn = random.Random(1)  # noqa: S311 - no secret
    path = _site(tmp_path, [_result(index, drawn, {"title": vector["name"]}) for index, vector in enumerate(vectors)])
    with open_page(path) as page:
        files = {kind: _export(page, kind) for kind in ("csv", "json", "md", "tex")}
    for vector in vectors:
        shown = vector.get("shown", vector["name"])
        assert f",{vector.get('csv', shown)}," in files["csv"] or '"' in shown or "," in shown
        assert f"| {vector.get('md', markdown_cell(shown))} |" in files["md"]
        assert f" & {vector.get('tex', latex_cell(shown))} & " in files["tex"]
    names = sorted(vector.get("shown", vector["name"]) for vector in vectors)
    assert sorted(row["model"] for row in json.loads(files["json"])) == names
    read = [row["model"] for row in csv.DictReader(io.StringIO(files["csv"], newline=""))]
    assert sorted(name.removeprefix("'") if name[1:] in names else name for name in read) == names
    assert {name for name in read if name[0] in "=+-@\N{FULLWIDTH EQUALS SIGN}"} == set()


def test_no_name_is_an_argument_of_the_line_before_it_in_latex(tmp_path: Path, open_page: OpenPage) -> None:
    """Where the model is the first column; as Python's exporter writes it."""
    drawn = random.Random(1)  # noqa: S311 - no secret
    titles = ("[2ex] net", "*star", "net [2]")
    board = RICH.replace('["rank", "model", "top1",', '["model", "rank", "top1",')
    path = _site(tmp_path, [_result(index, drawn, {"title": title}) for index, title in enumerate(titles)], board)
    with open_page(path) as page:
        lines = _export(page, "tex").splitlines()

    starts = sorted(line.partition(" & ")[0] for line in lines if " & team" in line)
    assert starts == sorted(f"{'{}' if title[0] in '[*' else ''}{latex_cell(title)}" for title in titles)


def test_eight_can_be_compared_and_the_ninth_is_refused_in_words(rich: Path, open_page: OpenPage) -> None:
    """The link names the picked ones; they are named in the plot too."""
    with open_page(rich) as page:
        ticks = page.locator("tbody .pick input")
        slugs = _shown(page)
        for index in range(8):
            ticks.nth(index).check()
        assert page.locator("#tray-text").text_content() == "8 of 8 picked"
        ticks.nth(8).click()
        assert not ticks.nth(8).is_checked()
        assert "At most 8" in str(page.locator("#tray-text").text_content())
        query = "&".join(f"m={name}" for name in slugs[:8])
        assert page.locator("#compare").get_attribute("href") == f"../compare.html#{query}"
        assert 1 <= page.locator("#plot .marks text").count() <= 8
        page.click("#clear")
        assert page.locator("#tray").is_hidden()
        assert page.evaluate("document.activeElement.id") == "box"


def test_header_cells_and_groups_stay_aligned_for_every_choice(rich: Path, open_page: OpenPage) -> None:
    """All sets of hidden groups: left and right edges of header, groups and cells are equal."""
    with open_page(rich) as page:
        crooked = page.evaluate(
            """() => {
            const boxes = [...document.querySelectorAll('[name=columns]')];
            const seen = row => [...row.cells].map(cell => cell.getBoundingClientRect()).filter(box => box.width);
            const wrong = [];
            const [groups, head] = document.querySelector('table.board').tHead.rows;
            for (let set = 0; set < 2 ** boxes.length; set += 1) {
              boxes.forEach((box, k) => { box.checked = Boolean(set & (1 << k)) });
              dispatchEvent(new HashChangeEvent('hashchange'));
              const [above, names, cells] = [groups, head, document.querySelector('table.board tbody tr')].map(seen);
              const edges = new Set(names.flatMap(box => [box.left, box.right]).map(Math.round));
              const same = names.length === cells.length
                && names.every((box, k) => Math.abs(box.left - cells[k].left) < 1);
              const whole = above.every(box => edges.has(Math.round(box.left)) && edges.has(Math.round(box.right)));
              if (!same || !whole || Math.abs(above.at(-1).right - names.at(-1).right) > 1) wrong.push(set);
            }
            return [boxes.length, wrong];
            }"""
        )
        assert crooked[0] == 6
        assert crooked[1] == []


def test_the_keyboard_alone_does_everything(rich: Path, open_page: OpenPage) -> None:
    """Search, menus, sorting, picking, the frontier: focus is never lost."""
    focused = "document.activeElement"
    with open_page(rich) as page:
        page.keyboard.press("/")
        page.keyboard.type("mit")
        _settle(page)
        assert 0 < len(_shown(page)) < 180
        page.keyboard.press("Tab")
        assert page.evaluate(f"{focused}.tagName") == "SUMMARY"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        assert page.evaluate(f"{focused}.checked") is True
        page.keyboard.press("Escape")
        assert page.evaluate(f"{focused}.tagName") == "SUMMARY"
        assert page.locator(".menu[open]").count() == 0
        page.focus("[data-column=top5]")
        page.keyboard.press("Enter")
        assert page.locator("[aria-sort=descending] [data-column=top5]").count() == 1
        page.focus("tbody .pick input >> nth=0")
        page.keyboard.press("Space")
        assert page.locator("#tray").is_visible()
        page.focus("#frontier summary")
        page.keyboard.press("Enter")
        page.locator("#frontier li a").first.wait_for()  # the browser opens it when it paints next
        page.keyboard.press("Tab")
        assert page.evaluate(f"{focused}.closest('#frontier li') !== null")
        assert page.locator("#plot .lit").get_attribute("visibility") == "visible"
        page.focus("[type=search]")
        page.keyboard.type(" nobody has this name")
        _settle(page)
        page.focus("#no-match button")
        page.keyboard.press("Enter")
        _settle(page)
        assert page.evaluate(f"{focused}.id") == "search"
        assert len(_shown(page)) == 180


def test_a_board_is_complete_without_javascript(rich: Path, open_page: OpenPage) -> None:
    """All rows, intervals in words, the plot with its frontier and its list; nothing that needs a script."""
    with open_page(rich, java_script_enabled=False) as page:
        assert page.locator("table.board tbody tr").count() == 180
        assert re.fullmatch(r"[\d.]+\N{EN DASH}[\d.]+", page.locator("td.ci").first.inner_text())
        assert str(page.locator("#plot .frontier").get_attribute("d")).count("V") > 2
        listed = page.locator("#frontier li a").count()
        assert listed == str(page.locator("#plot .frontier").get_attribute("d")).count("V")
        for gone in ("#view", ".axes-of", "#tray", "tbody .pick input >> nth=0"):
            assert page.locator(gone).is_hidden()


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_has_filters_behind_a_button_and_one_chosen_metric(rich: Path, open_page: OpenPage, width: int) -> None:
    """Name, top-1 and the metric at once, whichever it is; all columns if wanted."""
    with open_page(rich, viewport={"width": width, "height": 800}) as page:
        assert page.locator("[name=pareto]").is_hidden()
        page.click("#more")
        assert page.locator("#more").get_attribute("aria-expanded") == "true"
        assert page.locator("[name=pareto]").is_visible()
        page.evaluate("document.querySelectorAll('#filters .menu').forEach(menu => { menu.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate("document.querySelectorAll('#filters .menu').forEach(menu => { menu.open = false })")
        seen = """[...document.querySelector('table.board').tHead.rows[1].cells].filter(cell => cell.offsetWidth > 0)
            .map(cell => [cell.innerText.split(/[,↑]/)[0].trim(), cell.getBoundingClientRect().right])"""
        for metric, title in (("top5", "Top-5"), ("throughput_img_s", "Throughput"), ("license", "Licence")):
            page.select_option("[name=metric]", metric)
            _settle(page)
            cells = page.evaluate(seen)
            assert [name for name, _ in cells] == ["Compare", "#", "Model", "Top-1", title]
            assert max(right for _, right in cells) <= width
        page.select_option("[name=metric]", "")
        _settle(page)
        assert len(page.evaluate(seen)) == 14
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_print_fits_all_columns_of_a_filtered_board(rich: Path, open_page: OpenPage) -> None:
    """On a landscape page, rows whole, no controls."""
    with open_page(rich) as page:
        page.locator("[name=status][value=verified]").evaluate("box => box.click()")
        _settle(page)
        page.set_viewport_size({"width": 1047, "height": 700})
        page.emulate_media(media="print")
        assert len(_shown(page)) == 60
        for gone in ("#view", ".axes-of", ".whole"):
            assert page.locator(gone).is_hidden()
        right = page.evaluate(
            "document.querySelector('table.board tbody tr').lastElementChild.getBoundingClientRect().right"
        )
        assert right <= 1048
        assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


@pytest.fixture(scope="module")
def many() -> list[Any]:
    """5,000 results."""
    drawn = random.Random(3)  # noqa: S311 - no secret
    return [_result(index, drawn) for index in range(5000)]


@pytest.mark.parametrize("num_rows", [0, 1, 10, 1990, 5000])
def test_boards_of_every_size_open_sort_search_and_export(
    tmp_path: Path, open_page: OpenPage, many: list[Any], num_rows: int
) -> None:
    """Rows that are not on screen come after the paint and are all there; the empty board says how to submit."""
    path = _site(tmp_path, many[:num_rows])
    with open_page(path) as page:
        if not num_rows:
            assert (
                page.get_by_role("link", name="Submit the first one.").get_attribute("href") == "../index.html#submit"
            )
            assert page.locator("table.board, #plot, #view").count() == 0
            return
        frame = _rich_frame(path)
        page.click("[data-column=nll]")
        order = frame.sort_values("metrics.nll.value", kind="stable", na_position="last")
        assert _shown(page) == list(order["slug"])
        page.fill("#search", "net-1")
        hay = frame["submission.title"].str.lower() + " " + frame["submission.team"] + "/" + frame["submission.name"]
        _expect(page, order["slug"][hay[order.index].str.contains("net-1", regex=False)])
        page.fill("#search", "")
        _settle(page)
        read = list(csv.DictReader(io.StringIO(_export(page, "csv"), newline="")))
        assert [float(row["nll"]) for row in read] == pytest.approx(list(order["metrics.nll.value"]))
        assert page.evaluate("document.querySelectorAll('table.board tr').length") == num_rows + 2
        assert page.evaluate(CUT_RANKS) == []  # four digits, and four more of the ranks that are possible
