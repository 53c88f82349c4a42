"""Names that people choose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records.names import clean_text, safe_link

HOSTILE = json.loads((Path(__file__).parents[1] / "data" / "hostile-names.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", HOSTILE, ids=lambda vector: repr(vector["name"]))
def test_hostile_names_are_shown_as_text_or_refused(vector: dict[str, object]) -> None:
    """Markup is text like any other; what cannot be seen is refused."""
    name = str(vector["name"])
    if vector["accept"]:
        assert clean_text(name) == vector.get("shown", name)
    else:
        with pytest.raises(ValueError, match=r"holds|is blank"):
            clean_text(name)


@given(st.text(max_size=200))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    """What was accepted is accepted again, unchanged."""
    try:
        shown = clean_text(text)
    except ValueError:
        return

    assert clean_text(shown) == shown
    assert 1 <= len(shown) <= 120


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://user:secret@example.org/",
        "https://",
        "//example.org",
        "https://exa mple.org",
        "https://example.org/\u202e",
        "https://-.org:99999999/",
    ],
)
def test_unsafe_links_are_refused(link: str) -> None:
    """Only plain web links are shown."""
    with pytest.raises(ValueError, match=r"holds|is not|has"):
        safe_link(link)


def test_a_foreign_host_is_shown_as_punycode() -> None:
    """Look-alike letters in a host become visible."""
    assert safe_link("https://пример.org/a?b=1#c") == "https://xn--e1afmkfd.org/a?b=1#c"
    assert safe_link("https://arxiv.org/abs/1512.03385") == "https://arxiv.org/abs/1512.03385"
