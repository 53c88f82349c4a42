"""What timm publishes about its models, as imported results: accuracies and speed; no model is built."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import RecordError
from bench.files import digest_of, sweep_leftovers
from bench.importers.timm_tables import Table, UnknownTable, read_table
from bench.importers.timm_tags import NO_WEIGHTS, extra_training_data
from bench.models.source import short_form
from bench.protocols import load_protocol
from bench.records.protocol import Geometry, Protocol
from bench.records.result import Cost, DatasetRef, Estimate, ProtocolRef, Result, ResultInput, SubmissionRef
from bench.stats.intervals import wilson
from bench.store import Store
from bench.version import __version__

__all__ = ["ImportedTable", "LeftOut", "count_of", "identifier_of", "import_tables", "read_tables", "results_of"]

_TEAM = "timm"
_CODE = "https://github.com/huggingface/pytorch-image-models"
_SAYS_WHEN = frozenset({"run", "created_at", "bench_version", "origin"})
_LONGEST_IDENTIFIER = 80
# timm rounds to four decimals and prints three, so that a percentage is off by at most this.
_ROUNDING = 0.0005 + 0.00005 + 1e-9
_TAG_NOTE = "The extra training data was read from the tag in the model's name."
_PIXELS_NOTE = "The table does not tell crop mode, mean and standard deviation; the resized side is size / crop_pct."
_SPEED_NOTE = "One run on random pixels of this size; nothing was resized."


class LeftOut(NamedTuple):
    """A file that is not used."""

    path: Path
    reason: str


class ImportedTable(NamedTuple):
    """What the import of one table did."""

    table: Table
    num_added: int
    num_known: int
    """Results that the store held already, with the same content."""


def read_tables(paths: list[Path]) -> tuple[list[Table], list[LeftOut]]:
    """The tables in files, and the files that are not used; nothing is stored yet.

    Raises:
        RecordError: A table is broken; file, line and column are named.
    """
    tables, left_out = [], []
    for path in dict.fromkeys(paths):
        try:
            table = read_table(path)
        except UnknownTable as error:
            left_out.append(LeftOut(path, str(error)))
            continue
        _check_counts(table)
        tables.append(table)
    return tables, left_out


def import_tables(
    tables: list[Table], store: Store, now: datetime, on_result: Callable[[int], None] = lambda _: None
) -> list[ImportedTable]:
    """Adds the results of tables to the store, except what is there with the same content; counts both, by table.

    Args:
        tables: Some of timm's tables.
        store: Where the results go.
        now: The time of the import, with a time zone.
        on_result: Called with the number of rows that are done since the last call.

    Raises:
        StoreError: The results folder cannot be written.
    """
    known = {table.protocol: _held(store, table.protocol) for table in tables}
    num_new = dict.fromkeys((table.path for table in tables), 0)

    def new_results() -> Iterator[Result]:
        for table in tables:
            for result in results_of(table, now):
                statement = _statement(result)
                if statement not in known[table.protocol]:
                    known[table.protocol].add(statement)
                    num_new[table.path] += 1
                    yield result
                on_result(1)

    store.add_all(new_results())
    return [ImportedTable(table, num_new[table.path], len(table.frame) - num_new[table.path]) for table in tables]


def results_of(table: Table, now: datetime) -> Iterator[Result]:
    """The results that a table holds, in its order.

    Args:
        table: One of timm's tables.
        now: The time of the import, with a time zone.
    """
    protocol = load_protocol(table.protocol)
    # A model that stands there at two sizes says at which; an architecture always does, as most stand at several.
    ambiguous = set(table.frame.loc[table.frame.duplicated("model", keep=False), "model"])
    rows: list[dict[str, Any]] = table.frame.to_dict("records")  # type: ignore[assignment]
    for row in rows:
        says_size = table.speed is not None or row["model"] in ambiguous
        title = f"{row['model']} at {row['img_size']} px" if says_size else row["model"]
        fields = (
            _accuracy_fields(row, title, protocol)
            if table.speed is None
            else _speed_fields(row, title, table, protocol)
        )
        yield Result.create(
            now=now,
            bench_version=__version__,
            status="imported",
            protocol=ProtocolRef(id=protocol.id, version=protocol.version),
            origin=f"timm's {table.path.name}, sha256 {table.sha256}",
            **fields,
        )


def identifier_of(model: str, size: int) -> str:
    """The submission's name of a model at a size; a hash keeps it unique where characters are lost.

    >>> identifier_of("resnet50.a1_in1k", 224)
    'resnet50.a1_in1k-224'
    """
    wanted = f"{model}-{size}"
    plain = short_form(_TEAM, wanted)
    if plain == wanted:
        return plain
    mark = hashlib.sha256(wanted.encode()).hexdigest()[:8]
    return f"{plain[: _LONGEST_IDENTIFIER - len(mark) - 1]}-{mark}"


def count_of(percent: float, num_samples: int) -> int | None:
    """The number of images that a published percentage stands for; None when no whole number gives it.

    >>> count_of(76.130, 50_000)
    38065
    """
    count = round(percent * num_samples / 100)
    return count if abs(count * 100 / num_samples - percent) <= _ROUNDING else None


def _check_counts(table: Table) -> None:
    """Makes sure that the accuracies are of as many images as the protocol has.

    Raises:
        RecordError: A percentage is no share of them.
    """
    if table.speed is not None:
        return
    num_samples = load_protocol(table.protocol).dataset.num_samples
    for name in ("top1", "top5"):
        for line, percent in table.frame[name].items():
            if count_of(percent, num_samples) is None:
                raise RecordError(
                    f"{percent}% of {num_samples:,} images is no whole number of images",
                    path=table.path,
                    key=f"line {line}, column {name}",
                )


def _accuracy_fields(row: dict[str, Any], title: str, protocol: Protocol) -> dict[str, Any]:
    dataset, size = protocol.dataset, row["img_size"]
    resize = max(1, math.floor(size / row["crop_pct"]))
    geometry = Geometry(resize=resize, crop=size, interpolation=row["interpolation"])
    return {
        "submission": _submission(row, title, extra_training_data(row["model"])),
        "dataset": DatasetRef(name=dataset.name, split=dataset.split, num_samples=dataset.num_samples),
        "metrics": {name: _proportion(row[name], dataset.num_samples) for name in ("top1", "top5")},
        "costs": {"num_params": _num_params(row)},
        "input": ResultInput(geometry=geometry),
        "notes": (_TAG_NOTE, _PIXELS_NOTE),
    }


def _speed_fields(row: dict[str, Any], title: str, table: Table, protocol: Protocol) -> dict[str, Any]:
    assert table.speed is not None, "called for tables of speed only"  # noqa: S101 - our own invariant
    device, size = str(table.environment["gpu"]), row["img_size"]
    dataset = protocol.dataset
    costs = {
        table.speed.throughput: Cost(value=row["samples_per_sec"], unit="img/s", device=device),
        "step_time_ms": Cost(value=row["step_time"], unit="ms", device=device),
        "num_params": _num_params(row),
    }
    for name, unit in (("gmacs", "GMAC"), ("macts", "million activations")):
        if not math.isnan(row.get(name, math.nan)):
            costs[name] = Cost(value=row[name], unit=unit)
    return {
        "submission": _submission(row, title, NO_WEIGHTS),
        "dataset": DatasetRef(name=dataset.name, split=dataset.split, num_samples=dataset.num_samples),
        "costs": costs,
        "device_type": "cuda",
        "input": ResultInput(geometry=Geometry(resize=size, crop=size)),
        "environment": table.environment | {"batch_size": row["batch_size"]},
        "notes": (_SPEED_NOTE,),
    }


def _submission(row: dict[str, Any], title: str, extra: str) -> SubmissionRef:
    return SubmissionRef(
        team=_TEAM,
        name=identifier_of(row["model"], row["img_size"]),
        title=title,
        team_title=_TEAM,
        source=_TEAM,
        extra_training_data=extra,
        architecture=row["model"].partition(".")[0],
        code=_CODE,
    )


def _num_params(row: dict[str, Any]) -> Cost:
    """The number of parameters, which timm rounds to 0.01 million."""
    return Cost(value=round(row["param_count"] * 1e6), unit="parameters")


def _proportion(percent: float, num_samples: int) -> Estimate:
    count = count_of(percent, num_samples)
    assert count is not None, "read_tables checked it"  # noqa: S101 - our own invariant
    interval = wilson(count, num_samples)
    return Estimate(
        value=count / num_samples, ci_low=interval.low, ci_high=interval.high, num_samples=num_samples, count=count
    )


def _held(store: Store, protocol: str) -> set[str]:
    """What the store's results under a protocol say; rests of an import that was killed are removed."""
    if not store.results.is_dir():
        return set()
    sweep_leftovers(store.results / protocol)
    return {_statement(stored.result) for stored in store.scan(protocol).stored}


def _statement(result: Result) -> str:
    """A digest of what a result says, apart from when, by which version and from which file it was written down."""
    return digest_of({key: value for key, value in result.as_json().items() if key not in _SAYS_WHEN})
