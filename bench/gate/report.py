"""A gate as JSON from which its verdict can be recomputed, and as the lines of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.errors import RecordError
from bench.gate.config import Row
from bench.gate.machine import differences
from bench.gate.raw import Pair
from bench.gate.suite import EXIT_CODES, RowReport, SuiteVerdict, judge, suite_verdict
from bench.records.result import Scalar

__all__ = ["HEADERS", "SCHEMA", "GateReport", "as_json", "percent", "recomputed", "table", "verdict_over"]

SCHEMA = "bench-regression/1"
HEADERS = ("row", "base", "head", "slowdown", "interval", "tolerance", "detectable", "pairs", "verdict")


@dataclass(frozen=True, kw_only=True)
class GateReport:
    """A finished gate."""

    verdict: SuiteVerdict
    rows: tuple[RowReport, ...]
    seed: int
    sides: Mapping[str, Mapping[str, str]]
    """From `base` and `head` to their names and facts."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Machine and libraries of the gate itself."""
    machine: Mapping[str, Scalar] = field(default_factory=dict)
    """What must not change meanwhile, before the first pair."""
    machine_after: Mapping[str, Scalar] = field(default_factory=dict)
    """The same after the last one."""
    version: str = ""
    is_strict: bool = False
    num_blocks: int = 10
    """Pairs of blocks a pair."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sentences about all rows."""
        changed = differences(self.machine, self.machine_after)
        return (f"the machine changed meanwhile: {', '.join(changed)}",) if changed else ()

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        return 3 if self.is_strict and self.verdict == "INCONCLUSIVE" else EXIT_CODES[self.verdict]


def verdict_over(
    rows: Sequence[RowReport], machine: Mapping[str, Scalar], machine_after: Mapping[str, Scalar]
) -> SuiteVerdict:
    """The verdict over all rows; a machine that changed meanwhile leaves none but MISMATCH, which is no time."""
    verdict = suite_verdict(rows)
    return "INVALID" if verdict != "MISMATCH" and differences(machine, machine_after) else verdict


def as_json(report: GateReport) -> dict[str, Any]:
    """All of it, raw pairs included; numbers that are not finite are null."""
    return {
        "schema": SCHEMA,
        "version": report.version,
        "verdict": report.verdict,
        "exit_code": report.exit_code,
        "strict": report.is_strict,
        "seed": report.seed,
        "num_blocks": report.num_blocks,
        "sides": {name: dict(facts) for name, facts in report.sides.items()},
        "environment": dict(report.environment),
        "machine": {"before": dict(report.machine), "after": dict(report.machine_after)},
        "reasons": list(report.reasons),
        "rows": [_row_json(row) for row in report.rows],
    }


def recomputed(content: Mapping[str, Any], path: Path) -> GateReport:
    """The report that the raw pairs in a report's JSON give, verdicts made anew.

    Raises:
        RecordError: It is no report of a gate.
    """
    if content.get("schema") != SCHEMA:
        raise RecordError(f"is {content.get('schema')!r}, expected {SCHEMA!r}", path=path, key="schema")
    try:
        return _recomputed(content, path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"is no whole report of a gate ({type(error).__name__}: {error})", path=path) from error


def _recomputed(content: Mapping[str, Any], path: Path) -> GateReport:
    rows, pairs, ended, ignored = [], [], {}, {}
    for entry in content["rows"]:
        row = Row.parse(entry["row"], path=path)
        ignored[row.name] = entry["ignored"]
        rows.append(row)
        pairs += [Pair.parse(pair, path=path) for pair in entry["pairs"]]
        if not entry["pairs"] and entry["verdict"] != "INCONCLUSIVE":  # it was over before it was timed
            reasons = tuple(entry["reasons"])
            ended[row.name] = RowReport(row=row, verdict=entry["verdict"], reasons=reasons, is_new=entry["new"])
    judged = judge(rows, pairs, ended, num_blocks=content["num_blocks"]).values()
    reports = [replace(report, ignored=ignored[report.row.name]) for report in judged]
    machine = content["machine"]
    return GateReport(
        verdict=verdict_over(reports, machine["before"], machine["after"]),
        rows=tuple(reports),
        machine=machine["before"],
        machine_after=machine["after"],
        seed=content["seed"],
        sides=content["sides"],
        environment=content["environment"],
        version=content["version"],
        is_strict=content["strict"],
        num_blocks=content["num_blocks"],
    )


def _row_json(report: RowReport) -> dict[str, Any]:
    decision = report.decision
    return {
        "row": report.row.as_json(),
        "verdict": report.verdict,
        "reasons": list(report.reasons),
        "ignored": report.ignored,
        "new": report.is_new,
        "base_step_s": _finite(report.step_s("base")),
        "head_step_s": _finite(report.step_s("head")),
        "decision": None if decision is None else _plain(asdict(decision)),
        "pairs": [pair.as_json() for pair in report.pairs],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return _finite(value) if isinstance(value, float) else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def table(rows: Sequence[RowReport]) -> list[list[str]]:
    """A line a row, under `HEADERS`."""
    return [_line(report) for report in rows]


def _line(report: RowReport) -> list[str]:
    decision = report.decision
    look = decision.looks[-1] if decision is not None and decision.looks else None
    is_improved = report.verdict == "OK" and decision is not None and decision.is_improved  # memory may have grown
    words: str = "OK, improved" if is_improved else report.verdict
    if decision is not None and decision.is_suspect:
        words += ", suspect"
    words = "only in head" if report.is_new else f"{words} (ignored)" if report.ignored else words
    return [
        report.row.name,
        _milliseconds(report.step_s("base")),
        _milliseconds(report.step_s("head")),
        "-" if look is None else percent(look.estimate),
        "-" if look is None else f"{percent(look.low)} to {percent(look.high)}",
        "-" if decision is None else percent(decision.tolerance),
        "-" if decision is None or look is None else percent(decision.tolerance + decision.detectable),
        f"{len(report.valid_pairs)} of {len(report.pairs)}",
        words,
    ]


def percent(log_ratio: float) -> str:
    """A slowdown, such as +4.9 %, from ln(head / base).

    >>> percent(0.0488)
    '+5.0 %'
    """
    return "-" if not math.isfinite(log_ratio) else f"{100 * math.expm1(log_ratio):+.1f} %"


def _milliseconds(seconds: float) -> str:
    return "-" if not math.isfinite(seconds) else f"{1e3 * seconds:,.3g} ms"
