"""The whole site: golden pages, equal bytes, hostile names, what is broken, ten thousand results."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

import pytest
from leaderboard.made_results import (
    BOARD,
    DATA,
    PROTOCOL,
    breakdown_of,
    hostile_names,
    hostile_store,
    run_of,
    tiny_store,
    write_boards,
)

from bench.data.classes import ClassTable
from bench.errors import StoreError
from bench.leaderboard import material, site
from bench.leaderboard.output import MARKER
from bench.protocols import load_protocol
from bench.resources import resource_folder
from bench.store import Store

GOLDEN = DATA / "site"
ALONE = ("meta", "link", "input", "br", "hr", "img")


def _tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class _Parsed(HTMLParser):
    """Elements, links and visible text of a page; fails when elements are not closed in order."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(page.decode())
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        self.ids.update(value for name, value in attrs if name == "id" and value)
        self.links += [value for name, value in attrs if name in ("href", "src") and value]
        if tag not in ALONE:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published site of the tiny store, with a second board that has no results."""
    folder = tmp_path_factory.mktemp("tiny")
    empty = (resource_folder("boards") / "imagenet-closed.toml").read_text(encoding="utf-8")
    boards = write_boards(folder / "boards", BOARD, empty)
    report = site.publish(tiny_store(folder), boards, folder / "site")
    assert not report.broken
    return folder / "site"


def test_the_tiny_site_equals_the_golden_one(tiny: Path) -> None:
    """Every page and export, byte by byte; BENCH_UPDATE_GOLDEN=1 writes the golden files anew."""
    volatile = {load_protocol(name).digest(): name for name in (PROTOCOL, "imagenet-val-closed")}
    found = {}
    for path, content in _tree(tiny).items():
        if path.endswith((".html", ".csv", ".json")):
            text = re.sub(r"(bench publish</code> )\S+", r"\g<1>VERSION", content.decode())
            for digest, name in volatile.items():
                text = text.replace(digest, f"(digest of {name})")
            # Run ids end in a digest that covers the protocol's.
            found[path] = re.sub(r"(\d{8}T\d{6}Z)-[0-9a-f]{12}", r"\1-RUN", text)
    if os.environ.get("BENCH_UPDATE_GOLDEN"):
        for path, text in found.items():
            (GOLDEN / path).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / path).write_bytes(text.encode())
    golden = {path: content.decode() for path, content in _tree(GOLDEN).items()}

    assert sorted(found) == sorted(golden)
    for path, text in found.items():
        assert text == golden[path], f"{path}: if this is meant, run once with BENCH_UPDATE_GOLDEN=1"


def test_pages_are_well_formed_and_every_link_leads_to_a_file(tiny: Path) -> None:
    """Links are relative and name files, so that they work under file:// and below any path."""
    for path in sorted(tiny.rglob("*.html")):
        page = _Parsed(path.read_bytes())
        assert not [name for name, count in page.ids.items() if count > 1]
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme == "https":
                continue
            assert not parts.scheme
            assert not parts.netloc
            assert not parts.path.startswith("/")
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            assert target.is_file(), f"{path.name}: {link}"
            if "=" in parts.fragment:  # the state of a page: whom it compares
                for slug in parse_qs(parts.fragment).get("m", [""])[0].split(","):
                    assert (tiny / f"compare/{slug}.js").is_file(), f"{path.name}: {link}"
            elif parts.fragment:
                assert parts.fragment in _Parsed(target.read_bytes()).ids, f"{path.name}: {link}"


def test_the_policy_comes_first_and_allows_nothing_from_elsewhere(tiny: Path) -> None:
    """A policy after the first script would not hold for it."""
    for path in tiny.rglob("*.html"):
        head = path.read_text(encoding="utf-8").split("<head>", 1)[1].lstrip()
        assert head.startswith('<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; ')
        assert "unsafe" not in head.split(">", 1)[0]


def test_a_second_publication_is_byte_identical(tmp_path: Path) -> None:
    """Another folder, another order of files on disk, the same bytes; publishing over itself changes nothing."""
    boards = write_boards(tmp_path / "boards")
    site.publish(tiny_store(tmp_path / "a"), boards, tmp_path / "a" / "site")
    site.publish(tiny_store(tmp_path / "b"), boards, tmp_path / "b" / "elsewhere")
    site.publish(Store(tmp_path / "b" / "results"), boards, tmp_path / "b" / "elsewhere")

    assert _tree(tmp_path / "a" / "site") == _tree(tmp_path / "b" / "elsewhere")
    assert not site.check(Store(tmp_path / "a" / "results"), boards, tmp_path / "a" / "site").differing


def test_every_run_is_somewhere(tiny: Path) -> None:
    """Failed, partial and withdrawn runs have a page, a reason on the board and a row in the data."""
    board = (tiny / "boards/tiny.html").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO((tiny / "results.csv").read_text(encoding="utf-8"))))

    for words in ("failed: nonfinite", "partial: 40 of 500 images", "retracted: wrong labels"):
        assert words in board
    assert len(rows) == 6
    pages = "".join(path.read_text(encoding="utf-8") for path in (tiny / "submissions").glob("*.html"))
    assert all(row["run"] in pages for row in rows)
    assert "logits hold NaN for 3 of 500 images" in pages
    assert "line 2" in pages


def test_the_empty_board_says_how_to_submit(tiny: Path) -> None:
    """No table, but the next step."""
    page = (tiny / "boards/imagenet-closed.html").read_text(encoding="utf-8")

    assert "No results yet" in page
    assert "index.html#submit" in page
    assert "<table" not in page


def test_hostile_names_stay_text_on_every_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As title, team, licence, description, log, note, machine or class: no element, no handler, no link."""
    names = [vector["name"] for vector in hostile_names() if vector["accept"]]
    table = ClassTable(
        name="shapes10", wnids=tuple(f"n{index:08d}" for index in range(10)), names=tuple(names[:10]), ilsvrc_ids=()
    )
    monkeypatch.setattr(material, "class_table", lambda _: table)
    boards = write_boards(tmp_path / "boards")
    tame = site.publish(hostile_store(tmp_path / "tame", tame=True), boards, tmp_path / "tame" / "site")
    elements = {tag for path in tame.index.parent.rglob("*.html") for tag in _Parsed(path.read_bytes()).elements}

    report = site.publish(hostile_store(tmp_path), boards, tmp_path / "site")

    assert not report.broken
    shown = set()
    for path in (tmp_path / "site").rglob("*.html"):
        page = _Parsed(path.read_bytes())
        assert set(page.elements) <= elements
        assert not {name for name in page.attributes if name.startswith("on") or name == "style"}
        assert not [link for link in page.links if urlsplit(link).scheme not in ("", "https")]
        shown |= {" ".join(text.split()) for text in page.text}
    assert {vector.get("shown", vector["name"]) for vector in hostile_names() if vector["accept"]} <= shown
    exported = (tmp_path / "site/boards/tiny.csv").read_text(encoding="utf-8")
    assert all(vector["csv"] in exported for vector in hostile_names() if "csv" in vector)


def test_hostile_names_stay_text_in_every_file(tmp_path: Path) -> None:
    """Whatever is published is well-formed, asks for nothing, and starts no formula in a spreadsheet."""
    report = site.publish(hostile_store(tmp_path), write_boards(tmp_path / "boards"), tmp_path / "site")

    kinds = Counter(path.suffix for path in report.index.parent.rglob("*") if path.is_file())
    assert {".csv", ".json", ".svg", ".xml"} <= set(kinds)
    for path in report.index.parent.rglob("*"):
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix in (".svg", ".xml"):
            for element in ET.parse(path).iter():  # noqa: S314 - our own file
                assert element.tag.rpartition("}")[2] not in ("script", "foreignObject", "image", "iframe")
                links = [value for name, value in element.attrib.items() if name.rpartition("}")[2] == "href"]
                assert not [link for link in links if urlsplit(link).scheme not in ("", "https")]
                assert not [name for name in element.attrib if name.startswith("on")]
        elif path.suffix == ".csv":
            for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")):
                for cell in row:
                    assert not cell.startswith(("=", "+", "@", "\t", "\r")), f"{path.name}: {cell}"
                    assert not (cell.startswith("-") and not _is_number(cell)), f"{path.name}: {cell}"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_place_time_zone_and_hash_seed_change_no_byte(tmp_path: Path) -> None:
    """Two processes, one in Kiritimati and one in Honolulu, write equal trees."""
    tiny_store(tmp_path)
    write_boards(tmp_path / "boards")
    for folder, zone, seed in (("a", "Pacific/Kiritimati", "1"), ("deep/down/b", "Pacific/Honolulu", "2")):
        words = [sys.executable, "-m", "bench", "publish", "--results", str(tmp_path / "results")]
        words += ["--boards", str(tmp_path / "boards"), "--out", str(tmp_path / folder)]
        environment = os.environ | {"TZ": zone, "PYTHONHASHSEED": seed, "LC_ALL": "C", "SOURCE_DATE_EPOCH": seed}
        subprocess.run(words, check=True, capture_output=True, env=environment)

    assert _tree(tmp_path / "a") == _tree(tmp_path / "deep/down/b")


def test_what_is_broken_is_named_and_the_rest_is_published(tmp_path: Path) -> None:
    """A truncated result, a broken board and counts that fit no classes cost only themselves."""
    store = tiny_store(tmp_path)
    folder = store.results / PROTOCOL / "acme" / "lenet"
    (folder / "20260101T000000Z-000000000000.json").write_text('{"format_version": 1, "run"')
    odd = run_of("odd", 350, hours=9)
    store.add(odd, breakdown=breakdown_of(10).model_copy(update={"classes": "shapes20"}))
    boards = write_boards(tmp_path / "boards", BOARD, BOARD.replace('"tiny"', '"bad"').replace("shapes10-val", "none"))

    report = site.publish(store, boards, tmp_path / "site")

    messages = [str(error) for error in report.broken]
    assert len(messages) == 3
    assert any("20260101T000000Z-000000000000.json: is not valid JSON" in message for message in messages)
    assert any("bad.toml: protocol: there is no protocol 'none'" in message for message in messages)
    assert any(f"{odd.run}.classes.json: does not fit the 20 classes" in message for message in messages)
    assert report.num_results == 7
    assert "odd" in (tmp_path / "site/boards/tiny.html").read_text(encoding="utf-8").lower()
    assert len(site.check(store, boards).broken) == 3


def test_a_run_of_no_board_is_still_on_the_site(tmp_path: Path) -> None:
    """Its submission has a page, and the index says why it has no rank."""
    store = tiny_store(tmp_path)
    board = (resource_folder("boards") / "imagenet-closed.toml").read_text(encoding="utf-8")

    report = site.publish(store, write_boards(tmp_path / "boards", board), tmp_path / "site")

    assert len(list((tmp_path / "site/submissions").glob("*.html"))) == 5
    assert "no board ranks the protocol shapes10-val" in report.index.read_text(encoding="utf-8")


def test_imported_numbers_do_not_hide_what_was_measured(tmp_path: Path) -> None:
    """The latest results are measured ones, where there are any; imported ones are on their board."""
    store = tiny_store(tmp_path)
    for index in range(12):
        store.add(run_of(f"import-{index}", 300 + index, hours=50 + index, status="imported"))

    index = site.publish(store, write_boards(tmp_path / "boards"), tmp_path / "site").index

    latest = index.read_text(encoding="utf-8").split('id="recent-title"')[1].split("</table>")[0]
    assert "Tiny ResNet" in latest
    assert "Import-" not in latest


def test_a_missing_results_folder_is_an_error(tmp_path: Path) -> None:
    """And no site is made."""
    with pytest.raises(StoreError, match="no such results folder"):
        site.publish(Store(tmp_path / "nowhere"), write_boards(tmp_path / "boards"), tmp_path / "site")

    assert not (tmp_path / "site").exists()


def test_the_site_is_marked_as_ours(tiny: Path) -> None:
    """The marker lets the next publication replace it."""
    assert (tiny / MARKER).is_file()
    assert json.loads((tiny / "index.json").read_text())["num_results"] == 6


@pytest.mark.slow
def test_ten_thousand_results_are_published_in_time(tmp_path: Path) -> None:
    """The budget is 20 s on one core; the limit here is loose, for shared machines."""
    import time

    store = Store(tmp_path / "results")
    for index in range(10_000):
        result = run_of(f"net-{index}", 200 + index % 300, hours=index)
        path = store.results / PROTOCOL / "acme" / f"net-{index}" / f"{result.run}.json"
        path.parent.mkdir(parents=True)
        path.write_text(result.to_text(), encoding="utf-8")

    start = time.process_time()
    report = site.publish(store, write_boards(tmp_path / "boards"), tmp_path / "site")

    assert report.num_results == 10_000
    assert time.process_time() - start < 40
