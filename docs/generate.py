"""Writes the documents that are derived from the code: `python docs/generate.py`; `--check` only compares.

`cli.md` from every command's help, `protocols.md` from the TOML files, `metrics-and-columns.md` from the tables, and
`schemas/*.json`, which editors use to complete and check the files that people write.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from bench.cli.main import COMMANDS, cli
from bench.leaderboard.columns import COLUMNS
from bench.metrics import METRICS
from bench.protocols import load_protocol, protocol_ids
from bench.records.board import Board
from bench.records.breakdown import Breakdown
from bench.records.protocol import Protocol
from bench.records.result import Result, Retraction
from bench.records.submission import Submission

DOCS = Path(__file__).resolve().parent
GENERATED = "<!-- Written by docs/generate.py; change the code instead, then run it again. -->\n\n"
RECORDS = {
    "board": Board,
    "classes": Breakdown,
    "protocol": Protocol,
    "result": Result,
    "retraction": Retraction,
    "submission": Submission,
}


def cli_page() -> str:
    """The help of every command."""
    parts = [f"# The command line\n\n{GENERATED}", _help("bench", cli)]
    for name in sorted(COMMANDS):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        parts += [_help(f"bench {full}", item) for full, item in _with_subcommands(name, command)]
    return "\n".join(parts)


def _with_subcommands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for sub in sorted(command.commands):
            yield from _with_subcommands(f"{name} {sub}", command.commands[sub])


def _help(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name, terminal_width=100, max_content_width=100)
    return f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"


def protocols_page() -> str:
    """Every protocol, with all that it fixes."""
    parts = [f"# Protocols\n\n{GENERATED}A protocol fixes every choice that can move a number. "]
    parts.append("Its digest, shown here in short, stands in every result; a published version is never edited.\n")
    for name in protocol_ids():
        protocol = load_protocol(name)
        rows = dict(_flat(protocol.as_json()))
        for key in ("format_version", "id", "title", "description"):
            rows.pop(key, None)
        text = f"{protocol.description} " if protocol.description else ""
        parts.append(f"\n## {protocol.id}\n\n{protocol.title}. {text}Digest `{protocol.digest()[:12]}`.\n")
        parts.append("| key | value |\n| --- | --- |")
        parts += [f"| `{key}` | {value} |" for key, value in rows.items()]
    return "\n".join(parts) + "\n"


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix, ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def tables_page() -> str:
    """Every metric and every column."""
    parts = [f"# Metrics and columns\n\n{GENERATED}## Metrics\n"]
    parts.append("Rates are fractions from 0 to 1 in every file; percent exists on pages only.\n")
    parts.append("| name | title | better | interval | what it is |\n| --- | --- | --- | --- | --- |")
    for name, metric in METRICS.items():
        interval = f"{metric.interval} bootstrap" if hasattr(metric, "interval") else "Wilson"
        better = "higher" if metric.higher_is_better else "lower"
        parts.append(f"| `{name}` | {metric.title} | {better} | {interval} | {metric.help} |")
    parts.append("\n## Columns of a board\n\n| name | title | what it shows |\n| --- | --- | --- |")
    parts += [f"| `{name}` | {column.title} | {column.help} |" for name, column in COLUMNS.items()]
    return "\n".join(parts) + "\n"


def pages() -> dict[str, str]:
    """From file name below `docs/` to its content."""
    schemas = {
        f"schemas/{name}.schema.json": json.dumps(record.model_json_schema(), indent=1, sort_keys=True) + "\n"
        for name, record in RECORDS.items()
    }
    return {
        "cli.md": cli_page(),
        "protocols.md": protocols_page(),
        "metrics-and-columns.md": tables_page(),
    } | schemas


def main() -> int:
    """Writes or compares; returns the exit code."""
    stale = []
    for name, content in pages().items():
        path = DOCS / name
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        stale.append(name)
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    verb = "is not current; run python docs/generate.py" if "--check" in sys.argv[1:] else "written"
    for name in stale:
        click.echo(f"docs/{name} {verb}", err=True)
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
