"""The entries of a challenge's ledger: who spent what, when, and who says so."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints

from bench.files import canonical_json, digest_of
from bench.records.base import FileRecord
from bench.records.challenge import Division, PublicKey
from bench.records.names import FreeText, Identifier, LongText, Sha256
from bench.records.result import RunId, Timestamp

__all__ = ["ACTIONS", "Action", "Entry"]

Action = Literal["reserve", "score", "refund", "reject", "retract", "supersede", "penalty", "waive"]

ACTIONS: dict[Action, str] = {
    "reserve": "an evaluation starts and holds a place of the team's quota",
    "score": "the evaluation is over and the place is spent; `outcome` is `ok` or says why there is no number",
    "refund": "the evaluation gave no hidden score, and the place is free again",
    "reject": "a submission was not let in; `outcome` says which rule",
    "retract": "a result is withdrawn",
    "supersede": "a result is withdrawn, and another one takes its place",
    "penalty": "a result is ruled not comparable, or a team may not submit until `until`",
    "waive": "the rules of time and number are set aside for one submission",
}
"""What an entry can say."""

Signature = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]


class Entry(FileRecord):
    """One line of the ledger.

    A key that is added later has None as its default: what is None is not written, so old lines stay as they are.
    """

    sequence: Annotated[int, Field(gt=0)]
    """The number of the entry, from 1."""
    previous: Sha256
    """The hash of the entry before; that of the first entry is the sha256 of the challenge's id."""
    time: Timestamp
    """When it was written, UTC, by the evaluator's clock; never before the entry before."""
    challenge: Identifier
    """The challenge."""
    action: Action
    """What happened; see `ACTIONS`."""
    team: Identifier
    """The team that it is about."""
    account: Identifier | None = None
    """Who submitted."""
    phase: Identifier | None = None
    """The phase."""
    division: Division | None = None
    """The division."""
    name: Identifier | None = None
    """The submission's name."""
    submission: Sha256 | None = None
    """The digest of the submission's archive."""
    protocol: Sha256 | None = None
    """The digest of the protocol."""
    rules: Sha256 | None = None
    """The digest of the phases' times and quotas as they were (entries `reserve` and `reject`)."""
    about: Annotated[int, Field(gt=0)] | None = None
    """The sequence number of the entry that this one is about: for `score` and `refund` the reservation."""
    received: Timestamp | None = None
    """When the archive came in, where that is not `time`; deadlines are judged by it."""
    until: Timestamp | None = None
    """For `reserve` when the place is free again at the latest, for `penalty` how long the team may not submit."""
    outcome: Identifier | None = None
    """For `score` and `refund` how the evaluation ended, for `reject` which rule it broke."""
    run: RunId | None = None
    """The run that a `retract`, `supersede` or `penalty` is about."""
    result: Sha256 | None = None
    """For `score` and `refund` the digest of the published record: one that is edited later no longer fits."""
    torn: Annotated[tuple[Sha256, ...], Field(min_length=1)] | None = None
    """The sha256 of each broken line that killed writers had left before this entry; they were put aside."""
    actor: FreeText
    """Who wrote the entry."""
    reason: LongText
    """Why."""
    signer: PublicKey | None = None
    """The evaluator's key, where the entry is signed."""
    signature: Signature | None = None
    """The signature of `hash`."""
    hash: Sha256
    """The sha256 of the canonical JSON of all of this but `hash` and `signature`."""

    @classmethod
    def create(cls, **fields: Any) -> Self:
        """A new, unsigned entry with its hash.

        Raises:
            pydantic.ValidationError: A field is not valid.
        """
        draft = cls(hash="0" * 64, **fields)
        return draft.model_copy(update={"hash": draft.computed_hash()})

    def computed_hash(self) -> str:
        """What `hash` must be."""
        return digest_of({key: value for key, value in self.as_json().items() if key not in ("hash", "signature")})

    def to_line(self) -> bytes:
        """The entry as the one line that a ledger may hold for it."""
        return (canonical_json(self.as_json()) + "\n").encode()
