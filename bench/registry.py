"""Lazy name tables: an extension point is a dict from names to `module:attribute`, imported when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TypeVar, cast

from bench.errors import UsageError, nearest

__all__ = ["LazyTable"]

T = TypeVar("T")


class LazyTable(Mapping[str, T]):
    """The explicit table of one extension point.

    Args:
        noun: What one entry is called in messages, such as "model source".
        entries: From name to `package.module:attribute`.
    """

    def __init__(self, noun: str, entries: Mapping[str, str]) -> None:
        self.noun = noun
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> T:
        """The entry, importing its module.

        Raises:
            UsageError: No such name; the nearest ones are offered.
        """
        if name not in self._entries:
            raise UsageError(f"there is no {self.noun} {name!r}: {nearest(name, self._entries)}")
        module, _, attribute = self._entries[name].partition(":")
        return cast("T", getattr(importlib.import_module(module), attribute))
