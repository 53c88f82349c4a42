"""`bench check`: submissions, results, boards and protocols, looked at before somebody trusts them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import cache_options, default_cache_folder, json_option, note, print_json
from bench.errors import BenchError, RecordError, UsageError

if TYPE_CHECKING:
    from bench.store import Store, Stored

__all__ = ["check"]

_MANIFEST = "submission.toml"
_RESULT = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{12}\.json")


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """What was found about one file or folder."""

    kind: str
    path: Path
    label: str
    faults: list[str]
    notes: list[str]


@click.command(short_help="Check submissions, results, boards and protocols.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="PATH...")
@click.option("--no-run", is_flag=True, help="Do not build models: nothing of a submission's code runs.")
@cache_options
@json_option
def check(paths: tuple[Path, ...], no_run: bool, cache_dir: Path | None, no_cache: bool, as_json: bool) -> None:  # noqa: ARG001 - weights of a folder need no cache
    """Check submissions, results, boards and protocols; exit 1 when one has a fault.

    PATH is a submission's folder, a result (.json), a board or a protocol (.toml), or a folder with any of these below
    it. A submission's model is built and answers two random images, which runs the code in its folder; nothing is
    downloaded.

    \b
    Examples:
      bench check submissions/acme/vit
      bench check submissions leaderboards --no-run
      bench check leaderboards/results --json
    """
    found = [item for path in paths for item in _below(path)]
    checked = []
    for path in found:
        item = _check(path, cache_dir or default_cache_folder(), run_model=not no_run)
        checked.append(item)
        if not as_json:
            _show(item)
    if as_json:
        print_json([_as_json(item) for item in checked])
    faulty = [item for item in checked if item.faults]
    note(f"{len(checked)} checked, {len(faulty)} with faults.")
    if faulty:
        raise click.exceptions.Exit(1)


def _as_json(item: _Checked) -> dict[str, object]:
    return {
        "kind": item.kind,
        "path": str(item.path),
        "label": item.label,
        "ok": not item.faults,
        "faults": item.faults,
        "notes": item.notes,
    }


def _show(item: _Checked) -> None:
    click.echo(f"{'FAULT' if item.faults else 'ok':<6}{item.kind:<11} {item.label}")
    for sentence in item.faults:
        click.echo(f"      {sentence}")
    for sentence in item.notes:
        click.echo(f"      note: {sentence}")


def _below(path: Path) -> list[Path]:
    """The files to check: the path itself, or the submissions, results, boards and protocols below a folder.

    Raises:
        UsageError: There is none.
    """
    if path.is_file():
        return [path]
    if (path / _MANIFEST).exists():
        return [path / _MANIFEST]
    found = sorted(
        item
        for item in path.rglob("*")
        if not any(part.startswith(".") for part in item.relative_to(path).parts)
        and (item.name == _MANIFEST or _RESULT.fullmatch(item.name) or (item.suffix == ".toml" and _kind_of(item)))
    )
    if not found:
        raise UsageError(
            f"{path} holds no {_MANIFEST}, result, board or protocol; `bench new {path}` makes a submission"
        )
    return found


def _kind_of(path: Path) -> str | None:
    """Whether a TOML file is a `board` or a `protocol`, by its keys; None where it is neither."""
    from bench.files import read_toml

    try:
        keys = read_toml(path).keys()
    except RecordError:
        return "board" if path.parent.name == "boards" else "protocol" if path.parent.name == "protocols" else None
    if "columns" in keys and "protocol" in keys:
        return "board"
    return "protocol" if "kind" in keys and "dataset" in keys else None


def _check(path: Path, cache_folder: Path, *, run_model: bool) -> _Checked:
    if path.name == _MANIFEST:
        return _check_submission(path, cache_folder, run_model=run_model)
    if path.suffix == ".json":
        kind, look = "result", _look_at_result
    elif path.suffix == ".toml" and (of_keys := _kind_of(path)) is not None:
        kind, look = of_keys, _look_at_board if of_keys == "board" else _look_at_protocol
    else:
        raise UsageError(f"{path} is no {_MANIFEST}, result (.json), board or protocol (.toml)")
    faults = []
    try:
        look(path)
    except BenchError as error:
        faults.append(str(error))
    return _Checked(kind=kind, path=path, label=str(path), faults=faults, notes=[])


def _check_submission(path: Path, cache_folder: Path, *, run_model: bool) -> _Checked:
    from bench.models.source import open_submission

    try:
        submission = open_submission(str(path))
    except BenchError as error:
        return _Checked(kind="submission", path=path.parent, label=str(path.parent), faults=[str(error)], notes=[])
    if run_model and submission.source.runs_code:
        note(f"Running the code of {submission.label} in this process, without a sandbox.")
    from bench.models.dry_run import dry_run

    tried = dry_run(submission, cache_folder=cache_folder, run_model=run_model)
    faults = [str(error) for error in tried.faults]
    return _Checked(kind="submission", path=path.parent, label=submission.label, faults=faults, notes=tried.notes)


def _look_at_result(path: Path) -> None:
    """Raises what is wrong with a result or with what lies beside it."""
    from bench.records.blocks import Blocks
    from bench.records.breakdown import Breakdown
    from bench.records.result import Result, Retraction
    from bench.store import Stored

    if path.name.endswith(".retract.json"):
        Retraction.load(path)
        return
    if path.name.endswith(".classes.json"):
        Breakdown.load(path)
        return
    if path.name.endswith(".blocks.json"):
        Blocks.load(path)
        return
    result = Result.load(path)
    if path.stem != result.run:
        raise RecordError(f"is {result.run!r}, but the file is named {path.name!r}", path=path, key="run")
    if not result.run.endswith(result.content_digest()[:12]):
        raise RecordError(
            "does not agree with the content: the record was changed after it was written; restore it, and withdraw a "
            "wrong result with `bench retract`",
            path=path,
            key="run",
        )
    _look_beside(Stored(result=result, path=path))
    place = (result.protocol.id, result.submission.team, result.submission.name)
    if path.resolve().parent.parts[-3:] != place:
        raise RecordError(f"belongs into the folder {'/'.join(place)}", path=path)


def _look_beside(stored: Stored) -> None:
    """Raises what is wrong with the files beside a result, and where they contradict it."""
    from bench.records.result import Retraction
    from bench.store import Store

    store, path = Store(stored.path.parent), stored.path
    store.breakdown(stored)
    _look_at_blocks(store, stored)
    if (retraction := path.with_suffix(".retract.json")).is_file():
        Retraction.load(retraction)
    if (bits := store.correctness(stored)) is None:
        return
    for name, right_N in (("top1", bits.top1_N), ("top5", bits.top5_N)):
        count, found = getattr(stored.result.metrics.get(name), "count", None), int(right_N.sum())
        if count is not None and count != found:
            raise RecordError(
                f"counts {found:,} right images for {name}, but the result says {count:,}; restore the file",
                path=path.with_suffix(".bits"),
            )


def _look_at_blocks(store: Store, stored: Stored) -> None:
    """Raises where the raw times of a run do not give its costs again."""
    import math

    from bench.throughput.summary import costs_of

    if (blocks := store.blocks(stored)) is None:
        return
    costs, found = stored.result.costs, costs_of(blocks)
    for name in sorted({*costs, *found}):
        said, computed = costs.get(name), found.get(name)
        if said is None or computed is None or not math.isclose(said.value, computed.value, rel_tol=1e-6):
            raise RecordError(
                f"give {name} as {computed and computed.value}, but the result says {said and said.value}; "
                "restore the file",
                path=stored.path.with_suffix(".blocks.json"),
            )


def _look_at_board(path: Path) -> None:
    from bench.leaderboard.board import load_board

    load_board(path)


def _look_at_protocol(path: Path) -> None:
    """Raises what is wrong with a protocol: its own keys, and the names that it uses."""
    from bench.data.classes import class_table
    from bench.errors import nearest
    from bench.metrics import METRICS
    from bench.protocols import load_protocol, protocol_ids

    protocol = load_protocol(str(path))
    for name in protocol.metrics.report if protocol.metrics is not None else ():
        if name not in METRICS:
            raise RecordError(f"there is no metric {name!r}: {nearest(name, METRICS)}", path=path, key="metrics.report")
    if protocol.evaluate_with is not None and protocol.evaluate_with not in protocol_ids():
        raise RecordError(
            f"there is no protocol {protocol.evaluate_with!r}: {nearest(protocol.evaluate_with, protocol_ids())}",
            path=path,
            key="evaluate_with",
        )
    if protocol.kind == "reported" or protocol.dataset.num_samples == 0:
        return  # of images that others measured on, and of random pixels, there need not be a class table
    try:
        class_table(protocol.dataset.name)
    except UsageError as error:
        raise RecordError(error.message, path=path, key="dataset.name") from error
