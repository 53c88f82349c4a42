"""A board: which protocols and columns make one page."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bench.records.base import FileRecord
from bench.records.names import FreeText, Identifier, LongText

__all__ = ["Board"]


class Board(FileRecord):
    """One leaderboard."""

    id: Identifier
    """The board's name; the file has the same name."""
    title: FreeText
    """The heading of its page."""
    description: LongText
    """What is measured, in a sentence or two."""
    order: int = 100
    """Where it stands on the index page; small numbers first."""
    protocol: Identifier
    """The protocol whose results it ranks; two protocols are never mixed in one ranking."""
    statuses: Annotated[tuple[Literal["verified", "self-reported", "imported"], ...], Field(min_length=1)] = (
        "verified",
        "self-reported",
    )
    """The results that are ranked."""
    extra_training_data: Literal["any", "none"] = "any"
    """`none` ranks only entries trained on nothing but ILSVRC-2012."""
    columns: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    """The columns of the table, by their names in `leaderboard/columns.py`, in order."""
