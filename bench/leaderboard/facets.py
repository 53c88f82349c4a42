"""Facets: the boxes that a board's rows can be filtered by, with how many rows each holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from bench.leaderboard.column import Column, is_missing, values_of
from bench.leaderboard.columns import COLUMNS
from bench.leaderboard.standing import Standing

__all__ = ["Facet", "FacetValue", "alphabetical", "claim_differs", "facets_of"]

NOT_STATED = "not stated"
CLAIM = "claim"


class FacetValue(NamedTuple):
    """One box."""

    key: int
    """Its number in `Facet.keys`; -1 for rows that state nothing, so that no row can vanish."""
    text: str
    num_rows: int
    """How many rows of the whole board have it."""


class Facet(NamedTuple):
    """One group of boxes."""

    name: str
    title: str
    help: str
    boxes: list[FacetValue]
    """The most frequent first."""
    keys: list[int | None]
    """A number a row; None where it states nothing."""
    column: int | None
    """Which column of the board it is, counted from 0; None for a facet that is no column."""


def facets_of(standing: Standing) -> list[Facet]:
    """The facets of a board: its columns of few values that have at least two, the status, and claims that differ."""
    columns = list(standing.loaded.columns)
    facets = [_facet(standing, column, index) for index, column in enumerate(columns) if column.is_facet]
    if COLUMNS["status"] not in columns:
        facets.append(_facet(standing, COLUMNS["status"], None))
    facets = [facet for facet in facets if len(facet.boxes) > 1]
    differs = claim_differs(standing)
    if any(differs):
        keys = [0 if flagged else None for flagged in differs]
        help_ = "Rows whose authors claim an accuracy outside the 95% interval of the measured one."
        facets.append(Facet(CLAIM, "Claim", help_, [FacetValue(0, "differs", sum(differs))], keys, None))
    return facets


def _facet(standing: Standing, column: Column, index: int | None) -> Facet:
    texts = values_of(standing.ranked, column.source)
    keys = alphabetical(texts)
    known = {key: text for key, text in zip(keys, texts, strict=True) if key is not None}
    counts = Counter(keys)
    missing = counts.pop(None, 0)
    values = [FacetValue(key, known[key], count) for key, count in counts.items() if key is not None]
    values.sort(key=lambda value: (-value.num_rows, value.key))
    if missing:
        values.append(FacetValue(-1, NOT_STATED, missing))
    return Facet(column.name, column.title, column.help, values, keys, index)


def alphabetical(texts: Sequence[str | None]) -> list[int | None]:
    """The place of each text in the order of all, upper and lower case alike; equal texts share one.

    >>> alphabetical(["b", None, "A", "b"])
    [1, None, 0, 1]
    """
    known = sorted(
        {text for text in texts if text is not None and not is_missing(text)}, key=lambda text: (text.casefold(), text)
    )
    place = {text: index for index, text in enumerate(known)}
    return [None if text is None or is_missing(text) else place[text] for text in texts]


def claim_differs(standing: Standing) -> list[bool]:
    """For each row whether its authors claim an accuracy that lies outside the 95 % interval of the row's own."""
    frame = standing.ranked
    flags = [False] * len(frame)
    for name in ("top1", "top5"):
        claims = values_of(frame, f"submission.claims.{name}")
        lows, highs = (values_of(frame, f"metrics.{name}.{end}") for end in ("ci_low", "ci_high"))
        for index, row in enumerate(zip(claims, lows, highs, strict=True)):
            claim, low, high = row
            flags[index] |= not any(map(is_missing, row)) and not low <= claim <= high
    return flags
