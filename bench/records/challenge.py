"""A challenge: its teams, phases, deadlines, quota and hidden labels, as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from bench.files import digest_of
from bench.records.base import FileRecord, Record
from bench.records.names import FreeText, Identifier, LongText, Sha256

__all__ = ["Challenge", "Division", "Evaluator", "LabelSet", "Phase", "PublicKey", "Quota", "Team", "Track"]

Division = Literal["closed", "open"]
PublicKey = Annotated[str, StringConstraints(pattern=r"^ed25519:[0-9a-f]{64}$")]
"""The public half of a key of `bench keys`: `ed25519:` and 64 hex digits."""
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]


def _with_zone(value: Any) -> Any:
    """A time must say its zone: 23:59 in Hawaii and in Auckland are 22 hours apart."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value  # pydantic says what is wrong with it
        if moment.tzinfo is None:
            raise ValueError("has no time zone; write for example 2026-10-01T23:59:59-12:00, or Z for UTC")
        return moment
    return value


def _whole_seconds(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("has no time zone")
    if moment.microsecond:
        raise ValueError("has a fraction of a second; the ledger counts whole ones")
    return moment


Moment = Annotated[datetime, BeforeValidator(_with_zone), AfterValidator(_whole_seconds)]
"""A time with its zone, in whole seconds."""


class Quota(Record):
    """How much a team may submit, over a window that rolls with the clock."""

    scored: Annotated[int, Field(gt=0)] = 2
    """Scored submissions a team and window, over all divisions (the rule of the ILSVRC test server)."""
    attempts: Annotated[int, Field(gt=0)] = 10
    """Submissions that are started a team and window, refunded ones too: a refund is no free retry loop."""
    window_hours: Annotated[int, Field(gt=0)] = 168
    """The window's length; 168 hours are the 7 x 24 of a week. Calendar weeks would allow four within minutes."""

    @model_validator(mode="after")
    def _attempts_suffice(self) -> Self:
        if self.attempts < self.scored:
            raise ValueError(f"attempts ({self.attempts}) are fewer than the scored submissions ({self.scored})")
        return self


class Track(Record):
    """One division of a phase."""

    division: Division
    """The division; the protocol's is the same."""
    protocol: Identifier
    """The protocol; each track has its own, because its images and labels are its own."""
    board: Identifier
    """The board that shows the track; each track has its own."""
    labels: Identifier | None = None
    """The hidden label set, by its name in `[[labels]]`; null where the protocol's labels are public."""


class Phase(Record):
    """A stretch of time with boards of its own: development, then test."""

    name: Identifier
    """The phase's name, such as `development` or `test`."""
    start: Moment
    """The first moment at which a submission counts."""
    end: Moment
    """The first moment at which a submission is late."""
    quota: Quota = Quota()
    """How much a team may submit."""
    tracks: Annotated[tuple[Track, ...], Field(min_length=1)]
    """The divisions."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"the phase {self.name!r} ends ({self.end}) before it starts ({self.start})")
        _all_different("division", f"in the phase {self.name!r}", (track.division for track in self.tracks))
        return self


class LabelSet(Record):
    """Hidden labels, encrypted for those who may read them."""

    name: Identifier
    """The set's name."""
    file: FileName
    """The encrypted file, beside the challenge's file."""
    sha256: Sha256
    """The sha256 of the encrypted file."""
    readers: Annotated[tuple[FreeText, ...], Field(min_length=1)]
    """The evaluators who can read it, by name: the file is sealed for their keys and for no others."""


class Evaluator(Record):
    """Who runs submissions and writes the ledger."""

    name: FreeText
    """The name that the ledger shows."""
    key: PublicKey
    """The public key; it signs the ledger's entries and opens labels."""


class Team(Record):
    """Who takes part."""

    team: Identifier
    """The team's name; its submissions lie in a folder of this name."""
    title: FreeText | None = None
    """The name that people read."""
    key: PublicKey
    """The public key that its archives are signed with."""
    accounts: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    """The people who may submit for it. An account belongs to one team, and all of a team's share its quota."""


class Challenge(FileRecord):
    """The rules of one challenge."""

    id: Identifier
    """The challenge's name; its folder has the same name."""
    title: FreeText
    """What a person reads."""
    description: LongText | None = None
    """What it is about, in a few sentences."""
    hand_in: FreeText | None = None
    """Where archives go: an address or a link, shown by `bench submit`."""
    score_decimals: Annotated[int, Field(ge=1, le=6)] = 3
    """Digits of a hidden score that are published: 3 are steps of 0.1 points, which teach little about the labels."""
    lease_minutes: Annotated[int, Field(gt=0)] = 30
    """A running evaluation that shows no sign of life for so long is taken for dead, and refunded."""
    run_hours: Annotated[int, Field(gt=0)] = 24
    """An evaluation that takes longer is refunded, alive or not."""
    max_archive_mib: Annotated[int, Field(gt=0)] = 8192
    """The largest archive that is taken, in MiB."""
    max_files: Annotated[int, Field(gt=0)] = 10_000
    """The most files in an archive."""
    evaluators: Annotated[tuple[Evaluator, ...], Field(min_length=1)]
    """Who runs submissions and writes the ledger."""
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    """The phases, in order."""
    labels: tuple[LabelSet, ...] = ()
    """The hidden label sets."""
    teams: tuple[Team, ...] = ()
    """Who takes part."""

    def admission_digest(self) -> str:
        """The sha256 of what decides who is let in: the phases' times and quotas. Teams may register later."""
        kept = {"name", "start", "end", "quota"}
        return digest_of([phase.model_dump(mode="json", include=kept) for phase in self.phases])

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        tracks = [track for phase in self.phases for track in phase.tracks]
        _all_different("phase", "", (phase.name for phase in self.phases))
        _all_different("protocol", "of two tracks", (track.protocol for track in tracks))
        _all_different("board", "of two tracks", (track.board for track in tracks))
        _all_different("label set", "", (labels.name for labels in self.labels))
        _all_different("evaluator", "", (evaluator.name for evaluator in self.evaluators))
        _all_different("team", "", (team.team for team in self.teams))
        keys = [evaluator.key for evaluator in self.evaluators] + [team.key for team in self.teams]
        _all_different("key", "of two teams or evaluators", keys)
        _all_different("account", "of two teams", (name for team in self.teams for name in team.accounts))
        names = {labels.name for labels in self.labels}
        for track in tracks:
            if track.labels is not None and track.labels not in names:
                raise ValueError(f"the track {track.protocol!r} names the labels {track.labels!r}, which are not there")
        known = {evaluator.name for evaluator in self.evaluators}
        for labels in self.labels:
            if strangers := sorted(set(labels.readers) - known):
                raise ValueError(f"the reader {strangers[0]!r} of the labels {labels.name!r} is no evaluator")
        return self


def _all_different(noun: str, where: str, values: Iterable[str]) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"the {noun} {twice[0]!r} is there twice {where}".rstrip())
