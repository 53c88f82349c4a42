"""What may be said later about a result, which itself never changes: that it is taken back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bench.records.base import FileRecord
from bench.records.names import FreeText
from bench.records.result import RunId, Timestamp

__all__ = ["Retraction"]


class Retraction(FileRecord):
    """A result is withdrawn, or replaced by a better one; the result itself stays as it is."""

    run: RunId
    """The run that is withdrawn."""
    reason: FreeText
    """Why."""
    by: FreeText
    """Who says so."""
    created_at: Timestamp
    """When, UTC."""
    superseded_by: RunId | None = None
    """The run that takes its place."""
    ruling: Literal["penalty"] | None = None
    """`penalty`: the organisers ruled that the run broke a challenge's rules; it stays visible, and is not compared."""
    ledger: Annotated[int, Field(gt=0)] | None = None
    """The number of the entry of the challenge's ledger that says the same."""

    @property
    def state(self) -> Literal["retracted", "superseded", "penalised"]:
        """What became of the run, in a word."""
        if self.ruling == "penalty":
            return "penalised"
        return "superseded" if self.superseded_by else "retracted"
