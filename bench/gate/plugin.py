"""A plugin of pytest: tests that are benchmarks, which `pytest --bench-gate` compares between two revisions.

Without `--bench-gate` marked tests run as ordinary tests. It imports nothing of bench before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.gate.plugin_reports import Place, outcome, say

if TYPE_CHECKING:
    from bench.gate.config import GateConfig, Row
    from bench.gate.raw import Side
    from bench.gate.report import GateReport
    from bench.gate.sides import Prepared

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
    if budget is not None and not budget > 0:  # NaN is no number of minutes
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
    report = _compared(config, measured, known=[item.nodeid for item in session.items])
    if report is not None:
        config.stash[_REPORT] = report
    rows = {row.row.target: row for row in report.rows} if report is not None else {}
    for item in session.items:
        reason = skipped.get(item.nodeid)
        row = rows.pop(f"pytest:{item.nodeid}", None)
        say(Place.of(item), *(outcome(row, report) if row is not None else ("skipped", reason or "")))
    for row in rows.values():  # those that only base has
        file, _, test = row.row.name.partition("::")
        place = Place(nodeid=row.row.name, location=(file, None, test), path=file, keywords=(), hook=config.hook)
        say(place, *outcome(row, report))
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


def _compared(config: pytest.Config, items: list[pytest.Item], known: list[str]) -> GateReport | None:
    """The gate over all tests, those that only base has among them; None where there is none.

    Args:
        config: Of pytest.
        items: The tests that are measured.
        known: All marked tests here.

    Raises:
        pytest.UsageError: A side is not there, cannot be made ready, or a mark has wrong arguments.
    """
    from bench.errors import BenchError
    from bench.gate.ci import write_reports
    from bench.gate.compare import compare
    from bench.gate.config import Row
    from bench.gate.gone_tests import Call, gone_tests
    from bench.gate.sides import prepare
    from bench.resources import default_cache_folder

    base, head = config.getoption("bench_base"), config.getoption("bench_head")
    if any(side.startswith("path:") for side in (base, head)):
        raise pytest.UsageError("a submission has no tests; write rev:REVISION or env:PYTHON")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    budget = config.getoption("bench_budget")
    here = config.invocation_params.dir
    out = Path(here, config.getoption("bench_out"))
    places = frozenset(getattr(config.option, "file_or_dir", None) or ())
    words = tuple(_without_own(config.invocation_params.args))
    call = Call(words=words, places=places, folder=here, root=config.rootpath)

    def note(words: str) -> None:
        if reporter is not None:
            reporter.write_line(words)

    def only_in_base(sides: Mapping[Side, Prepared]) -> list[Row]:
        gone = gone_tests(sides, call, known, gate.import_from, note)
        return [Row.parse({"name": test, "target": f"pytest:{test}"}, path=test) for test in gone]

    try:
        gate = _configuration(config.rootpath, [_row(item) for item in items])
        folders: Any = {"repository": config.rootpath, "cache": default_cache_folder()}
        if not items:
            sides: Any = {
                side: prepare(text, install=gate.install, **folders) for side, text in (("base", base), ("head", head))
            }
            if not only_in_base(sides):
                return None
        report = compare(
            base,
            head,
            gate,
            gate.rows,
            **folders,
            out=out,
            seed=config.getoption("bench_seed"),
            budget_s=None if budget is None else 60 * budget,
            only_in_base=only_in_base,
            on_note=note,
        )
        write_reports(report, out, note)
    except BenchError as error:
        raise pytest.UsageError(str(error)) from error
    return report


def _without_own(words: Sequence[str]) -> Iterator[str]:
    """Arguments of pytest without those of this plugin, which another interpreter may not know."""
    ours = iter(words)
    for word in ours:
        if not word.startswith("--bench-"):
            yield word
        elif word != "--bench-gate" and "=" not in word:
            next(ours, None)  # its value


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
