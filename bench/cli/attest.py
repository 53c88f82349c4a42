"""`bench attest`: a maintainer stands for verified results."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.common import note, results_option

__all__ = ["attest"]


@click.command(short_help="Sign verified results with your key.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--key",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of your secret key; `bench keys new NAME` makes one.",
)
@results_option
def attest(runs: tuple[str, ...], key: Path, results: Path) -> None:
    """Sign verified results: you re-ran them, and you stand for their numbers.

    The signature lies beside the result as RUN.sig and covers the result's file, which images were right, and the
    counts by class. Pages show it as valid where your public key stands in the file keys.toml beside the results
    folder. Only a result with status verified can be signed; RUN is an id, the beginning of one, or a file.

    \b
    Examples:
      bench attest 20260801T101500Z-3f2a9c1b7d04 --key ~/.config/ilsvrc-bench/keys/me.key
      bench attest leaderboards/results/imagenet-val-closed/acme/vit/*Z-????????????.json --key me.key
    """
    from datetime import UTC, datetime

    from bench.attest import KEYS_FILE, attest, signature_state, trusted_keys
    from bench.signing import read_key
    from bench.store import Store

    secret, store, known = read_key(key), Store(results), trusted_keys(results)
    found = [store.get(run) for run in runs]
    for stored in found:
        click.echo(attest(stored, secret, now=datetime.now(UTC)))
    if any(signature_state(stored, known).state != "known key" for stored in found):
        note(
            f"Your key {secret.public} is not in {results.parent / KEYS_FILE} for today; pages will say that they do "
            "not know it."
        )
