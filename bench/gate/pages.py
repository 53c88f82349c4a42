"""A gate and its history as pages that need nothing beside them, and a history as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from bench.gate.drawing import pair_dots, run_dots
from bench.gate.report import HEADERS, GateReport, table
from bench.gate.screen import Proposal, Series, changes_in, segments
from bench.gate.suite import RowReport
from bench.leaderboard.compact import compact
from bench.leaderboard.exports import csv_text
from bench.leaderboard.pages import render
from bench.leaderboard.svg import markup
from bench.resources import resource_folder
from bench.version import __version__

__all__ = ["history_csv", "history_page", "report_page"]

_CSV = ("what", "machine", "at", "commit", "ms", "segment", "segment_ms")


def report_page(report: GateReport) -> bytes:
    """The page of a gate: verdict, table, and for each row its pairs as dots."""
    rows = [_row(row, line) for row, line in zip(report.rows, table(report.rows), strict=True)]
    names = {side: facts.get("name", side) for side, facts in report.sides.items()}
    facts = sorted((str(key), str(value)) for key, value in report.machine.items())
    context = {"report": report, "headers": HEADERS, "rows": rows, "names": names, "facts": facts}
    return _page("gate.html", context)


def _row(row: RowReport, cells: Sequence[str]) -> dict[str, Any]:
    drawing = pair_dots(row)
    reasons = [*row.reasons, *([f"ignored: {row.ignored}"] if row.ignored else [])]
    return {
        "name": row.row.name,
        "verdict": row.verdict,
        "cells": cells,
        "reasons": reasons,
        "drawing": None if drawing is None else Markup(markup(drawing)),  # noqa: S704 - by an XML library
    }


def history_page(series: Sequence[Series], proposals: Sequence[Proposal], tolerance: float | None = None) -> bytes:
    """The page of a history: where it may have changed, and every series drawn, those with changes first.

    Args:
        series: What was measured over time.
        proposals: Where it may have changed.
        tolerance: The least change, instead of that of each series.
    """
    found = [(one, changes_in(one, tolerance)) for one in series if one.points]
    found.sort(key=lambda pair: not pair[1])
    figures = [
        {
            "name": one.name,
            "fingerprint": one.fingerprint,
            "num_runs": len(one.points),
            "drawing": Markup(markup(run_dots(one, changes))),  # noqa: S704 - by an XML library
        }
        for one, changes in found
    ]
    return _page("gate-history.html", {"figures": figures, "proposals": proposals})


def history_csv(series: Sequence[Series], tolerance: float | None = None) -> str:
    """Every run as a line: what, machine, time, commit, milliseconds, and the segment between changes it lies in.

    Args:
        series: What was measured over time.
        tolerance: The least change, instead of that of each series.
    """
    return csv_text(_CSV, (line for one in series for line in _lines(one, tolerance)))


def _lines(series: Series, tolerance: float | None) -> Iterator[list[Any]]:
    for number, segment in enumerate(segments(series, changes_in(series, tolerance)), start=1):
        middle = 1e3 * segment.seconds
        for point in series.points[segment.start : segment.end]:
            yield [series.name, series.fingerprint, point.at, point.commit, 1e3 * point.seconds, number, middle]


def _page(template: str, context: Mapping[str, Any]) -> bytes:
    sheet = (resource_folder("templates") / "site.css").read_text(encoding="utf-8")
    style = Markup(compact("site.css", sheet))  # noqa: S704 - our own file
    return render(template, {"version": __version__, "style": style, **context})
