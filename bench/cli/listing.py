"""`bench list`: what there is to choose from."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.common import json_option, note, print_json, print_table, results_option, show_estimate

__all__ = ["KINDS", "listing"]

Rows = tuple[list[str], list[list[str]]]


@click.command("list", short_help="List protocols, metrics, columns, sources, boards, submissions, results.")
@click.argument(
    "kind",
    type=click.Choice(
        ["backends", "boards", "columns", "datasets", "metrics", "protocols", "results", "sources", "submissions"]
    ),
)
@results_option
@json_option
def listing(kind: str, results: Path, as_json: bool) -> None:
    """List what there is of one KIND, with its identifier first.

    \b
    Examples:
      bench list protocols
      bench list results --results leaderboards/results
      bench list metrics --json
    """
    headers, rows = _results(results) if kind == "results" else KINDS[kind]()
    if as_json:
        print_json([dict(zip(headers, row, strict=True)) for row in rows])
        return
    print_table(None, headers, rows)


def _protocols() -> Rows:
    from bench.protocols import load_protocol, protocol_ids

    protocols = [load_protocol(name) for name in protocol_ids()]
    return ["id", "kind", "division", "dataset", "title"], [
        [
            item.id,
            item.kind,
            item.division or "-",
            f"{item.dataset.name} {item.dataset.split}, {_count(item.dataset.num_samples, item.dataset.name)}",
            item.title,
        ]
        for item in protocols
    ]


def _metrics() -> Rows:
    from bench.metrics import METRICS

    return ["name", "better", "what it is"], [
        [name, "higher" if metric.higher_is_better else "lower", metric.help] for name, metric in METRICS.items()
    ]


def _columns() -> Rows:
    from bench.leaderboard.columns import COLUMNS

    return ["name", "title", "what it shows"], [[name, column.title, column.help] for name, column in COLUMNS.items()]


def _sources() -> Rows:
    from bench.models.source import MODEL_SOURCES

    sources = [(name, MODEL_SOURCES[name]) for name in MODEL_SOURCES]
    return ["name", "keys of [model]", "needed", "runs the submission's code"], [
        [name, ", ".join(sorted(item.takes)), ", ".join(sorted(item.needs)), "yes" if item.runs_code else "no"]
        for name, item in sources
    ]


def _boards() -> Rows:
    from bench.cli.publish import default_boards_folder
    from bench.records.board import Board

    boards = [Board.load(path) for path in sorted(default_boards_folder().glob("*.toml"))]
    return ["id", "protocol", "title"], [[board.id, board.protocol, board.title] for board in boards]


def _submissions() -> Rows:
    from bench.models.source import MANIFEST, open_submission
    from bench.resources import resource_folder

    folder = Path("submissions") if Path("submissions").is_dir() else resource_folder("submissions")
    paths = sorted(folder.glob(f"*/*/{MANIFEST}"))
    entries = [open_submission(str(path.parent)) for path in paths]
    return ["submission", "source", "title", "folder"], [
        [entry.label, entry.manifest.model.source, entry.manifest.title, str(entry.folder)] for entry in entries
    ]


def _datasets() -> Rows:
    from bench.protocols import load_protocol, protocol_ids

    seen = {
        (item.dataset.name, item.dataset.split): item.dataset.num_samples for item in map(load_protocol, protocol_ids())
    }
    return ["name", "split", "images"], [[name, split, _count(seen[name, split], name)] for name, split in sorted(seen)]


def _count(num_samples: int, dataset: str) -> str:
    """How many images a dataset has, where that is known."""
    return "any number" if dataset == "folders" else f"{num_samples:,}"


def _backends() -> Rows:
    from bench.backends import BACKENDS

    return ["name", "isolation"], [[name, BACKENDS[name].isolation] for name in BACKENDS]


def _results(results: Path) -> Rows:
    from bench.store import Store

    scan = Store(results).scan()
    for error in scan.broken:
        note(f"Not a valid result: {error}")
    return ["run", "submission", "protocol", "status", "top-1 %", "images"], [
        [
            stored.run,
            stored.result.entry,
            stored.result.protocol.id,
            stored.retraction.state if stored.retraction else stored.result.status,
            show_estimate(stored.result.metrics.get("top1"), is_rate=True),
            f"{stored.result.dataset.num_samples:,}",
        ]
        for stored in scan.stored
    ]


KINDS = {
    "backends": _backends,
    "boards": _boards,
    "columns": _columns,
    "datasets": _datasets,
    "metrics": _metrics,
    "protocols": _protocols,
    "sources": _sources,
    "submissions": _submissions,
}
"""From a kind to the function that lists it; `results` needs the folder and is apart."""
