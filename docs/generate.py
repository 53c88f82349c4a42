"""Writes the documents that are derived from the code: `python docs/generate.py`; `--check` only compares.

- `cli.md` from every command's help
- `formats.md` from `formats.head.md`, the records, and the docstrings of their fields
- `rules.md` from `rules.head.md` and the table of rules of `bench check`
- `protocols.md` from the TOML files, `metrics-and-columns.md` from the tables
- `schemas/*.json` from the records: editors use them to complete and check the files that people write
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from field_texts import describe_fields

from bench.challenge.envelope import Envelope
from bench.challenge.labels import SealedLabels
from bench.check.rules import GROUPS, RULES
from bench.check.waivers import Waivers
from bench.cli.main import COMMANDS, cli
from bench.leaderboard.columns import COLUMNS
from bench.metrics import METRICS
from bench.protocols import load_protocol, protocol_ids
from bench.records.base import FileRecord, Record
from bench.records.blocks import Blocks
from bench.records.board import Board
from bench.records.breakdown import Breakdown
from bench.records.challenge import Challenge
from bench.records.ledger import Entry
from bench.records.protocol import Protocol
from bench.records.result import Result
from bench.records.retraction import Retraction
from bench.records.signature import Signature, TrustedKeys
from bench.records.submission import Submission

DOCS = Path(__file__).resolve().parent
GENERATED = "<!-- Written by docs/generate.py; change the code instead, then run it again. -->\n\n"


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """A kind of file: where it lies, what it is for, and the record that it holds."""

    where: str
    purpose: str
    record: type[FileRecord]


FORMATS = {
    "submission": FileFormat(
        where="submissions/&lt;team&gt;/&lt;name&gt;/submission.toml",
        purpose="What a team hands in. Its digest covers this file's content and every other file of the folder except "
        "hidden ones, `__pycache__`, `*.md` and `LICENSE`.",
        record=Submission,
    ),
    "protocol": FileFormat(
        where="bench/protocols/&lt;id&gt;.toml",
        purpose="Every choice that can move a number. Its digest covers all but titles, sources and the reference.",
        record=Protocol,
    ),
    "board": FileFormat(
        where="leaderboards/boards/&lt;id&gt;.toml", purpose="Which protocol and columns make one page.", record=Board
    ),
    "result": FileFormat(
        where="leaderboards/results/&lt;protocol&gt;/&lt;team&gt;/&lt;name&gt;/&lt;run&gt;.json",
        purpose="One run; immutable. Rates are fractions from 0 to 1, units stand in the names of costs.",
        record=Result,
    ),
    "classes": FileFormat(
        where="&lt;run&gt;.classes.json, beside the result",
        purpose="The run's answers summed up by class.",
        record=Breakdown,
    ),
    "blocks": FileFormat(
        where="&lt;run&gt;.blocks.json, beside the result",
        purpose="The raw times of a throughput run, from which `bench check` computes its costs again.",
        record=Blocks,
    ),
    "waivers": FileFormat(
        where="waivers.toml",
        purpose="Breaches of the rules of `bench check` that a maintainer accepts; see [rules.md](rules.md).",
        record=Waivers,
    ),
    "retraction": FileFormat(
        where="&lt;run&gt;.retract.json, beside the result",
        purpose="The result is withdrawn or superseded; the result itself is never edited.",
        record=Retraction,
    ),
    "signature": FileFormat(
        where="&lt;run&gt;.sig, beside the result",
        purpose="A maintainer stands for the result and for what lies beside it; see [verification.md]"
        "(verification.md).",
        record=Signature,
    ),
    "keys": FileFormat(
        where="leaderboards/keys.toml, beside the results",
        purpose="Whose signatures make a result attested.",
        record=TrustedKeys,
    ),
    "challenge": FileFormat(
        where="challenges/&lt;id&gt;/challenge.toml",
        purpose="The rules of a challenge: teams, phases with deadlines, quotas, hidden labels; see "
        "[challenges.md](challenges.md). Beside it lie protocols of its own, as `&lt;id&gt;.toml`.",
        record=Challenge,
    ),
    "ledger": FileFormat(
        where="challenges/&lt;id&gt;/ledger.jsonl, a line an entry",
        purpose="What teams used of their quota; appended to, never rewritten. A line is the canonical JSON of an "
        "entry: sorted keys, no white space, UTF-8.",
        record=Entry,
    ),
    "labels": FileFormat(
        where="challenges/&lt;id&gt;/&lt;file&gt;, as the challenge names it",
        purpose="Hidden labels, encrypted for the evaluators who may read them.",
        record=SealedLabels,
    ),
    "envelope": FileFormat(
        where="envelope.json, the first file in an archive of `bench submit`",
        purpose="Who hands in what; signed by the team. The files follow below `files/`.",
        record=Envelope,
    ),
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
    protocols = [load_protocol(name) for name in protocol_ids()]
    parts += _trainings(protocols)
    for protocol in protocols:
        rows = dict(_flat(protocol.as_json()))
        for key in ("format_version", "id", "title", "description"):
            rows.pop(key, None)
        text = f"{protocol.description} " if protocol.description else ""
        parts.append(f"\n## {protocol.id}\n\n{protocol.title}. {text}Digest `{protocol.digest()[:12]}`.\n")
        parts.append("| key | value |\n| --- | --- |")
        parts += [f"| `{key}` | {value} |" for key, value in rows.items()]
    return "\n".join(parts) + "\n"


def _trainings(protocols: Iterable[Protocol]) -> Iterator[str]:
    """The training protocols side by side, with what they should reach and whether anyone has reached it here."""
    yield "\nTrainings, described in [training.md](training.md); each is measured by another protocol:\n"
    yield "| training | epochs | batch | optimizer | measured by | known network | top-1 | reproduced |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for protocol in protocols:
        recipe, reference = protocol.recipe, protocol.reference
        if recipe is not None:
            known = ("", "", "")
            if reference is not None:
                known = (reference.submission, f"{reference.top1:.2%}", str(reference.reproduced))
            cells = (protocol.id, recipe.epochs, recipe.batch_size, recipe.optimizer, protocol.evaluate_with, *known)
            yield "| " + " | ".join(map(str, cells)) + " |"


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


def rules_page() -> str:
    """Every rule of `bench check`."""
    introduction = (DOCS / "rules.head.md").read_text(encoding="utf-8")
    parts = [f"# Rules\n\n{GENERATED}{introduction}"]
    for letter, title in GROUPS.items():
        parts.append(f"\n## {letter}: {title}\n")
        rules = (rule for rule in RULES.values() if rule.id[0] == letter)
        parts += [
            f"### {rule.id}\n\n{rule.title} (*{rule.severity}*)\n\n{rule.why}\n\n{rule.repair}\n" for rule in rules
        ]
    return "\n".join(parts)


def formats_page() -> str:
    """Every file and key."""
    introduction = (DOCS / "formats.head.md").read_text(encoding="utf-8")
    parts = [f"# Files and keys\n\n{GENERATED}{introduction}"]
    for name, kind in FORMATS.items():
        parts.append(f"\n## {name.capitalize()}: `{kind.where}`\n".replace("&lt;", "<").replace("&gt;", ">"))
        parts.append(f"{kind.purpose} Format version {kind.record.FORMAT_VERSION}; schema: ")
        parts[-1] += f"[{name}.schema.json](schemas/{name}.schema.json).\n\n| key | type | default | meaning |"
        parts.append("| --- | --- | --- | --- |")
        parts += [f"| `{key}` | {kind_} | {default} | {text} |" for key, kind_, default, text in _keys(kind.record)]
    return "\n".join(parts) + "\n"


def _keys(record: type[Record], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Key, type, default and meaning of every key of a record, nested ones with dots."""
    for name, field in record.model_fields.items():
        # Every file must state its format version; see `FileRecord.parse`.
        default = (
            "required"
            if field.is_required() or name == "format_version"
            else f"`{json.dumps(field.get_default(), default=_plain)}`"
        )
        nested = _record_in(field.annotation)
        yield f"{prefix}{name}", _type_words(field.annotation), default, field.description or ""
        if nested is not None:
            yield from _keys(nested, f"{prefix}{name}.")


def _record_in(annotation: Any) -> type[Record] | None:
    """The record that an annotation holds, whether optional, in a tuple or in a dict."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation
    return next((found for item in get_args(annotation) if (found := _record_in(item)) is not None), None)


def _type_words(annotation: Any) -> str:
    """A type for people: `text`, `number`, `list of text`, or the allowed values."""
    origin, items = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_words(items[0])
    if origin is Literal:
        return ", ".join(f"`{json.dumps(item)}`" for item in items)
    if origin in (UnionType, Union):
        return " or ".join(_type_words(item) for item in items if item is not type(None))
    if origin is tuple:
        many = len(items) == 2 and items[1] is Ellipsis
        return f"list of {_type_words(items[0])}" if many else f"list of {len(items)}: {_type_words(items[0])}"
    if origin is dict:
        return f"table of {_type_words(items[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return "table"
    words = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "true or false",
        date: "date",
        datetime: "time with its zone",
        Any: "anything",
    }
    return words[annotation]


def _plain(value: Any) -> Any:
    return value.as_json() if isinstance(value, Record) else str(value)


def pages() -> dict[str, str]:
    """From file name below `docs/` to its content."""
    describe_fields()
    schemas = {
        f"schemas/{name}.schema.json": json.dumps(kind.record.model_json_schema(), indent=1, sort_keys=True) + "\n"
        for name, kind in FORMATS.items()
    }
    return {
        "cli.md": cli_page(),
        "formats.md": formats_page(),
        "rules.md": rules_page(),
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
