"""`bench retract`: withdraw a result, visibly."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.common import challenges_option, key_option, results_option

__all__ = ["retract"]


@click.command(short_help="Withdraw a result; it stays visible as retracted.")
@click.argument("run", metavar="RUN")
@click.option("--reason", required=True, help="Why, in one sentence; shown on the page.")
@click.option("--by", required=True, help="Who says so.")
@click.option("--superseded-by", metavar="RUN", help="The run that takes its place.")
@results_option
@challenges_option
@key_option
def retract(
    run: str, reason: str, by: str, superseded_by: str | None, results: Path, challenges: Path, key: Path | None
) -> None:
    """Withdraw a result by a record beside it. The result itself stays as it is, and is no longer ranked.

    A result of a challenge is withdrawn by an evaluator of it: the challenge's ledger gets an entry that says so.

    \b
    Examples:
      bench retract 20260801T101500Z-3f2a9c1b7d04 --reason "wrong weights" --by "A. Maintainer"
      bench retract 20260801 --reason "new weights" --by Acme --superseded-by 20260901
    """
    from bench.store import Store

    store = Store(results)
    ref = store.get(run).result.ledger
    if ref is None:
        stored = store.retract(run, reason=reason, by=by, superseded_by=superseded_by)
    else:
        from bench.challenge.loaded import load_challenge
        from bench.challenge.withdrawal import withdraw_run

        ledger = load_challenge(ref.challenge, challenges).ledger_of(key)
        stored = withdraw_run(ledger, store, run, reason=reason, by=by, superseded_by=superseded_by)
    click.echo(stored.path.with_suffix(".retract.json"))
