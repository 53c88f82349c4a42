"""File names of pages."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from bench.leaderboard.slugs import slug


@given(st.text())
def test_a_slug_is_a_safe_file_name(key: str) -> None:
    """Any key gives a short name of few characters that is neither empty nor a path nor a reserved name."""
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?-[0-9a-f]{8}", slug(key))
    assert len(slug(key)) <= 69


@given(st.lists(st.text(max_size=8), unique=True))
def test_different_keys_have_different_slugs(keys: list[str]) -> None:
    """Keys that differ only in case or in punctuation do not share a page."""
    assert len({slug(key) for key in keys}) == len(keys)


def test_reserved_names_and_case_are_kept_apart() -> None:
    """`con` is no file name on some systems, and theirs do not tell upper from lower case."""
    assert slug("con/aux") == slug("con/aux")
    assert slug("con") != "con"
    assert slug("A/B").lower() != slug("a/b").lower()
