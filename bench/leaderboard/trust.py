"""What a page says of how far a run can be trusted: isolation, audits, signature, and how to run it again."""

from __future__ import annotations

from typing import NamedTuple

from bench.attest import UNSIGNED, SignatureState
from bench.leaderboard.facts import Fact
from bench.records.audit import Audit
from bench.records.result import Result
from bench.records.verified import may_be_verified, reproducing_command

__all__ = ["AuditRow", "Trust", "signature_badge", "trust_of"]


class AuditRow(NamedTuple):
    """One audit."""

    id: str
    title: str
    outcome: str
    css: str
    """The class of its badge."""
    sentence: str
    threshold: str
    """When it fails, for a tool tip."""
    figures: str


class Trust(NamedTuple):
    """What a section says of one run."""

    facts: list[Fact]
    doubts: tuple[str, ...]
    """Why its status is not borne out, a clause each."""
    audits: list[AuditRow]
    limits: list[tuple[str, str]]
    """Names and values of what the model's process could take."""


_CSS = {"passed": "verified", "failed": "failed", "not-run": ""}


def trust_of(result: Result, signature: SignatureState = UNSIGNED) -> Trust | None:
    """What there is to say of a run; None where the record says nothing, as those of older ones and imported ones.

    Args:
        result: The run.
        signature: What the signature beside it is worth.
    """
    is_verified = result.status == "verified"
    if not (is_verified or result.layers or result.audits or signature.state != "unsigned"):
        return None
    command = reproducing_command(result, result.run)
    facts = [
        Fact("Isolation", result.isolation or "not recorded"),
        *([Fact("Layers", ", ".join(result.layers))] if result.layers else []),
        *([Fact("Signature", signature.words)] if is_verified or signature.state != "unsigned" else []),
        *([Fact("Run it again", command, code=True)] if command else []),
    ]
    return Trust(
        facts=facts,
        doubts=may_be_verified(result.isolation, result.layers, result.audits) if is_verified else (),
        audits=[_row(audit) for audit in result.audits],
        limits=[(name, f"{value:,}") for name, value in sorted(result.limits.items())],
    )


def _row(audit: Audit) -> AuditRow:
    figures = ", ".join(f"{name} {value}" for name, value in audit.figures.items())
    return AuditRow(audit.id, audit.title, audit.outcome, _CSS[audit.outcome], audit.sentence, audit.threshold, figures)


def signature_badge(state: str | None) -> tuple[str, str, str] | None:
    """How a board marks a signed run: text, class and tool tip; None where there is nothing to mark.

    Args:
        state: `SignatureState.state`, or None for an unsigned run.

    >>> signature_badge("known key")[0], signature_badge(None)
    ('attested', None)
    """
    if state == "known key":
        return "attested", "verified", "A maintainer ran it again and signed the result."
    if state == "invalid":
        return "signature broken", "failed", "The signature does not fit the result; see its page."
    return None
