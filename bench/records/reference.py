"""Reference runs of a training protocol: how fast known networks learn under it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from bench.records.base import FileRecord, Record
from bench.records.names import FreeText, Identifier, Sha256

__all__ = ["ReferenceRun", "ReferenceRuns"]

Fraction = Annotated[float, Field(ge=0, le=1)]


class ReferenceRun(Record):
    """The course of one network."""

    network: FreeText
    """Which network it was."""
    seed: Annotated[int, Field(ge=0)]
    """Its seed."""
    epochs: Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1)]
    """After which epochs it was evaluated."""
    top1: tuple[Fraction, ...]
    """What it reached then."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.epochs) != len(self.top1) or list(self.epochs) != sorted(set(self.epochs)):
            raise ValueError("epochs rise, and each has one value")
        return self


class ReferenceRuns(FileRecord):
    """All that is known of a protocol, beside its file as `<protocol>.references.json`."""

    protocol: Identifier
    """The training protocol."""
    protocol_digest: Sha256
    """Its digest: another text has no reference runs."""
    source: FreeText
    """Where the numbers come from."""
    runs: Annotated[tuple[ReferenceRun, ...], Field(min_length=1)]
    """The runs."""
