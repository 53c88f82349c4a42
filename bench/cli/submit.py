"""`bench submit`: a submission's folder becomes a signed archive for a challenge."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.common import challenges_option, json_option, key_option, note, print_json

__all__ = ["submit"]


@click.command(short_help="Pack a submission for a challenge: a signed archive.")
@click.argument("submission", metavar="FOLDER")
@click.option("--challenge", required=True, metavar="ID", help="The challenge's id, or its folder.")
@click.option("--phase", help="The phase.  [default: the one that is open now]")
@click.option(
    "--division", type=click.Choice(["closed", "open"]), default="closed", show_default=True, help="The division."
)
@click.option("--account", metavar="NAME", help="Who submits.  [default: the team's account, if it has one only]")
@key_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder that the archive goes to.  [default: this one]",
)
@challenges_option
@json_option
def submit(
    submission: str,
    challenge: str,
    phase: str | None,
    division: str,
    account: str | None,
    key: Path | None,
    out: Path,
    challenges: Path,
    as_json: bool,
) -> None:
    """Pack a submission's folder for a challenge, and sign it with the team's key.

    What can be checked without images and without running code is checked: the manifest, that the challenge knows team
    and key, links, names and sizes. `bench check` looks closer and costs no quota either. Equal folders give equal
    archives: what was scored once is never charged again.

    \b
    Examples:
      bench submit submissions/acme/vit --challenge ilsvrc-2026
      bench submit submissions/acme/vit --challenge ilsvrc-2026 --phase test --division open --account ann
    """
    from bench.challenge.loaded import find_key, load_challenge
    from bench.challenge.submitting import archive_of, current_phase
    from bench.models.source import open_submission

    loaded = load_challenge(challenge, challenges)
    team = loaded.team(open_submission(submission).team)
    packed = archive_of(
        submission,
        loaded,
        phase=phase or current_phase(loaded),
        division="open" if division == "open" else "closed",
        account=account,
        key=find_key(key, [team.key], noun=f"the team {team.team}"),
        out=out,
    )
    envelope = packed.envelope
    for sentence in packed.notes:
        note(f"Note: {sentence}")
    if as_json:
        print_json({"archive": str(packed.path), "digest": envelope.archive_digest, "envelope": envelope.as_json()})
        return
    click.echo(packed.path)
    note(
        f"{envelope.team}/{envelope.name} for {envelope.challenge}, {envelope.phase}, {envelope.division} division: "
        f"{len(envelope.files):,} files, {envelope.num_bytes:,} bytes, digest {envelope.archive_digest[:12]}."
    )
    note(f"Hand it in: {loaded.rules.hand_in}" if loaded.rules.hand_in else "Hand it in as the organisers say.")
