"""What the public sees of a run in a challenge, and how the ledger vouches for it.

For hidden labels a record says who was measured under what, the rounded score, the number of images and the rank, and
nothing else: counts, intervals, answers, confusions, times and messages stay in the evaluator's private store. A team
that could make any of them vary could read labels, or pixels, from what is published.
"""

from __future__ import annotations

from typing import Any

from bench.challenge.times import moment_of
from bench.errors import LedgerError
from bench.files import digest_of
from bench.records.ledger import Entry
from bench.records.protocol import Protocol
from bench.records.result import Estimate, Failure, LedgerRef, Result

__all__ = ["accounted", "evidence_digest", "redacted", "references"]

_PUBLIC_FIELDS = (
    "bench_version",
    "status",
    "submission",
    "protocol",
    "dataset",
    "precision",
    "device_type",
    "isolation",
    "layers",
)
"""The fields of a hidden result that are published as they are: none of them depends on an image or on an answer."""


def redacted(result: Result, protocol: Protocol, *, decimals: int) -> Result:
    """A result as it may be published: unchanged, unless the protocol hides its labels.

    Args:
        result: The whole result.
        protocol: Its protocol.
        decimals: How many digits of the score are published.
    """
    if not protocol.hidden:
        return result
    fields: dict[str, Any] = {name: getattr(result, name) for name in _PUBLIC_FIELDS}
    bare = {"figures": {}, "sentence": "its figures stay with the evaluator"}
    fields["audits"] = tuple(audit.model_copy(update=bare) for audit in result.audits)
    if result.failure is not None:
        message = "hidden labels: what happened is told to the team by the evaluator, and not published"
        fields["failure"] = Failure(outcome=result.failure.outcome, message=message)
    elif protocol.metrics is not None and (estimate := result.metrics.get(protocol.metrics.rank_by)) is not None:
        shown = Estimate(value=round(estimate.value, decimals), num_samples=estimate.num_samples)
        fields["metrics"] = {protocol.metrics.rank_by: shown}
    return Result.create(now=moment_of(result.created_at), **fields)


def references(reservation: Entry, *, rank: int | None = None) -> LedgerRef:
    """What a record says of the ledger before the entry that ends the reservation is there."""
    if reservation.phase is None or reservation.division is None:
        raise LedgerError(f"the entry {reservation.sequence} says neither phase nor division")
    return LedgerRef(
        challenge=reservation.challenge,
        phase=reservation.phase,
        division=reservation.division,
        rank=rank,
        sequence=reservation.sequence,
        head=reservation.hash,
    )


def evidence_digest(result: Result) -> str:
    """What the entry that ends a run says of the published record: the sha256 of all that is known before the entry is.

    Left out are the run id and the entry's own number and hash.
    """
    content = {key: value for key, value in result.as_json().items() if key != "run"}
    if "ledger" in content:
        content["ledger"] = {key: value for key, value in content["ledger"].items() if key not in ("sequence", "head")}
    return digest_of(content)


def accounted(result: Result, ref: LedgerRef, entry: Entry | None = None) -> Result:
    """The record with its reference to the ledger, and the run id that follows.

    Args:
        result: The record, as it may be published.
        ref: What it says of the ledger.
        entry: The entry that ended the run, once it is there.
    """
    if entry is not None:
        ref = ref.model_copy(update={"sequence": entry.sequence, "head": entry.hash})
    fields = {name: getattr(result, name) for name in Result.model_fields if name not in ("run", "created_at")}
    return Result.create(now=moment_of(result.created_at), **fields | {"ledger": ref})
