"""One comparison from end to end: sides made ready, rows measured, verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.errors import RecordError
from bench.gate.code import Code, code_of, file_digest
from bench.gate.collect import Timing
from bench.gate.config import GateConfig, Row
from bench.gate.machine import machine_here, software_of
from bench.gate.plan import present
from bench.gate.raw import RawFile, Side
from bench.gate.report import GateReport, verdict_over
from bench.gate.sides import Prepared, launch_of, prepare, target_file
from bench.gate.suite import Suite, gone
from bench.measure.environment import environment
from bench.records.result import Scalar
from bench.version import __version__

__all__ = ["compare"]


def compare(
    base: str,
    head: str,
    config: GateConfig,
    rows: Sequence[Row],
    *,
    repository: Path,
    cache: Path,
    out: Path,
    seed: int = 0,
    budget_s: float | None = None,
    only_in_base: Callable[[Mapping[Side, Prepared]], Sequence[Row]] = lambda _: (),
    on_machine: Callable[[Mapping[str, Scalar], Mapping[str, Scalar]], None] = lambda _machine, _software: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> GateReport:
    """Compares two sides on rows, or goes on with a comparison that was killed.

    Args:
        base: The old code, as `parse_side` reads it.
        head: The new code.
        config: How rows are measured.
        rows: The rows of it that are measured.
        repository: Where revisions come from, and where interpreters run.
        cache: Where trees and environments are kept.
        out: Folder of the raw blocks.
        seed: Seed of the drawn orders.
        budget_s: After so many seconds no new pair begins.
        only_in_base: Called with both sides, for the rows that only base has; each of them is a REGRESSION.
        on_machine: Called with the fields of the machine and the versions of head's software before anything is
            measured; may refuse them.
        on_note: Called with sentences on what is going on.

    Raises:
        UsageError: A side is not there.
        BuildError: A revision cannot be made ready.
        RecordError: `out` holds the blocks of another comparison.
    """
    sides: dict[Side, Prepared] = {
        "base": prepare(base, repository=repository, cache=cache, install=config.install),
        "head": prepare(head, repository=repository, cache=cache, install=config.install),
    }
    facts = {str(side): {"name": prepared.name, **prepared.facts} for side, prepared in sides.items()}
    before, found = machine_here(), environment()
    on_machine(before, software_of(found, facts["head"]))
    both, others = present(rows, sides)
    others += [gone(row) for row in only_in_base(sides)]
    timing = Timing(
        num_blocks=config.num_blocks,
        block_s=config.block_s,
        warm_s=config.warm_s,
        most_memory_mib=config.most_memory_mib,
    )
    settings: dict[str, object] = {
        "seed": seed,
        "rows": [row.as_json() for row in rows],
        "timing": [timing.num_blocks, timing.block_s, timing.warm_s],
        "sides": facts,
        "machine": before,
        "software": software_of(found, facts["head"]),
        "install": list(config.install),
        "import_from": list(config.import_from),
        "targets": {side: _targets(prepared, rows) for side, prepared in sides.items()},
    }
    codes = {side: _code(prepared, config, without=(out, cache)) for side, prepared in sides.items()}
    settings["code"] = {side: code.digest for side, code in codes.items() if code is not None}
    suite = Suite(
        sides={
            row.name: {side: launch_of(prepared, row, config.import_from) for side, prepared in sides.items()}
            for row in both
        },
        raw=RawFile(out / "pairs.jsonl", settings),
        timing=timing,
        seed=seed,
        budget_s=budget_s,
        on_pair=lambda name, done, wanted: on_note(f"{name}: pair {done + 1} of {wanted}"),
    )
    if suite.raw.pairs:
        _refuse_unknown(codes, suite.raw.path)
        on_note(f"Resuming with the {len(suite.raw.pairs)} pairs in {suite.raw.path}")
    ignored = {entry.row: entry.reason for entry in config.ignore}
    everything = [*both, *(report.row for report in others)]
    judged = suite.run(everything, {report.row.name: report for report in others})
    reports = [replace(report, ignored=ignored.get(report.row.name)) for report in judged]
    after = machine_here()
    return GateReport(
        verdict=verdict_over(reports, before, after),
        rows=tuple(reports),
        machine=before,
        machine_after=after,
        seed=seed,
        sides=facts,
        environment=found,
        version=__version__,
        num_blocks=timing.num_blocks,
    )


def _targets(side: Prepared, rows: Sequence[Row]) -> dict[str, str | None]:
    """The digest of each row's file in a side, by row."""
    files = {row.name: target_file(side, row) for row in rows}
    return {name: file_digest(file) for name, file in files.items() if file is not None}


def _code(side: Prepared, config: GateConfig, *, without: Sequence[Path]) -> Code | None:
    """The code of a side whose facts do not fix it; None of the others."""
    if not side.sources:
        return None
    return code_of([*side.sources, *(side.folder / folder for folder in config.import_from)], without=without)


def _refuse_unknown(codes: Mapping[Side, Code | None], path: Path) -> None:
    """Refuses to go on with the pairs of code that may have changed.

    Raises:
        RecordError: A side's code cannot be told.
    """
    for side, code in codes.items():
        if code is not None and code.digest is None:
            raise RecordError(
                f"holds pairs, and whether {side} still has the same code cannot be told ({code.why_not}); "
                "remove it, or name another --out",
                path=path,
            )
