"""How a submission is cited."""

from __future__ import annotations

import re

import pytest
from leaderboard.made_results import hostile_names, run_of

from bench.leaderboard.citation import badge_markdown, bibtex
from bench.leaderboard.slugs import slug

ACCEPTED = [vector["name"] for vector in hostile_names() if vector["accept"]]


def _fields(entry: str) -> dict[str, str]:
    """A BibTeX entry read by BibTeX's rule: a field ends where its braces balance, whatever backslashes say."""
    head = re.match(r"@misc\{([a-z0-9-]+),\n", entry)
    assert head is not None
    fields, at = {"key": head[1]}, head.end()
    while (start := re.compile(r"  (\w+) = \{").match(entry, at)) is not None:
        depth, end = 1, start.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(entry[end], 0)
            end += 1
        fields[start[1]] = entry[start.end() : end - 1]
        assert entry[end : end + 2] == ",\n"
        at = end + 2
    assert entry[at:] == "}\n"
    return fields


def test_a_citation_names_who_what_when_and_how() -> None:
    """With the number, the protocol, the run, and where the page stands."""
    run = run_of("net", 450, words={"title": "Net 50%", "team_title": "A & B"})

    fields = _fields(bibtex(run, url="https://bench.example/"))

    assert fields["key"] == slug("acme/net")
    assert (fields["author"], fields["title"], fields["year"]) == (r"{A \& B}", r"{Net 50\%}", "2026")
    assert fields["note"].startswith(r"Top-1 90.00 \% on 500 images. Protocol shapes10-val version 1, run ")
    assert fields["url"] == f"https://bench.example/submissions/{slug('acme/net')}.html"


@pytest.mark.parametrize("name", ACCEPTED)
def test_no_name_ends_a_field(name: str) -> None:
    """Braces balance for each hostile name, and no character of it is a command."""
    run = run_of("net", 450, words={"title": name, "team_title": name, "paper": "https://example.org/a{b}c"})

    fields = _fields(bibtex(run))

    assert set(fields) == {"key", "author", "title", "year", "howpublished", "note", "url"}
    bare = re.sub(r"\\[%&$#_]|\\text\w+\{\}", "", fields["title"][1:-1])
    assert not re.search(r"[\\{}%&$#_^~<>]", bare)
    assert fields["url"] == "https://example.org/a%7Bb%7Dc"


def test_a_badge_is_markdown_that_links_to_the_page() -> None:
    """The title of a board cannot end the text of the link."""
    badge = badge_markdown("tiny", "Tiny] (board)", "acme/net", "https://bench.example/")
    page = slug("acme/net")

    assert badge.image == f"../badges/tiny/{page}.svg"
    assert badge.markdown == (
        rf"[![Result on Tiny\] (board)](https://bench.example/badges/tiny/{page}.svg)]"
        f"(https://bench.example/submissions/{page}.html)"
    )
    assert "https://EXAMPLE.org/" in badge_markdown("tiny", "Tiny", "acme/net", None).markdown
