"""`bench challenge`: what organisers and evaluators of a challenge do."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.challenge_rulings import penalty, sweep, waive
from bench.cli.challenge_run import run
from bench.cli.common import challenges_option, json_option, note, print_json, print_table

__all__ = ["challenge"]

boards_option = click.option(
    "--boards",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("leaderboards/boards"),
    show_default=True,
    help="Folder of the board files.",
)


@click.group(short_help="Run a challenge: evaluate archives, seal labels, rule.")
def challenge() -> None:
    """Run a challenge. `docs/challenges.md` tells it from the beginning, for teams, organisers and readers.

    A challenge is a folder `challenges/<id>/` with its rules (challenge.toml), the encrypted labels, and the ledger.
    Teams use `bench keys` and `bench submit`; anybody can run `bench ledger verify`.
    """


challenge.add_command(run)
challenge.add_command(penalty)
challenge.add_command(sweep)
challenge.add_command(waive)


@challenge.command(short_help="Show a challenge's phases, and what a team has left.")
@click.argument("name", metavar="CHALLENGE")
@click.option("--team", help="Show what this team has used of its quota now.")
@challenges_option
@boards_option
@json_option
def show(name: str, team: str | None, challenges: Path, boards: Path, as_json: bool) -> None:
    """Show a challenge's phases with their deadlines, and what a team has left of its quota.

    \b
    Examples:
      bench challenge show ilsvrc-2026
      bench challenge show ilsvrc-2026 --team acme
    """
    from bench.challenge.boards import board_faults
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
    for fault in board_faults(loaded, boards):
        note(f"Warning: {fault}")


@challenge.command(short_help="Write the files of a new challenge.")
@click.argument("name", metavar="ID")
@click.option("--evaluator", required=True, metavar="NAME", help="Your name, as the ledger shows it.")
@click.option(
    "--key",
    required=True,
    metavar="NAME|FILE",
    help="Your key: its name among your keys, or its file; `bench keys new` makes one.",
)
@click.option(
    "--protocol",
    default="imagenet-val-closed",
    show_default=True,
    metavar="ID",
    help="The protocol of the development phase; the hidden one is the same on other images.",
)
@click.option("--num-samples", type=click.IntRange(min=1), required=True, metavar="N", help="Images of the hidden set.")
@challenges_option
@boards_option
def new(name: str, evaluator: str, key: str, protocol: str, num_samples: int, challenges: Path, boards: Path) -> None:
    """Write the files of a new challenge, commented and valid.

    They are its rules with a development and a test phase, the protocol of the hidden set, and a board for each
    phase. Change what you like before teams register.

    \b
    Example:
      bench challenge new ilsvrc-2026 --evaluator "E. Valuator" --key evaluator --num-samples 100000
    """
    from bench.challenge.scaffold import write_challenge
    from bench.protocols import load_protocol
    from bench.signing import named_key, read_key

    path = Path(key) if "/" in key or key.endswith(".key") else named_key(key)
    files = write_challenge(
        name,
        challenges=challenges,
        boards=boards,
        protocol=load_protocol(protocol),
        num_samples=num_samples,
        evaluator=evaluator,
        key=read_key(path).public,
    )
    for file in files:
        click.echo(file)
    note(f"For the boards of its own protocols, run `bench publish` with BENCH_PROTOCOLS={challenges / name}.")


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
