"""A challenge with the files that it names: `challenges/<id>/challenge.toml`, and its ledger beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.challenge.envelope import Envelope
from bench.challenge.ledger import Ledger
from bench.challenge.reservations import phase_of
from bench.errors import ChallengeError, RecordError, UsageError, nearest
from bench.protocols import load_protocol
from bench.records.challenge import Challenge, Division, Evaluator, LabelSet, Team, Track
from bench.records.protocol import Protocol
from bench.signing import SecretKey, keys_folder, read_key

__all__ = ["CHALLENGE_FILE", "LoadedChallenge", "challenge_ids", "find_key", "load_challenge"]

CHALLENGE_FILE = "challenge.toml"


@dataclass(frozen=True, kw_only=True)
class LoadedChallenge:
    """A challenge whose file is valid and whose protocols fit it."""

    rules: Challenge
    """Its file."""
    folder: Path
    """The folder that the file lies in."""
    protocols: dict[str, Protocol]
    """From the id of each track's protocol to the protocol."""

    @property
    def ledger_path(self) -> Path:
        """The ledger's file."""
        return self.folder / "ledger.jsonl"

    def ledger(self, evaluator: Evaluator | None = None, key: SecretKey | None = None) -> Ledger:
        """The ledger, for reading; or for an evaluator who writes and signs."""
        actor = "unknown" if evaluator is None else evaluator.name
        return Ledger(self.ledger_path, self.rules.id, actor=actor, key=key)

    def evaluator_key(self, path: Path | None) -> SecretKey:
        """The key of an evaluator: the one in a file, or the one among the user's keys that fits.

        Raises:
            RecordError: The file holds no key.
            UsageError: None of the user's keys is an evaluator's.
        """
        publics = [evaluator.key for evaluator in self.rules.evaluators]
        return find_key(path, publics, noun=f"an evaluator of {self.rules.id}")

    def ledger_of(self, path: Path | None) -> Ledger:
        """The ledger as an evaluator writes and signs it, whose key is found as `evaluator_key` does."""
        key = self.evaluator_key(path)
        return self.ledger(self.evaluator(key), key)

    def track(self, phase: str, division: Division) -> Track:
        """The division of a phase.

        Raises:
            ChallengeError: There is none.
        """
        tracks = phase_of(self.rules, phase).tracks
        for track in tracks:
            if track.division == division:
                return track
        known = ", ".join(track.division for track in tracks)
        raise ChallengeError(f"the phase {phase!r} of {self.rules.id!r} has no {division} division, only {known}")

    def team(self, name: str) -> Team:
        """A team that takes part.

        Raises:
            ChallengeError: It does not.
        """
        for team in self.rules.teams:
            if team.team == name:
                return team
        known = nearest(name, [team.team for team in self.rules.teams])
        raise ChallengeError(f"the team {name!r} does not take part in {self.rules.id!r}: {known}")

    def label_set(self, name: str) -> LabelSet:
        """A hidden label set.

        Raises:
            ChallengeError: There is none of this name.
        """
        for labels in self.rules.labels:
            if labels.name == name:
                return labels
        known = nearest(name, [labels.name for labels in self.rules.labels])
        raise ChallengeError(f"the challenge {self.rules.id!r} has no labels {name!r}: {known}")

    def evaluator(self, key: SecretKey) -> Evaluator:
        """The evaluator whose key this is.

        Raises:
            ChallengeError: It is nobody's.
        """
        for evaluator in self.rules.evaluators:
            if evaluator.key == key.public:
                return evaluator
        raise ChallengeError(f"{key.public} is the key of no evaluator of {self.rules.id!r}")

    def check_envelope(self, envelope: Envelope) -> Track:
        """Makes sure that an archive is for this challenge, and was signed by the team that it names.

        Returns:
            The track that it is for.

        Raises:
            ChallengeError: Challenge, phase, division, team, key or account do not fit.
        """
        if envelope.challenge != self.rules.id:
            raise ChallengeError(f"the archive is for the challenge {envelope.challenge!r}, this is {self.rules.id!r}")
        team = self.team(envelope.team)
        if envelope.key != team.key:
            raise ChallengeError(f"the archive is signed with {envelope.key}; the key of {team.team!r} is {team.key}")
        if envelope.account not in team.accounts:
            known = nearest(envelope.account, team.accounts)
            raise ChallengeError(f"the account {envelope.account!r} is not registered for {team.team!r}: {known}")
        return self.track(envelope.phase, envelope.division)


def challenge_ids(folder: Path) -> list[str]:
    """The challenges in a folder, sorted."""
    return sorted(path.parent.name for path in folder.glob(f"*/{CHALLENGE_FILE}"))


def load_challenge(name: str, folder: Path = Path("challenges")) -> LoadedChallenge:
    """A challenge, checked against the protocols that it names.

    Args:
        name: Its id, or the path of its folder or file.
        folder: Where challenges lie.

    Raises:
        UsageError: There is no such challenge; the nearest ids are offered.
        RecordError: Its file is not valid, or does not fit a protocol.
    """
    path = Path(name)
    if path.name != CHALLENGE_FILE:
        path = path / CHALLENGE_FILE if (path / CHALLENGE_FILE).is_file() else folder / name / CHALLENGE_FILE
    if not path.is_file():
        raise UsageError(f"there is no challenge {name!r} in {folder}: {nearest(name, challenge_ids(folder))}")
    rules = Challenge.load(path)
    if rules.id != path.resolve().parent.name:
        raise RecordError(f"is {rules.id!r}, but the folder is {path.resolve().parent.name!r}", path=path, key="id")
    protocols = {}
    for number, phase in enumerate(rules.phases):
        for at, track in enumerate(phase.tracks):
            try:
                protocols[track.protocol] = _protocol(track, path.parent)
            except (UsageError, RecordError, ChallengeError) as error:
                key = f"phases.{number}.tracks.{at}.protocol"
                raise RecordError(str(error), path=path, key=key) from error
    return LoadedChallenge(rules=rules, folder=path.parent, protocols=protocols)


def _protocol(track: Track, folder: Path) -> Protocol:
    """A track's protocol: one that lies beside the challenge's file, or one that ships with bench."""
    own = folder / f"{track.protocol}.toml"
    protocol = load_protocol(str(own) if own.is_file() else track.protocol)
    if protocol.kind != "evaluate":
        raise ChallengeError(f"{protocol.id!r} is of kind {protocol.kind!r}; a challenge needs kind 'evaluate'")
    if protocol.division != track.division:
        raise ChallengeError(f"{protocol.id!r} is of the {protocol.division} division, the track says {track.division}")
    if bool(protocol.hidden) != (track.labels is not None):
        found = "hides its labels, and the track names none" if protocol.hidden else "does not hide its labels"
        raise ChallengeError(f"{protocol.id!r} {found}; a track names labels exactly where its protocol hides them")
    return protocol


def find_key(path: Path | None, publics: Iterable[str], *, noun: str) -> SecretKey:
    """The secret key that a user named, or the one in the user's keys that fits.

    Args:
        path: The file that was named; None to look among the user's keys.
        publics: The public keys that may be meant.
        noun: Whose key it is, for the message.

    Raises:
        RecordError: The file that was named cannot be read.
        UsageError: No key of the user fits.
    """
    if path is not None:
        return read_key(path)
    wanted = set(publics)
    for found in sorted(keys_folder().glob("*.key")):
        key = read_key(found)
        if key.public in wanted:
            return key
    raise UsageError(f"none of your keys in {keys_folder()} is that of {noun}; name its file with --key")
