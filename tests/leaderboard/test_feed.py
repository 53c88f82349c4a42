"""The Atom feed: valid, stable, and text stays text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from leaderboard.made_results import hostile_names, hostile_store, run_of, tiny_store, write_boards

from bench.leaderboard.feed import NUM_ENTRIES, feed_pages, feed_text
from bench.leaderboard.material import Material
from bench.records.result import ProtocolRef
from bench.store import Store

ATOM = "{http://www.w3.org/2005/Atom}"


def _material(folder: Path, store: Store, url: str | None = None) -> Material:
    return Material(store, write_boards(folder / "boards"), url=url)


def _parsed(material: Material) -> ET.Element:
    (page,) = feed_pages(material)
    assert page.path == "feed.xml"
    return ET.fromstring(page.make())  # noqa: S314 - our own


def _texts(feed: ET.Element, name: str) -> list[str]:
    return [entry.findtext(f"{ATOM}{name}") or "" for entry in feed.iter(f"{ATOM}entry")]


def _links(feed: ET.Element) -> list[str]:
    return [link.attrib["href"] for link in feed.iter(f"{ATOM}link")]


def test_the_feed_has_what_the_format_requires(tmp_path: Path) -> None:
    """RFC 4287, 4.1.1 and 4.1.2: one id, title and updated each, an author, absolute ids, alternate links."""
    feed = _parsed(_material(tmp_path, tiny_store(tmp_path)))

    assert feed.tag == f"{ATOM}feed"
    for element in (feed, *feed.iter(f"{ATOM}entry")):
        tags = Counter(child.tag.removeprefix(ATOM) for child in element)
        assert (tags["id"], tags["title"], tags["updated"], tags["author"]) == (1, 1, 1, 1)
        assert (element.findtext(f"{ATOM}id") or "").startswith("urn:uuid:")
        assert "alternate" in {link.attrib["rel"] for link in element.findall(f"{ATOM}link")}
    ids = [element.text for element in feed.iter(f"{ATOM}id")]
    assert len(set(ids)) == len(ids)
    assert feed.findtext(f"{ATOM}updated") == max(_texts(feed, "updated"))


def test_entries_are_the_measured_runs_and_what_was_withdrawn(tmp_path: Path) -> None:
    """Newest first; a failed run is no result; dates are those of the records."""
    feed = _parsed(_material(tmp_path, tiny_store(tmp_path)))

    assert list(zip(_texts(feed, "updated"), _texts(feed, "title"), strict=True)) == [
        ("2026-08-02T00:00:00Z", "Retracted: Tiny ResNet by Acme Labs"),
        ("2026-08-01T15:00:00Z", "Partial by acme: Top-1 60.00 %"),
        ("2026-08-01T13:00:00Z", "Alexnet by beta: Top-1 80.00 %"),
        ("2026-08-01T12:00:00Z", "Lenet by acme: Top-1 80.00 %"),
        ("2026-08-01T11:00:00Z", "Tiny ResNet by Acme Labs: Top-1 90.00 %"),
        ("2026-08-01T10:00:00Z", "Tiny ResNet by Acme Labs: Top-1 96.00 %"),
    ]
    assert "(95% interval 87.06\N{EN DASH}92.33)" in _texts(feed, "summary")[4]


def test_a_second_publishing_keeps_ids_and_bytes(tmp_path: Path) -> None:
    """Ids come from runs, not from the clock; a new run adds one entry and changes none."""
    store = tiny_store(tmp_path)
    before = _parsed(_material(tmp_path, store))
    assert feed_text(_material(tmp_path, store)) == feed_text(_material(tmp_path, store))

    store.add(run_of("vgg", 410, hours=90))

    after = _parsed(_material(tmp_path, store))
    entries = [[ET.tostring(entry) for entry in feed.iter(f"{ATOM}entry")] for feed in (before, after)]
    assert set(entries[0]) < set(entries[1])
    assert len(entries[1]) == len(entries[0]) + 1


def test_an_import_is_one_entry(tmp_path: Path) -> None:
    """However many results it brings; two protocols are two entries."""
    store = Store(tmp_path / "results")
    for index in range(7):
        store.add(run_of(f"a-{index}", 300 + index, status="imported", origin="a file"))
    store.add(run_of("b", 300, status="imported", protocol=ProtocolRef(id="torchvision-reported", version=1)))

    feed = _parsed(_material(tmp_path, store))

    assert _texts(feed, "title") == [
        "1 result imported: ImageNet-1k validation, as reported by torchvision",
        "7 results imported: Shapes-10 validation, fixed 64 px single crop",
    ]
    assert _texts(feed, "summary")[1] == "7 results under shapes10-val, taken over and not measured here: a file."
    assert _links(feed)[2:] == ["index.html", "boards/tiny.html"]


def test_only_the_newest_runs_are_in_the_feed(tmp_path: Path) -> None:
    """Fifty of them."""
    store = Store(tmp_path / "results")
    for index in range(NUM_ENTRIES + 3):
        store.add(run_of(f"net-{index}", 300, hours=index))

    titles = _texts(_parsed(_material(tmp_path, store)), "title")

    assert len(titles) == NUM_ENTRIES
    assert titles[0].startswith(f"Net-{NUM_ENTRIES + 2} ")


def test_links_are_absolute_once_the_address_is_known(tmp_path: Path) -> None:
    """Relative to the feed without it; either way they name files that the site has."""
    store = tiny_store(tmp_path)

    relative = _links(_parsed(_material(tmp_path, store)))
    absolute = _links(_parsed(_material(tmp_path, store, url="https://example.org/bench")))

    assert not any(urlsplit(link).scheme for link in relative)
    assert absolute == [f"https://example.org/bench/{link}" for link in relative]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """A parser gives every name back as it is shown, and no element more."""
    feed = _parsed(_material(tmp_path, hostile_store(tmp_path)))

    shown = [vector.get("shown", vector["name"]) for vector in hostile_names() if vector["accept"]]
    authors = [author.text for author in feed.iter(f"{ATOM}name")][1:]
    assert sorted(authors) == sorted(shown)
    assert all(any(title.startswith(f"{name} by {name}: ") for title in _texts(feed, "title")) for name in shown)
    of_entry = {"id", "title", "updated", "published", "author", "name", "link", "category", "summary"}
    assert {element.tag.removeprefix(ATOM) for element in feed.iter()} == {"feed", "entry", *of_entry}


def test_a_feed_without_results_is_valid(tmp_path: Path) -> None:
    """Its date is no clock's."""
    (tmp_path / "results").mkdir()

    feed = _parsed(_material(tmp_path, Store(tmp_path / "results")))

    assert _texts(feed, "id") == []
    assert feed.findtext(f"{ATOM}updated") == "1970-01-01T00:00:00Z"
