"""A gate for machines and reviewers: JUnit, Markdown, a page, annotations, and JSON that pytest-benchmark reads."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from bench.files import pretty_json, write_atomic
from bench.gate.raw import valid_blocks
from bench.gate.report import HEADERS, GateReport, as_json, table
from bench.gate.suite import RowReport
from bench.inert import github_message
from bench.leaderboard.exports import markdown_cell, markdown_text

__all__ = ["github_lines", "junit", "pytest_benchmark", "sentence", "summary", "write_reports"]


def write_reports(report: GateReport, out: Path, on_note: Callable[[str], None] = lambda _: None) -> None:
    """Writes the reports of a gate into a folder, and tells GitHub's runner where there is one.

    Args:
        report: The gate.
        out: The folder.
        on_note: Called with a sentence where the step's summary cannot be written.

    Raises:
        StoreError: The folder cannot be written.
    """
    from bench.gate.pages import report_page

    write_atomic(out / "regression.json", pretty_json(as_json(report)))
    write_atomic(out / "junit.xml", junit(report))
    write_atomic(out / "summary.md", summary(report))
    write_atomic(out / "report.html", report_page(report))
    now = datetime.now(UTC).isoformat()
    write_atomic(out / "pytest-benchmark.json", pretty_json(pytest_benchmark(report, now)))
    if summary_file := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(summary_file).open("a", encoding="utf-8") as file:
                file.write(summary(report))
        except OSError as error:  # the runner's own file; the verdict stands without it
            on_note(f"The step's summary {summary_file} cannot be written ({error.strerror})")
    if os.environ.get("GITHUB_ACTIONS"):
        for line in github_lines(report):
            sys.stderr.write(line + "\n")


def junit(report: GateReport) -> str:
    """A test case a row: REGRESSION and MISMATCH fail, INCONCLUSIVE is skipped, INVALID is an error.

    Where the machine changed meanwhile nothing was decided, so every row but a MISMATCH is an error.
    """
    suite = ET.Element("testsuite", name="bench gate", tests=str(len(report.rows)))
    counts = {"failures": 0, "errors": 0, "skipped": 0}
    for row, line in zip(report.rows, table(report.rows), strict=True):
        case = ET.SubElement(suite, "testcase", classname="bench.gate", name=row.row.name)
        properties = ET.SubElement(case, "properties")
        for header, cell in zip(HEADERS[1:], line[1:], strict=True):
            ET.SubElement(properties, "property", name=header, value=cell)
        is_void = bool(report.reasons) and row.verdict != "MISMATCH"
        kind, counted = ("error", "errors") if is_void else _kind(row)
        if kind:
            counts[counted] += 1
            ET.SubElement(case, kind, message="; ".join(report.reasons) if is_void else sentence(row))
    suite.attrib.update({name: str(count) for name, count in counts.items()})
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _kind(row: RowReport) -> tuple[str, str]:
    if row.ignored or row.is_new or row.verdict == "INCONCLUSIVE":
        return "skipped", "skipped"
    if row.verdict in ("REGRESSION", "MISMATCH"):
        return "failure", "failures"
    return ("error", "errors") if row.verdict == "INVALID" else ("", "")


def sentence(row: RowReport) -> str:
    """A row in words: verdict, slowdown, tolerance, reasons."""
    (line,) = table([row])
    cells = dict(zip(HEADERS, line, strict=True))
    words = f"{cells['verdict']}: {cells['slowdown']} ({cells['interval']}), tolerance {cells['tolerance']}"
    return "; ".join([words, *row.reasons, *([f"ignored: {row.ignored}"] if row.ignored else [])])


def summary(report: GateReport) -> str:
    """The gate as Markdown, for a step summary or a comment; every verdict is in it."""
    base, head = (markdown_cell(report.sides[side].get("name", side)) for side in ("base", "head"))
    numeric = [0 < place < len(HEADERS) - 1 for place in range(len(HEADERS))]
    lines = [
        f"### bench gate: {report.verdict}",
        "",
        f"{base} against {head}, seed {report.seed}. A positive slowdown means that head is slower.",
        "",
        markdown_text(HEADERS, table(report.rows), numeric=numeric),
        *(f"- {markdown_cell(reason)}" for reason in report.reasons),
        *(f"- {markdown_cell(f'{row.row.name}: {reason}')}" for row in report.rows for reason in row.reasons),
    ]
    return "\n".join(lines).rstrip() + "\n"


def github_lines(report: GateReport) -> list[str]:
    """At most one line of each kind for a GitHub job's log."""
    lines = [f"::error::bench gate: {github_message(reason)}" for reason in report.reasons]
    for kind, verdicts in (("error", ("REGRESSION", "MISMATCH", "INVALID")), ("warning", ("INCONCLUSIVE",))):
        names = [
            f"{row.row.name} {row.verdict}"
            for row in report.rows
            if row.verdict in verdicts and not row.ignored and not row.is_new
        ]
        if names:
            lines.append(f"::{kind}::bench gate: {github_message(', '.join(names))}")
    return lines


def pytest_benchmark(report: GateReport, now: str) -> dict[str, Any]:
    """Head's rows in the format of pytest-benchmark's JSON files: seconds a step, one value a block.

    Args:
        report: The gate.
        now: The time of the run, ISO 8601.
    """
    head = report.sides["head"]
    return {
        "machine_info": {"node": "", "python_version": report.environment.get("python", ""), **report.environment},
        "commit_info": {"id": head.get("commit", ""), "dirty": False},
        "benchmarks": [_benchmark(row) for row in report.rows if row.valid_pairs],
        "datetime": now,
        "version": report.version,
    }


def _benchmark(row: RowReport) -> dict[str, Any]:
    data = [blocks.head.step_ns / 1e9 for pair in row.valid_pairs for blocks in valid_blocks(pair)]
    mean, deviation = statistics.fmean(data), statistics.stdev(data) if len(data) > 1 else 0.0
    q1, middle, q3 = statistics.quantiles(data, n=4) if len(data) > 1 else data * 3
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    inside = [value for value in data if low <= value <= high]
    num_iqr = len(data) - len(inside)
    num_deviation = sum(abs(value - mean) > deviation for value in data)
    return {
        "group": None,
        "name": row.row.name,
        "fullname": f"bench gate::{row.row.name}",
        "params": None,
        "param": None,
        "extra_info": {"verdict": row.verdict},
        "options": {"disable_gc": True, "timer": "perf_counter_ns", "warmup": True},
        "stats": {
            "min": min(data),
            "max": max(data),
            "mean": mean,
            "stddev": deviation,
            "rounds": len(data),
            "median": middle,
            "iqr": q3 - q1,
            "q1": q1,
            "q3": q3,
            "iqr_outliers": num_iqr,
            "stddev_outliers": num_deviation,
            "outliers": f"{num_deviation};{num_iqr}",
            "ld15iqr": min(inside, default=min(data)),
            "hd15iqr": max(inside, default=max(data)),
            "ops": 1 / mean,
            "total": sum(data),
            "data": data,
            "iterations": 1,
        },
    }
