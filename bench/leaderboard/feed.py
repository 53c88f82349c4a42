"""The Atom feed of new results (RFC 4287): measured runs, imports as one entry each, and what was withdrawn.

An entry never changes: its id is made from run ids and its date is the record's, so two publishings agree.
Without the site's address the links are relative to the feed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree as ET

from bench.leaderboard.columns import column_of
from bench.leaderboard.facts import team_of
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page
from bench.leaderboard.slugs import slug
from bench.leaderboard.svg import element, markup
from bench.records.result import Result
from bench.stored import Stored

__all__ = ["NUM_ENTRIES", "feed_pages", "feed_text"]

NUM_ENTRIES = 50
"""How many measured runs the feed holds, and as many imports and withdrawals: the newest of each."""
_MOST_ORIGINS = 4
"""More files than these are not listed."""
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "ilsvrc-bench")
_SITE = "ILSVRC Bench"
_LONG_AGO = "1970-01-01T00:00:00Z"
"""When a feed without entries was updated: the format wants a date, and the clock is none of its inputs."""


class _Entry(NamedTuple):
    key: str
    """What its id is made from."""
    updated: str
    title: str
    summary: str
    author: str
    link: str
    protocol: str


def feed_pages(material: Material) -> Iterator[Page]:
    """The feed, at the top of the site."""
    yield Page.of("feed.xml", feed_text(material))


def feed_text(material: Material) -> str:
    """The newest results as an Atom feed, newest first."""
    parts = (_measured(material), _imported(material), _withdrawn(material))
    entries = sorted((entry for part in parts for entry in part), key=lambda entry: (entry.updated, entry.key))[::-1]
    base = material.url or ""
    root = element(
        "feed",
        {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": "en"},
        element("id", {}, _urn(f"feed {base}")),
        element("title", {}, f"{_SITE}: new results"),
        element("updated", {}, entries[0].updated if entries else _LONG_AGO),
        element("author", {}, element("name", {}, _SITE)),
        element("link", {"rel": "self", "type": "application/atom+xml", "href": f"{base}feed.xml"}),
        element("link", {"rel": "alternate", "type": "text/html", "href": f"{base}index.html"}),
        *(_element(entry, base) for entry in entries),
    )
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{markup(root)}\n'


def _element(entry: _Entry, base: str) -> ET.Element:
    return element(
        "entry",
        {},
        element("id", {}, _urn(entry.key)),
        element("title", {"type": "text"}, entry.title),
        element("updated", {}, entry.updated),
        element("published", {}, entry.updated),
        element("author", {}, element("name", {}, entry.author)),
        element("link", {"rel": "alternate", "type": "text/html", "href": base + entry.link}),
        element("category", {"term": entry.protocol}),
        element("summary", {"type": "text"}, entry.summary),
    )


def _urn(key: str) -> str:
    return uuid.uuid5(_NAMESPACE, key).urn


def _measured(material: Material) -> list[_Entry]:
    measured = [item for item in material.stored if item.result.status not in ("imported", "failed")]
    return [
        _Entry(
            key=f"run {item.run}",
            updated=item.result.created_at,
            title=f"{_name(item.result)}: {_value(material, item.result)}",
            summary=f"{_value(material, item.result, interval=True)} under {_protocol(material, item.result)}; "
            f"{item.result.status}{'' if item.result.dataset.complete else ', partial'}.",
            author=team_of(item.result),
            link=_page(item.result),
            protocol=item.result.protocol.id,
        )
        for item in measured[:NUM_ENTRIES]
    ]


def _imported(material: Material) -> list[_Entry]:
    """One entry for all results of a protocol that one import brought, which share their second."""
    groups: dict[tuple[str, str], list[Stored]] = {}
    for item in material.stored:
        if item.result.status == "imported":
            groups.setdefault((item.result.created_at, item.result.protocol.id), []).append(item)
    pages, entries = _board_pages(material), []
    for created_at, protocol in sorted(groups, reverse=True)[:NUM_ENTRIES]:
        items = groups[created_at, protocol]
        counted = f"{len(items):,} result{'' if len(items) == 1 else 's'}"
        origins = sorted({item.result.origin or "" for item in items})
        source = f": {'; '.join(origins)}" if len(origins) <= _MOST_ORIGINS and all(origins) else ""
        entries.append(
            _Entry(
                key=f"import {created_at} {protocol}",
                updated=created_at,
                title=f"{counted} imported: {material.protocol_titles.get(protocol, protocol)}",
                summary=f"{counted} under {protocol}, taken over and not measured here{source}.",
                author=_SITE,
                link=pages.get(protocol, "index.html"),
                protocol=protocol,
            )
        )
    return entries


def _board_pages(material: Material) -> dict[str, str]:
    """From protocol to the first board that ranks its results, or else shows them beside others."""
    pages: dict[str, str] = {}
    for loaded in material.boards:
        pages.setdefault(loaded.board.protocol, f"boards/{loaded.board.id}.html")
    for loaded in material.boards:
        for join in loaded.board.joins:
            pages.setdefault(join.protocol, f"boards/{loaded.board.id}.html")
    return pages


def _withdrawn(material: Material) -> list[_Entry]:
    said = [(item.retraction, item.result) for item in material.stored if item.retraction is not None]
    said.sort(key=lambda pair: (pair[0].created_at, pair[0].run), reverse=True)
    return [
        _Entry(
            key=f"retraction {retraction.run}",
            updated=retraction.created_at,
            title=f"{retraction.state.capitalize()}: {_name(result)}",
            summary=f"{retraction.reason} ({_value(material, result)} under {_protocol(material, result)}, "
            f"run {retraction.run})",
            author=retraction.by,
            link=_page(result),
            protocol=result.protocol.id,
        )
        for retraction, result in said[:NUM_ENTRIES]
    ]


def _name(result: Result) -> str:
    return f"{result.submission.title} by {team_of(result)}"


def _page(result: Result) -> str:
    return f"submissions/{slug(result.entry)}.html"


def _protocol(material: Material, result: Result) -> str:
    title = material.protocol_titles.get(result.protocol.id, result.protocol.id)
    return f"{title}, version {result.protocol.version}"


def _value(material: Material, result: Result, *, interval: bool = False) -> str:
    """The number that decides ranks, top-1 where no board says so, in words."""
    ranks_by = {loaded.board.protocol: loaded.rank_by for loaded in reversed(material.boards)}
    name = ranks_by.get(result.protocol.id, "top1")
    column, estimate = column_of(name), result.metrics.get(name)
    if estimate is None:
        return f"no {column.title}"
    words = f"{column.title} {column.text(estimate.value)} {column.unit}".rstrip()
    if interval and estimate.ci_low is not None and estimate.ci_high is not None:
        words += f" (95% interval {column.interval(estimate.ci_low, estimate.ci_high)})"
    return words
