"""Lazy name tables."""

import sys

import pytest

from bench.errors import UsageError
from bench.registry import LazyTable


def test_an_entry_is_imported_when_it_is_used() -> None:
    """Making and listing the table imports nothing."""
    sys.modules.pop("this", None)
    table: LazyTable[object] = LazyTable("thing", {"encoder": "json:JSONEncoder", "joke": "this:s"})

    assert list(table) == ["encoder", "joke"]
    assert "encoder" in table
    assert table["encoder"].__name__ == "JSONEncoder"  # type: ignore[attr-defined]
    assert "this" not in sys.modules


def test_an_unknown_entry_is_answered_with_the_nearest() -> None:
    """The message says what kind of thing is missing and what there is."""
    table: LazyTable[object] = LazyTable("model source", {"python": "json:loads", "timm": "json:dumps"})

    with pytest.raises(UsageError, match=r"there is no model source 'pyton': did you mean python\?"):
        table["pyton"]
