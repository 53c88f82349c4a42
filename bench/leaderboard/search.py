"""The list of all submissions as a script file, which also works under file://, for the search boxes of the site."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bench.leaderboard.facts import team_of
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page
from bench.leaderboard.slugs import slug
from bench.stored import Stored

__all__ = ["Found", "search_index", "search_list", "search_pages"]


class Found(NamedTuple):
    """A submission as the search knows it."""

    key: str
    title: str
    team: str


def search_pages(material: Material) -> Iterator[Page]:
    """The index of the search, which a page loads when somebody searches."""
    found = search_list(material.stored)
    yield Page.lazy("assets/search-index.js", found, lambda: search_index(found))


def search_list(stored: Iterable[Stored]) -> list[Found]:
    """All submissions by title, each as its newest run calls it.

    Args:
        stored: All results, newest first.
    """
    newest: dict[str, Stored] = {}
    for item in stored:
        newest.setdefault(item.result.entry, item)
    found = [Found(key, item.result.submission.title, team_of(item.result)) for key, item in newest.items()]
    return sorted(found, key=lambda one: (one.title.casefold(), one.key))


def search_index(found: Iterable[Found]) -> str:
    """A call with a row a submission: the file name of its page, title, team. ASCII, and no markup even if inlined."""
    rows = [[slug(one.key), one.title, one.team] for one in found]
    text = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
    return f"benchIndex({text.replace('<', chr(92) + 'u003c')});\n"
