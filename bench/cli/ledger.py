"""`bench ledger`: read a challenge's ledger, and prove that nobody changed it."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.common import challenges_option, json_option, note, print_json, print_table, results_option
from bench.inert import inert_line

__all__ = ["ledger"]


@click.group(short_help="Show a challenge's ledger, and prove it untampered.")
def ledger() -> None:
    """Show a challenge's ledger, and prove it untampered.

    The ledger is `challenges/<id>/ledger.jsonl`: a line for each submission that was let in, scored, refunded or
    rejected. Each line holds the hash of the line before it.
    """


@ledger.command(short_help="Prove that a ledger was not changed.")
@click.argument("challenge", metavar="CHALLENGE")
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="N:HASH",
    help="The entry N had this hash when you looked (12 digits or more); may be repeated.",
)
@challenges_option
@results_option
@json_option
def verify(challenge: str, heads: tuple[str, ...], challenges: Path, results: Path, as_json: bool) -> None:
    """Prove that a ledger was not changed; exit 1 and name the place where it was.

    Looked at are the chain of hashes, byte for byte; the evaluators' signatures; the head that every scored result
    holds, so that lines cut off at the end are missed; that results are as they were scored; and that no team was let
    in beyond its quota.

    \b
    Examples:
      bench ledger verify ilsvrc-2026
      bench ledger verify ilsvrc-2026 --head 41:9f2c0de1a7b3
    """
    from bench.challenge.loaded import load_challenge
    from bench.challenge.verification import verify_ledger
    from bench.store import Store

    loaded = load_challenge(challenge, challenges)
    known = dict(_head(text) for text in heads)
    scan = Store(results).scan() if results.is_dir() else None
    for error in scan.broken if scan else []:
        note(f"Error: {error}")
    report = verify_ledger(loaded.ledger(), loaded.rules, scan.stored if scan else [], heads=known)
    if as_json:
        print_json(report._asdict())
    else:
        for fault in report.faults:
            click.echo(inert_line(fault))
        click.echo(
            f"{report.num_entries} entries, {report.num_signed} signed, held against {report.num_heads} heads; "
            f"head {report.num_entries}:{report.head}"
        )
    if report.faults or (scan and scan.broken):
        raise click.exceptions.Exit(1)


def _head(text: str) -> tuple[int, str]:
    from bench.errors import UsageError

    number, _, head = text.partition(":")
    if not number.isdigit() or int(number) < 1 or len(head) < 12:
        raise UsageError(f"--head {text!r} is not of the form N:HASH with 12 digits of the hash or more")
    return int(number), head


@ledger.command(short_help="Show the entries of a ledger.")
@click.argument("challenge", metavar="CHALLENGE")
@click.option("--team", help="Only the entries of this team.")
@click.option("--phase", help="Only the entries of this phase.")
@challenges_option
@json_option
def show(challenge: str, team: str | None, phase: str | None, challenges: Path, as_json: bool) -> None:
    """Show what a ledger holds, an entry a row.

    \b
    Examples:
      bench ledger show ilsvrc-2026
      bench ledger show ilsvrc-2026 --team acme --json
    """
    from bench.challenge.loaded import load_challenge

    loaded = load_challenge(challenge, challenges)
    chain = loaded.ledger().read()
    entries = [entry for entry in chain.entries if team in (None, entry.team) and phase in (None, entry.phase)]
    if as_json:
        print_json([entry.as_json() for entry in entries])
    else:
        rows = [
            [
                str(entry.sequence),
                entry.time,
                entry.action,
                "/".join(part for part in (entry.team, entry.name) if part),
                entry.phase or "",
                entry.division or "",
                entry.outcome or "",
                "" if entry.about is None else str(entry.about),
                entry.actor,
                entry.reason,
            ]
            for entry in entries
        ]
        headers = ["entry", "time", "action", "submission", "phase", "division", "outcome", "about", "by", "reason"]
        print_table(f"{loaded.rules.title}: {len(chain.entries)} entries", headers, rows)
    for fault in chain.faults:
        note(f"Error: {loaded.ledger_path}: {fault}")
    if chain.faults:
        raise click.exceptions.Exit(1)
