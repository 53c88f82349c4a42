"""`bench challenge penalty` and `bench challenge waive`: what organisers rule, said in the ledger."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from bench.cli.common import challenges_option, key_option, results_option

__all__ = ["penalty", "sweep", "time_of", "waive"]


@click.command(short_help="Rule that a run is not comparable, or bar a team for a time.")
@click.argument("name", metavar="CHALLENGE")
@click.option("--run", "run_id", metavar="RUN", help="The run that is ruled not comparable.")
@click.option("--team", help="The team that may not submit, together with --until.")
@click.option("--until", metavar="TIME", help="Until when, with its time zone.")
@click.option("--reason", required=True, help="Why, in one sentence; shown on the board.")
@key_option
@challenges_option
@results_option
def penalty(
    name: str,
    run_id: str | None,
    team: str | None,
    until: str | None,
    reason: str,
    key: Path | None,
    challenges: Path,
    results: Path,
) -> None:
    """Rule that a run broke the rules, or bar a team for a time. Nothing is removed: the board says what was ruled.

    \b
    Examples:
      bench challenge penalty ilsvrc-2026 --run 20261001T101500Z-3f2a9c1b7d04 --reason "trained on the test images"
      bench challenge penalty ilsvrc-2026 --team acme --until 2027-10-01T00:00:00Z --reason "thirty accounts"
    """
    from bench.challenge.loaded import load_challenge
    from bench.challenge.reservations import penalise
    from bench.challenge.times import stamp
    from bench.challenge.withdrawal import withdraw_run
    from bench.errors import UsageError
    from bench.store import Store

    loaded = load_challenge(name, challenges)
    ledger = loaded.ledger_of(key)
    if run_id is not None and team is None and until is None:
        stored = withdraw_run(ledger, Store(results), run_id, reason=reason, by=ledger.actor, ruling="penalty")
        click.echo(stored.path.with_suffix(".retract.json"))
    elif run_id is None and team is not None and until is not None:
        entry = penalise(ledger, team=loaded.team(team).team, until=stamp(time_of(until, "--until")), reason=reason)
        click.echo(f"entry {entry.sequence}: {team} may not submit until {entry.until}")
    else:
        raise UsageError("give either --run, or --team together with --until")


@click.command(short_help="Set the rules of time and number aside for one archive.")
@click.argument("name", metavar="CHALLENGE")
@click.argument("archive", metavar="ARCHIVE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--reason", required=True, help="Why, in one sentence; the ledger keeps it.")
@key_option
@challenges_option
def waive(name: str, archive: Path, reason: str, key: Path | None, challenges: Path) -> None:
    """Let one archive in although it is late, over the quota, or its team is barred; the ledger says who did, and why.

    \b
    Example:
      bench challenge waive ilsvrc-2026 acme-vit-3f2a9c1b7d04.tar --reason "the upload server was down"
    """
    from bench.challenge.archive import read_envelope
    from bench.challenge.loaded import load_challenge
    from bench.challenge.quota import request_of
    from bench.challenge.reservations import waive as waive_rules

    loaded = load_challenge(name, challenges)
    with archive.open("rb") as stream:
        envelope = read_envelope(stream, archive)
    track = loaded.check_envelope(envelope)
    request = request_of(envelope, loaded.protocols[track.protocol].digest())
    entry = waive_rules(loaded.ledger_of(key), request, reason=reason)
    click.echo(f"entry {entry.sequence}: {envelope.team}/{envelope.name} is let in")


@click.command(short_help="Refund evaluations that nobody works on any more.")
@click.argument("name", metavar="CHALLENGE")
@key_option
@challenges_option
def sweep(name: str, key: Path | None, challenges: Path) -> None:
    """Refund evaluations that nobody works on any more: those without a sign of life, and those past their deadline.

    Every `bench challenge run` does this first. Run it by the clock where teams shall see their places freed earlier.

    \b
    Example:
      bench challenge sweep ilsvrc-2026
    """
    from bench.challenge.loaded import load_challenge
    from bench.challenge.reservations import sweep as sweep_stuck

    loaded = load_challenge(name, challenges)
    ledger = loaded.ledger_of(key)
    with ledger.transaction() as transaction:
        refunds = sweep_stuck(transaction, ledger, loaded.rules)
    for entry in refunds:
        click.echo(f"entry {entry.sequence}: {entry.team}/{entry.name} is refunded, {entry.reason}")


def time_of(text: str, option: str) -> datetime:
    """The time that an option names, with its zone.

    Raises:
        UsageError: It is no time, or has no zone.
    """
    from bench.errors import UsageError

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UsageError(f"{option} {text!r} is no time with a zone; write for example 2026-10-01T23:59:59-12:00")
    return moment
