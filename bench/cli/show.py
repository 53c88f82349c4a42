"""`bench show`: one run, protocol, board or submission, whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.common import json_option, print_json, print_table, results_option

if TYPE_CHECKING:
    from bench.store import Store
    from bench.stored import Stored

__all__ = ["show"]


@click.command(short_help="Show one run, protocol, board or submission.")
@click.argument("name", metavar="ID")
@results_option
@json_option
def show(name: str, results: Path, as_json: bool) -> None:
    """Show the record that ID names: a run, a protocol, a board, or a submission.

    A run is named by its id, by the beginning of it, or by its file; a submission by its folder or short form.

    \b
    Examples:
      bench show imagenet-val-closed
      bench show 20260801T101500Z-3f2a
      bench show submissions/torchvision/resnet50-v2 --json
    """
    record = _find(name, results)
    if as_json:
        print_json(record)
        return
    print_table(None, ["key", "value"], [[key, value] for key, value in _flat(record)])


def _find(name: str, results: Path) -> dict[str, Any]:
    from bench.cli.publish import default_boards_folder
    from bench.errors import UsageError, nearest
    from bench.models.source import MANIFEST, open_submission
    from bench.protocols import load_protocol, protocol_ids
    from bench.records.board import Board
    from bench.store import Store

    if name in protocol_ids():
        protocol = load_protocol(name)
        return protocol.as_json() | {"digest": protocol.digest()}
    boards = default_boards_folder()
    if (boards / f"{name}.toml").is_file():
        return Board.load(boards / f"{name}.toml").as_json()
    if ":" in name or name.endswith(MANIFEST) or (Path(name) / MANIFEST).is_file():
        entry = open_submission(name)
        return entry.manifest.as_json() | {"team": entry.team, "name": entry.name, "digest": entry.digest}
    if name[:1].isdigit() or name.endswith(".json"):
        store = Store(results)
        stored = store.get(name)
        retraction = {"retraction": stored.retraction.as_json()} if stored.retraction else {}
        return stored.result.as_json() | retraction | _accuracy(store, stored) | _reproducing(stored)
    known = [*protocol_ids(), *(path.stem for path in boards.glob("*.toml"))]
    raise UsageError(f"there is no protocol, board, submission or run {name!r}: {nearest(name, known)}")


def _accuracy(store: Store, stored: Stored) -> dict[str, str]:
    """For a measured speed, how accurate the same weights are in the same arithmetic, as far as it is known today."""
    if stored.result.blocks is None:
        return {}
    from bench.throughput.accuracy import accuracy_note, evaluated_runs

    return {"accuracy": accuracy_note(evaluated_runs(store, stored.result), stored.result)}


def _reproducing(stored: Stored) -> dict[str, str]:
    """The one command that runs a result again, where its answers were measured here."""
    from bench.records.verified import reproducing_command

    command = reproducing_command(stored.result, str(stored.path))
    return {"reproduce": command} if command else {}


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """A nested record as dotted keys and text values."""
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _flat(item, f"{prefix}.{key}" if prefix else str(key))]
    if isinstance(value, list):
        return [(prefix, ", ".join(str(item) for item in value))]
    return [(prefix, str(value))]
