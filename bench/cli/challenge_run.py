"""`bench challenge run`: evaluate what teams handed in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.challenge_rulings import time_of
from bench.cli.common import (
    cache_folder_of,
    cache_options,
    challenges_option,
    data_option,
    device_option,
    isolation_option,
    json_option,
    key_option,
    note,
    predictions_option,
    print_json,
    print_table,
    progress_bar,
    results_option,
    workers_option,
)

if TYPE_CHECKING:
    from bench.backends.isolation import Isolation
    from bench.challenge.office import Verdict

__all__ = ["run"]


@click.command(short_help="Evaluate archives that teams handed in.")
@click.argument("name", metavar="CHALLENGE")
@click.argument(
    "archives",
    nargs=-1,
    required=True,
    metavar="ARCHIVE...",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@data_option
@key_option
@click.option("--received", metavar="TIME", help="When the archives came in, with its time zone.  [default: now]")
@click.option(
    "--private",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="BENCH_PRIVATE",
    show_envvar=True,
    help="Folder of whole results of hidden labels.  [default: among your user data]",
)
@isolation_option
@click.option("--audit/--no-audit", default=True, show_default=True, help="Audit models while they are evaluated.")
@device_option
@click.option(
    "--batch-size", type=click.IntRange(min=1), metavar="N", help="Images a batch.  [default: 32, cuda 256, mps 64]"
)
@workers_option
@cache_options
@challenges_option
@results_option
@predictions_option
@json_option
def run(
    name: str,
    archives: tuple[Path, ...],
    data: Path,
    key: Path | None,
    received: str | None,
    private: Path | None,
    isolation: Isolation,
    audit: bool,
    device: str,
    batch_size: int | None,
    workers: int,
    cache_dir: Path | None,
    no_cache: bool,
    challenges: Path,
    results: Path,
    predictions: Path | None,
    as_json: bool,
) -> None:
    """Evaluate archives of `bench submit`, as an evaluator of the challenge.

    Each one takes a place of its team's quota before it runs, and spends it or gives it back after; the ledger says
    so. Where the labels are hidden, code runs in the sandbox, and the public results hold no more than the rounded
    score, the number of images and the rank. An archive that was scored before is answered from the store.

    The exit code is 1 if any archive has no number.

    \b
    Examples:
      bench challenge run ilsvrc-2026 acme-vit-3f2a9c1b7d04.tar --data /data/hidden
      bench challenge run ilsvrc-2026 inbox/*.tar --data /data/hidden --received 2026-10-01T23:40:00-12:00
    """
    from bench.backends.run import RunOptions
    from bench.challenge.evaluation import evaluate_archive
    from bench.challenge.loaded import load_challenge
    from bench.challenge.office import Office
    from bench.challenge.private import PrivateStore, default_private_folder
    from bench.errors import BenchError
    from bench.store import Store

    loaded = load_challenge(name, challenges)
    moment = None if received is None else time_of(received, "--received")
    office = Office(
        challenge=loaded,
        key=loaded.evaluator_key(key),
        data=data,
        public=Store(results, predictions),
        private=PrivateStore(private or default_private_folder(loaded.rules.id)),
        options=RunOptions(
            device=device,
            isolation=isolation,
            audit=audit,
            batch_size=batch_size,
            num_threads=workers,
            cache_folder=cache_folder_of(cache_dir, no_cache),
        ),
    )
    verdicts, failed = [], False
    for archive in archives:
        num_samples = max(protocol.dataset.num_samples for protocol in loaded.protocols.values())
        try:
            with progress_bar(archive.name, num_samples) as advance:
                verdict = evaluate_archive(office, archive, received=moment, on_progress=advance, on_note=note)
        except BenchError as error:
            if len(archives) == 1:
                raise
            note(f"Error: {archive}: {error}")
            failed = True
            continue
        verdicts.append(verdict)
        failed = failed or verdict.result.failure is not None
        if verdict.error is not None:
            note(f"{archive}: {verdict.error}")
    _print_verdicts(verdicts, as_json=as_json)
    if failed:
        raise click.exceptions.Exit(1)


def _print_verdicts(verdicts: list[Verdict], *, as_json: bool) -> None:
    if as_json:
        print_json([{"entry": item.entry.as_json(), "result": item.result.as_json()} for item in verdicts])
        return
    rows = []
    for envelope, entry, result, path, _ in verdicts:
        metric = next(iter(result.metrics.items()), None)
        rank = result.ledger.rank if result.ledger else None
        rows.append(
            [
                f"{envelope.team}/{envelope.name}",
                f"{envelope.phase}, {envelope.division}",
                entry.action,
                entry.outcome or "",
                "-" if metric is None else f"{metric[0]} {metric[1].value:.6g}",
                "-" if rank is None else str(rank),
                str(entry.sequence),
                str(path),
            ]
        )
    headers = ["submission", "phase", "ledger", "outcome", "score", "rank", "entry", "result"]
    print_table(None, headers, rows, right=frozenset({5, 6}))
