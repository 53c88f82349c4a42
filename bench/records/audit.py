"""An audit: one question that was put to a model while it was evaluated, with its figures and its verdict."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from bench.records.base import Record
from bench.records.names import FreeText, LongText

__all__ = ["Audit", "failed"]


class Audit(Record):
    """What one audit found; see `docs/verification.md` for what each of them asks."""

    id: Annotated[str, StringConstraints(pattern=r"^A\d{1,2}$")]
    """The audit's id, such as `A4`."""
    title: FreeText
    """What must hold."""
    outcome: Literal["passed", "failed", "not-run"]
    """`not-run` where there was nothing to judge by, such as too few images."""
    figures: dict[str, str | int | float | bool | None] = {}
    """What was found."""
    threshold: LongText
    """When it fails."""
    sentence: LongText
    """What the figures say."""


def failed(audits: tuple[Audit, ...]) -> tuple[Audit, ...]:
    """The audits that failed."""
    return tuple(audit for audit in audits if audit.outcome == "failed")
