"""A board: which protocols and columns make one page."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bench.records.base import FileRecord, Record
from bench.records.names import FreeText, Identifier, LongText
from bench.records.result import Scalar

__all__ = ["Board", "Join"]


class Join(Record):
    """Numbers of another protocol, shown beside the ranked ones; they never decide a rank."""

    name: Identifier
    """What its columns begin with: `real.top1` is the column `top1` of the join `real`."""
    title: FreeText
    """What stands above its columns."""
    protocol: Identifier
    """The protocol whose results are joined."""
    on: Literal["entry", "architecture"] = "entry"
    """What must be equal: the entry; or architecture and input size, many entries to one result (measured speed)."""
    environment: dict[str, Scalar] = {}
    """What the environment of a joined result must say, such as the GPU."""
    unmatched: Literal["hidden", "listed"] = "hidden"
    """`listed` gives a joined result that fits no ranked entry a row of its own, without a rank."""


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
    """The results that are ranked, each status on its own; imported ones on boards of their own."""
    extra_training_data: Literal["any", "none"] = "any"
    """`none` ranks only entries trained on nothing but ILSVRC-2012."""
    challenge: Identifier | None = None
    """The challenge that the board belongs to: it ranks only runs that the challenge's ledger accounts for."""
    columns: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    """The columns of the table, by their names in `leaderboard/columns.py`, in order; joined ones after their join."""
    joins: tuple[Join, ...] = ()
    """Numbers of other protocols beside the ranked ones."""
    plot_against: Identifier | None = None
    """The column that the plot opens with as its horizontal axis; the first cost when it is not given."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if "imported" in self.statuses and len(self.statuses) > 1:
            raise ValueError("statuses: imported results are ranked beside no others; give them a board of their own")
        names = [join.name for join in self.joins]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"joins: {min(doubled)!r} is the name of two; give one of them another")
        return self
