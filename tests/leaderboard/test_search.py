"""The list of all submissions that the search boxes load."""

from __future__ import annotations

import json
from pathlib import Path

from leaderboard.made_results import hostile_names, run_of

from bench.leaderboard.search import Found, search_index, search_list
from bench.leaderboard.slugs import slug
from bench.stored import Stored


def _rows(script: str) -> list[list[str]]:
    """The argument of the one call."""
    assert script.startswith("benchIndex(")
    assert script.endswith(");\n")
    rows: list[list[str]] = json.loads(script[len("benchIndex(") : -3])
    return rows


def test_a_submission_is_listed_once_as_its_newest_run_calls_it() -> None:
    """By title, whatever its case; teams by the name that is shown."""
    results = [
        run_of("net", hours=2, words={"title": "New net", "team_title": "Acme Labs"}),
        run_of("other", hours=1, words={"title": "another"}),
        run_of("net", hours=0, words={"title": "Old net"}),
    ]

    found = search_list([Stored(result=result, path=Path("a.json")) for result in results])

    assert found == [Found("acme/other", "another", "acme"), Found("acme/net", "New net", "Acme Labs")]
    assert _rows(search_index(found)) == [
        [slug("acme/other"), "another", "acme"],
        [slug("acme/net"), "New net", "Acme Labs"],
    ]


def test_hostile_names_stay_text_in_the_script() -> None:
    """ASCII only, no end of a script element, no line separators; what comes back is the name."""
    names = [vector["name"] for vector in hostile_names()] + ["</script><script>alert(1)</script>", "a\u2028b\u2029c"]
    found = [Found(f"team/{index}", name, name) for index, name in enumerate(names)]

    script = search_index(found)

    assert script.isascii()
    assert "<" not in script
    assert script.count("\n") == 1
    assert [row[1:] for row in _rows(script)] == [[name, name] for name in names]


def test_an_empty_store_has_an_empty_list() -> None:
    """The page need not know."""
    assert _rows(search_index([])) == []
