"""A plugin of pytest: tests that are benchmarks, which `pytest --bench-gate` compares between two revisions.

Without `--bench-gate` marked tests run as ordinary tests. It imports nothing of bench before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from bench.gate.config import GateConfig, Row
    from bench.gate.report import GateReport
    from bench.gate.suite import RowReport

__all__ = ["gate_step"]

_MARKER = "bench_gate(tolerance=0.03, threads=None): a benchmark that --bench-gate compares between two revisions"
_KEYS = ("tolerance", "threads", "output_tolerance")
_REPORT = pytest.StashKey["GateReport"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("bench-gate", "speed of two revisions, side by side (bench gate)")
    group.addoption("--bench-gate", action="store_true", help="Compare the speed of the tests marked bench_gate.")
    group.addoption(
        "--bench-base",
        metavar="SIDE",
        default="rev:main",
        help="The old code: rev:REVISION, env:PYTHON. [%(default)s]",
    )
    group.addoption("--bench-head", metavar="SIDE", default="rev:HEAD", help="The new code, committed. [%(default)s]")
    group.addoption("--bench-budget", metavar="MINUTES", type=float, help="Open tests are then skipped as undecided.")
    group.addoption("--bench-seed", metavar="N", type=int, default=0, help="Seed of the coins. [%(default)s]")
    group.addoption(
        "--bench-out", metavar="DIR", default="bench-gate", help="Folder of raw blocks and reports. [%(default)s]"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declares the marker, and refuses what cannot be measured."""
    config.addinivalue_line("markers", _MARKER)
    if not config.getoption("bench_gate"):
        return
    if config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        raise pytest.UsageError("--bench-gate measures one thing at a time: run it with -n0")
    budget = config.getoption("bench_budget")
    if budget is not None and budget <= 0:
        raise pytest.UsageError(f"--bench-budget: {budget:g} minutes are not enough; write a positive number")


@pytest.fixture
def gate_step() -> Callable[[Callable[[], Any]], None]:
    """Takes the step of a benchmark, a callable without arguments; it may have `synchronize` and `outputs`.

    In an ordinary run the step is called once.
    """

    def run(step: Callable[[], Any]) -> None:
        step()

    return run


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Under --bench-gate only marked tests are left."""
    if not config.getoption("bench_gate"):
        return
    marked = [item for item in items if item.get_closest_marker("bench_gate")]
    config.hook.pytest_deselected(items=[item for item in items if item not in marked])
    items[:] = marked


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Under --bench-gate the tests are measured, all in one gate, and each is given its verdict."""
    config = session.config
    if not config.getoption("bench_gate") or config.option.collectonly:
        return None
    if session.testsfailed and not config.option.continue_on_collection_errors:
        raise session.Interrupted(f"{session.testsfailed} errors during collection")
    skipped = {item.nodeid: reason for item in session.items if (reason := _skip_reason(item)) is not None}
    measured = [item for item in session.items if item.nodeid not in skipped]
    report = _compared(config, measured) if measured else None
    if report is not None:
        config.stash[_REPORT] = report
    rows = {row.row.target: row for row in report.rows} if report is not None else {}
    for item in session.items:
        reason = skipped.get(item.nodeid)
        _say(item, *(("skipped", reason) if reason is not None else _outcome(rows[f"pytest:{item.nodeid}"], report)))
    return True


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table of the gate."""
    report = config.stash.get(_REPORT, None)
    if report is None:
        return
    from bench.gate.report import HEADERS, table

    lines = [list(HEADERS), *table(report.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADERS))]
    terminalreporter.section("bench gate")
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        terminalreporter.line("  ".join(cells).rstrip())
    for reason in report.reasons:
        terminalreporter.line(reason)
    terminalreporter.line(f"{report.verdict}; raw blocks and reports: {config.getoption('bench_out')}")


def _skip_reason(item: pytest.Item) -> str | None:
    """Why the marks of a test say that it is not to run here; its fixtures are not set up for that."""
    skipping = item.config.pluginmanager.get_plugin("skipping")
    if skipping is None:
        return None
    try:
        skipping.pytest_runtest_setup(item)
    except pytest.skip.Exception as error:
        return str(error.msg)
    except pytest.xfail.Exception as error:
        return f"expected to fail: {error.msg}"
    return None


def _compared(config: pytest.Config, items: list[pytest.Item]) -> GateReport:
    """The gate over all tests.

    Raises:
        pytest.UsageError: A side is not there, cannot be made ready, or a mark has wrong arguments.
    """
    from bench.errors import BenchError
    from bench.gate.ci import write_reports
    from bench.gate.compare import compare
    from bench.resources import default_cache_folder

    sides = config.getoption("bench_base"), config.getoption("bench_head")
    if any(side.startswith("path:") for side in sides):
        raise pytest.UsageError("a submission has no tests; write rev:REVISION or env:PYTHON")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    budget = config.getoption("bench_budget")
    out = Path(config.invocation_params.dir, config.getoption("bench_out"))
    try:
        gate = _configuration(config.rootpath, [_row(item) for item in items])
        report = compare(
            *sides,
            gate,
            gate.rows,
            repository=config.rootpath,
            cache=default_cache_folder(),
            out=out,
            seed=config.getoption("bench_seed"),
            budget_s=None if budget is None else 60 * budget,
            on_note=lambda words: None if reporter is None else reporter.write_line(words),
        )
        write_reports(report, out)
    except BenchError as error:
        raise pytest.UsageError(str(error)) from error
    return report


def _configuration(folder: Path, rows: list[Row]) -> GateConfig:
    """The project's configuration of the gate with the tests as its rows; ignored rows are those of `bench gate`."""
    from bench.gate.config import GateConfig, load_config

    config = load_config(None, folder) or GateConfig(rows=())
    return config.model_copy(update={"rows": tuple(rows), "ignore": ()})


def _row(item: pytest.Item) -> Row:
    from bench.errors import UsageError
    from bench.gate.config import Row

    marker = item.get_closest_marker("bench_gate")
    keys = {} if marker is None else marker.kwargs
    if marker is None or marker.args or not set(keys) <= set(_KEYS):
        raise UsageError(f"{item.nodeid}: bench_gate takes {', '.join(_KEYS)}, each with its name: tolerance=0.03")
    return Row.parse({"name": item.nodeid, "target": f"pytest:{item.nodeid}", **keys}, path=item.nodeid)


def _outcome(row: RowReport, report: GateReport | None) -> tuple[Literal["passed", "failed", "skipped", "error"], str]:
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


def _say(item: pytest.Item, outcome: Literal["passed", "failed", "skipped", "error"], words: str) -> None:
    """Reports a test as pytest reports one that ran."""
    hook, location = item.ihook, item.location
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=location)
    for phase, result in _phases(outcome):
        longrepr: Any = None
        if result == "skipped":
            longrepr = (str(item.path), (location[1] or 0) + 1, f"Skipped: {words}")
        elif result == "failed":
            longrepr = words
        keywords = dict.fromkeys(item.keywords, 1)
        report = pytest.TestReport(item.nodeid, location, keywords, result, longrepr, phase)  # type: ignore[arg-type]
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=location)


def _phases(outcome: str) -> Iterator[tuple[str, str]]:
    if outcome == "error":
        yield "setup", "failed"
    else:
        yield "setup", "passed"
        yield "call", outcome
    yield "teardown", "passed"
