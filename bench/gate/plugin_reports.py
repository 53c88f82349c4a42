"""The tests of a gate as pytest reports tests that ran; light, as its plugin is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from bench.gate.report import GateReport
    from bench.gate.suite import RowReport

__all__ = ["Place", "outcome", "say"]

Ending = Literal["passed", "failed", "skipped", "error"]


def outcome(row: RowReport, report: GateReport | None) -> tuple[Ending, str]:
    """How a test ends, and why."""
    from bench.gate.ci import sentence

    words = sentence(row)
    if report is not None and report.reasons and row.verdict != "MISMATCH":
        return "error", "; ".join(report.reasons)
    if row.verdict in ("REGRESSION", "MISMATCH"):
        return "failed", words
    if row.verdict == "INVALID":
        return "error", words
    return ("skipped", words) if row.verdict == "INCONCLUSIVE" else ("passed", words)


@dataclass(frozen=True, kw_only=True)
class Place:
    """What pytest's reports say of a test, one that is only in base too."""

    nodeid: str
    location: tuple[str, int | None, str]
    path: str
    keywords: tuple[str, ...]
    hook: Any
    """Where its reports go."""

    @classmethod
    def of(cls, item: pytest.Item) -> Place:
        """That of a collected test."""
        return cls(
            nodeid=item.nodeid,
            location=item.location,
            path=str(item.path),
            keywords=tuple(item.keywords),
            hook=item.ihook,
        )


def say(place: Place, ending: Ending, words: str) -> None:
    """Reports a test as pytest reports one that ran."""
    nodeid, location, hook = place.nodeid, place.location, place.hook
    hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
    for phase, result in _phases(ending):
        longrepr: Any = None
        if result == "skipped":
            longrepr = (place.path, (location[1] or 0) + 1, f"Skipped: {words}")
        elif result == "failed":
            longrepr = words
        keywords = dict.fromkeys(place.keywords, 1)
        report = pytest.TestReport(nodeid, location, keywords, result, longrepr, phase)  # type: ignore[arg-type]
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)


def _phases(ending: str) -> Iterator[tuple[str, str]]:
    if ending == "error":
        yield "setup", "failed"
    else:
        yield "setup", "passed"
        yield "call", ending
    yield "teardown", "passed"
