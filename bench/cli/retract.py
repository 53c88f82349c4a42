"""`bench retract`: withdraw a result, visibly."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.common import results_option

__all__ = ["retract"]


@click.command(short_help="Withdraw a result; it stays visible as retracted.")
@click.argument("run", metavar="RUN")
@click.option("--reason", required=True, help="Why, in one sentence; shown on the page.")
@click.option("--by", required=True, help="Who says so.")
@click.option("--superseded-by", metavar="RUN", help="The run that takes its place.")
@results_option
def retract(run: str, reason: str, by: str, superseded_by: str | None, results: Path) -> None:
    """Withdraw a result by a record beside it. The result itself stays as it is, and is no longer ranked.

    \b
    Examples:
      bench retract 20260801T101500Z-3f2a9c1b7d04 --reason "wrong weights" --by "A. Maintainer"
      bench retract 20260801 --reason "new weights" --by Acme --superseded-by 20260901
    """
    from bench.store import Store

    stored = Store(results).retract(run, reason=reason, by=by, superseded_by=superseded_by)
    click.echo(stored.path.with_suffix(".retract.json"))
