"""One file of a site, with a digest of what it is made from, so that it is made only where that changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import xxhash

__all__ = ["Page", "Part", "digest_of_inputs"]

_JSON = json.JSONEncoder(default=repr, check_circular=False)
"""Kept: to make one takes as long as to write what one page is made from."""


class Part(NamedTuple):
    """A small part of a page that changes more often than the rest, between `<!--name-->` and `<!--/name-->`.

    One result more moves the rank of thousands; their pages are not rendered for that. Text of submitters cannot be
    taken for a mark, because it is escaped.
    """

    name: str
    inputs: str
    """A digest of everything that its content is made from."""
    make: Callable[[], bytes]
    """Makes what stands between the marks."""

    @classmethod
    def of(cls, name: str, inputs: object, make: Callable[[], bytes]) -> Part:
        """A part; equal inputs have equal `repr` in every process."""
        return cls(name, digest_of_inputs(inputs), make)

    def into(self, content: bytes) -> bytes | None:
        """A page with this part in place of the one that it has, or None where its marks are not there once."""
        start, end = f"<!--{self.name}-->".encode(), f"<!--/{self.name}-->".encode()
        if content.count(start) != 1 or content.count(end) != 1:
            return None
        head, _, rest = content.partition(start)
        return b"".join((head, start, self.make(), end, rest.partition(end)[2]))


class Page(NamedTuple):
    """One file of a site, made when it is needed."""

    path: str
    """Where it lies, relative to the site, with slashes."""
    inputs: str
    """A digest of everything that its content is made from, beside bench's own code and templates."""
    make: Callable[[], bytes]
    """Makes the content; called at most once."""
    part: Part | None = None
    """A part of it that has inputs of its own."""

    @classmethod
    def of(cls, path: str, content: bytes | str) -> Page:
        """A file whose content is at hand."""
        held = content.encode() if isinstance(content, str) else content
        return cls(path, xxhash.xxh3_128_hexdigest(held), lambda: held)

    @classmethod
    def lazy(cls, path: str, inputs: object, make: Callable[[], bytes | str], part: Part | None = None) -> Page:
        """A file whose content is made only where its inputs changed.

        Args:
            path: Where it lies.
            inputs: What the content is made from, but its part; equal inputs have equal `repr` in every process.
            make: Makes the content, with its part.
            part: A part of it that has inputs of its own.
        """

        def encoded() -> bytes:
            content = make()
            return content.encode() if isinstance(content, str) else content

        return cls(path, digest_of_inputs(inputs), encoded, part)


def digest_of_inputs(inputs: object) -> str:
    """A digest of what a file is made from; it may stand for that in the inputs of several files.

    Args:
        inputs: Equal inputs have equal `repr` in every process.
    """
    # JSON is written three times as fast as the `repr` of a named tuple; what it does not know has its `repr`.
    try:
        text = _JSON.encode(inputs)
    except TypeError:
        text = repr(inputs)
    return xxhash.xxh3_128_hexdigest(text.encode())
