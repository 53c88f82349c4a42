"""`bench challenge`: what organisers and evaluators of a challenge do."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import (
    cache_folder_of,
    cache_options,
    challenges_option,
    data_option,
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

__all__ = ["challenge"]


@click.group(short_help="Run a challenge: evaluate archives, seal labels, rule.")
def challenge() -> None:
    """Run a challenge. `docs/challenges.md` tells it from the beginning, for teams, organisers and readers.

    A challenge is a folder `challenges/<id>/` with its rules (challenge.toml), the encrypted labels, and the ledger.
    Teams use `bench keys` and `bench submit`; anybody can run `bench ledger verify`.
    """


@challenge.command(short_help="Show a challenge's phases, and what a team has left.")
@click.argument("name", metavar="CHALLENGE")
@click.option("--team", help="Show what this team has used of its quota now.")
@challenges_option
@json_option
def show(name: str, team: str | None, challenges: Path, as_json: bool) -> None:
    """Show a challenge's phases with their deadlines, and what a team has left of its quota.

    \b
    Examples:
      bench challenge show ilsvrc-2026
      bench challenge show ilsvrc-2026 --team acme
    """
    from bench.challenge.loaded import load_challenge
    from bench.challenge.overview import overview

    loaded = load_challenge(name, challenges)
    rows = overview(loaded, team)
    if as_json:
        print_json({"challenge": loaded.rules.as_json(), "phases": rows})
        return
    headers = ["phase", "state", "start", "end", "division", "protocol", "board", "labels", "scored", "attempts"]
    print_table(loaded.rules.title, headers, [[str(row[key]) for key in headers] for row in rows])
    for labels in loaded.rules.labels:
        note(f"The labels {labels.name} can be read by {', '.join(labels.readers)}.")


@challenge.command(short_help="Evaluate archives that teams handed in.")
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
@click.option(
    "--isolation",
    type=click.Choice(["none", "process", "sandbox", "auto"]),
    default="auto",
    show_default=True,
    envvar="BENCH_ISOLATION",
    show_envvar=True,
    help="How far code is kept from this process; hidden labels need the sandbox.",
)
@click.option("--audit/--no-audit", default=True, show_default=True, help="Audit models while they are evaluated.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:0, mps or auto.")
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
    moment = None if received is None else _time(received, "--received")
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


@challenge.command(short_help="Encrypt a hidden label set for its readers.")
@click.argument("name", metavar="CHALLENGE")
@click.argument("labels", metavar="SET")
@click.option(
    "--csv",
    "table",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The labels: a CSV file with the columns sample_id,wnid.",
)
@challenges_option
def seal(name: str, labels: str, table: Path, challenges: Path) -> None:
    """Encrypt a hidden label set for the readers that the challenge names, and print the sha256 to write there.

    The file goes beside challenge.toml, under the name that its [[labels]] say. Remove the plain CSV file afterwards.

    \b
    Example:
      bench challenge seal ilsvrc-2026 test --csv /secure/test-labels.csv
    """
    from bench.challenge.labels import read_labels_csv, seal_labels
    from bench.challenge.loaded import load_challenge
    from bench.data.classes import class_table
    from bench.errors import DataError, UsageError
    from bench.files import sha256_of_file, write_atomic

    loaded = load_challenge(name, challenges)
    expected = loaded.label_set(labels)
    tracks = [track for phase in loaded.rules.phases for track in phase.tracks if track.labels == labels]
    if not tracks:
        raise UsageError(f"no track of {name!r} uses the labels {labels!r}")
    dataset = loaded.protocols[tracks[0].protocol].dataset
    found = read_labels_csv(table, class_table(dataset.name))
    if len(found) != dataset.num_samples:
        wanted = f"the protocol {tracks[0].protocol} needs {dataset.num_samples:,}"
        raise DataError(f"holds {len(found):,} labels, {wanted}", path=table)
    readers = [evaluator for evaluator in loaded.rules.evaluators if evaluator.name in expected.readers]
    sealed = seal_labels(found, challenge=loaded.rules.id, name=labels, readers=readers)
    path = loaded.folder / expected.file
    write_atomic(path, sealed.to_text())
    note(f"Wrote {path}: {len(found):,} labels that {', '.join(expected.readers)} can read. In challenge.toml write:")
    click.echo(f'sha256 = "{sha256_of_file(path)}"')


@challenge.command(short_help="Rule that a run is not comparable, or bar a team for a time.")
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
        entry = penalise(ledger, team=loaded.team(team).team, until=stamp(_time(until, "--until")), reason=reason)
        click.echo(f"entry {entry.sequence}: {team} may not submit until {entry.until}")
    else:
        raise UsageError("give either --run, or --team together with --until")


@challenge.command(short_help="Set the rules of time and number aside for one archive.")
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


def _time(text: str, option: str) -> datetime:
    from bench.errors import UsageError

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UsageError(f"{option} {text!r} is no time with a zone; write for example 2026-10-01T23:59:59-12:00")
    return moment
