"""What a team does: its folder, checked lightly, becomes a signed archive."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from bench.challenge.archive import pack
from bench.challenge.envelope import Envelope
from bench.challenge.loaded import LoadedChallenge
from bench.challenge.reservations import phase_of
from bench.challenge.times import now_utc
from bench.challenge.tree import files_of
from bench.errors import SubmissionError, UsageError
from bench.models.source import open_submission
from bench.records.challenge import Division
from bench.signing import SecretKey

__all__ = ["Packed", "archive_of", "current_phase"]


class Packed(NamedTuple):
    """An archive that is ready to be handed in."""

    path: Path
    """Where it lies."""
    envelope: Envelope
    """Its envelope."""
    notes: tuple[str, ...]
    """Sentences for the team: that the phase is over by its clock, say."""


def current_phase(loaded: LoadedChallenge) -> str:
    """The phase that is open now by this machine's clock.

    Raises:
        UsageError: None is, or several are.
    """
    now = now_utc()
    names = [phase.name for phase in loaded.rules.phases if phase.start <= now < phase.end]
    if len(names) != 1:
        times = "; ".join(f"{p.name} {p.start.isoformat()} to {p.end.isoformat()}" for p in loaded.rules.phases)
        found = "no phase is open now" if not names else f"several phases are open now: {', '.join(names)}"
        raise UsageError(f"{found} ({times}); name one with --phase")
    return names[0]


def archive_of(
    folder: str,
    loaded: LoadedChallenge,
    *,
    phase: str,
    division: Division,
    account: str | None,
    key: SecretKey,
    out: Path,
) -> Packed:
    """Makes the signed archive of a submission's folder.

    Checked is what needs no images and runs no code: the manifest, team and key, files and sizes, the classes. What
    else is wrong, `bench check` and the evaluation find.

    Args:
        folder: The submission's folder.
        loaded: The challenge.
        phase: The phase.
        division: The division.
        account: Who submits; None where the team has one account only.
        key: The team's key.
        out: The folder that the archive goes to.

    Raises:
        UsageError: Nothing says which account submits.
        ChallengeError: Team, key, account, phase or division do not fit the challenge.
        SubmissionError: The folder is no submission, or holds what cannot be handed in.
        StoreError: The archive cannot be written.
    """
    rules, submission = loaded.rules, open_submission(folder)
    if submission.folder is None:
        raise UsageError(f"{folder!r} has no folder to hand in; `bench new --source timm` makes one that names it")
    team = loaded.team(submission.team)
    if account is None:
        if len(team.accounts) > 1:
            raise UsageError(f"{team.team!r} has the accounts {', '.join(team.accounts)}; name yours with --account")
        account = team.accounts[0]
    track = loaded.track(phase, division)
    classes = loaded.protocols[track.protocol].dataset.name
    if submission.manifest.outputs.classes != classes:
        raise SubmissionError(
            f"is {submission.manifest.outputs.classes!r}, the challenge is about {classes!r}",
            path=submission.manifest_path,
            key="outputs.classes",
        )
    _check_weights_are_there(submission.manifest.model.weights, submission.manifest_path)
    files = files_of(submission.folder, max_bytes=rules.max_archive_mib << 20, max_files=rules.max_files)
    envelope = Envelope(
        challenge=rules.id,
        phase=phase,
        division=division,
        team=submission.team,
        account=account,
        name=submission.name,
        submission=submission.digest,
        files=files,
        key=key.public,
    ).signed_by(key)
    loaded.check_envelope(envelope)
    path = out / f"{submission.team}-{submission.name}-{envelope.archive_digest[:12]}.tar"
    pack(submission.folder, envelope, path)
    return Packed(path, envelope, _notes(loaded, phase))


def _check_weights_are_there(weights: str | None, manifest: Path | str) -> None:
    """An evaluation downloads nothing: weights travel in the archive."""
    if weights is not None and "://" in weights:
        raise SubmissionError(
            f"is the link {weights!r}, and an evaluation downloads nothing; put the file into the folder",
            path=manifest,
            key="model.weights",
        )


def _notes(loaded: LoadedChallenge, name: str) -> tuple[str, ...]:
    phase, now = phase_of(loaded.rules, name), now_utc()
    if now >= phase.end:
        return (f"The phase {name} ended at {phase.end.isoformat()}: this will be shown as late.",)
    if now < phase.start:
        return (f"The phase {name} starts at {phase.start.isoformat()}: before that it will not be evaluated.",)
    return ()
