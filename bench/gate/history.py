"""The history of a gate: one JSON object a run, a line each, from which `bench screen` and `--baseline` read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from statistics import median

from bench.errors import BenchError, RecordError
from bench.files import canonical_json, digest_of, read_json
from bench.gate.machine import software_of
from bench.gate.raw import Side, valid_blocks, writing
from bench.gate.report import GateReport, recomputed
from bench.gate.suite import RowReport
from bench.records.base import FileRecord, Record
from bench.records.result import Scalar

__all__ = ["PastRow", "PastRun", "add", "past_run", "prepare", "read"]


class PastRow(Record):
    """What a run said of one row."""

    verdict: str
    """The row's verdict."""
    tolerance: float
    """The slowdown that it tolerates."""
    base_step_s: float | None = None
    """The median over processes of base's median step, in seconds; null where nothing was measured."""
    head_step_s: float | None = None
    """The same of head."""


class PastRun(FileRecord):
    """One run of the gate: a line of a history."""

    at: str
    """When it ended, ISO 8601; empty where that is not known."""
    base: str
    """The old code, as the user named it."""
    head: str
    """The new code."""
    base_commit: str | None = None
    """Its commit, where it is a revision."""
    head_commit: str | None = None
    """Its commit, where it is a revision."""
    verdict: str
    """The verdict over all rows."""
    pairs_digest: str | None = None
    """The digest of all raw pairs, by which a measurement is known; null where nothing was measured."""
    seed: int
    """Seed of the coins."""
    machine: dict[str, Scalar]
    """What must be equal for two runs to be compared."""
    software: dict[str, Scalar]
    """And so must this."""
    rows: dict[str, PastRow]
    """The rows that both sides have, by name."""


def past_run(report: GateReport, at: str) -> PastRun:
    """A finished gate as a line of a history.

    Args:
        report: The gate.
        at: When it ended, ISO 8601.
    """
    base, head = report.sides["base"], report.sides["head"]
    pairs = [pair.as_json() for row in report.rows for pair in row.pairs]
    return PastRun(
        at=at,
        base=base.get("name", "base"),
        head=head.get("name", "head"),
        base_commit=base.get("commit"),
        head_commit=head.get("commit"),
        verdict=report.verdict,
        pairs_digest=digest_of(pairs) if pairs else None,
        seed=report.seed,
        machine=dict(report.machine),
        software=software_of(report.environment, head),
        rows={
            row.row.name: PastRow(
                verdict=row.verdict,
                tolerance=row.row.tolerance,
                base_step_s=_step_s(row, "base"),
                head_step_s=_step_s(row, "head"),
            )
            for row in report.rows
            if not row.is_new
        },
    )


def _step_s(row: RowReport, side: Side) -> float | None:
    """The median over processes of their median steps, in seconds."""
    processes = [median(getattr(blocks, side).step_ns for blocks in valid_blocks(pair)) for pair in row.valid_pairs]
    return median(processes) / 1e9 if processes else None


def prepare(path: Path) -> None:
    """Makes sure that a run can be added to a history, before anything is measured; cuts off half a line of a kill.

    Raises:
        RecordError: The file cannot be read or written, or a line is no run of a gate.
    """
    has_runs = path.is_file()
    if has_runs:
        _runs_in(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+" if has_runs else "ab") as file:
            if has_runs:
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)


def add(path: Path, run: PastRun) -> bool:
    """Appends a run to a history, on disk when this returns; False where the same measurement is there already.

    Raises:
        RecordError: The file cannot be read or written.
    """
    prepare(path)
    if run.pairs_digest is not None and run.pairs_digest in {past.pairs_digest for past in _runs_in(path)}:
        return False
    with writing(path), path.open("a", encoding="utf-8") as file:
        file.write(canonical_json(run.as_json()) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return True


def read(path: Path) -> list[PastRun]:
    """The runs of a history (`.jsonl`), or the one of a `regression.json`; a line that was cut off is left out.

    Raises:
        RecordError: The file cannot be read, or a line is none of a history.
    """
    if path.suffix == ".json":
        return [past_run(recomputed(read_json(path), path), at="")]
    return _runs_in(path)


def _runs_in(path: Path) -> list[PastRun]:
    """The runs of a history, whatever it is called.

    Raises:
        RecordError: The file cannot be read, or a line is none of a history.
    """
    try:
        whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot be read ({error})", path=path) from error
    found = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            found.append(PastRun.parse(json.loads(line)))
        except (ValueError, TypeError, BenchError) as error:
            raise RecordError(f"line {number} is no run of a gate: {error}", path=path) from error
    return found
