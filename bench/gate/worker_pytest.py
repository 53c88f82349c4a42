"""A test as a benchmark: pytest runs it in this process, and its fixture serves the step from inside the test.

So the test's own fixtures are alive while its step is timed. Like `worker.py` this runs under the interpreter of the
side that is measured; it needs pytest there, and nothing of bench.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

__all__ = ["collected", "run"]

Step = Callable[[], Any]
_NEUTRAL = {
    "xdist": "-n0",
    "pytest_cov": "--no-cov",
    "pytest_timeout": "--timeout=0",
    "pytest_benchmark": "--benchmark-enable",
}
"""What keeps plugins from running the test elsewhere, slowing it down or ending it, where they are there."""


def run(test: str, serve: Callable[[Step], None], missing: type[Exception]) -> None:
    """Runs one test until its step is no longer needed.

    Args:
        test: The test's id, relative to the current folder.
        serve: Takes the step; returns when it is no longer needed.
        missing: What is raised where there is no such test.

    Raises:
        RuntimeError: The test ended without a step: it failed, was skipped, or uses neither fixture.
    """
    file = test.partition("::")[0]
    if not os.path.isfile(file):  # noqa: PTH113 - a script without bench
        raise missing(f"there is no file {file}")
    os.environ.pop("PYTEST_ADDOPTS", None)
    neutral = [option for module, option in _NEUTRAL.items() if importlib.util.find_spec(module) is not None]
    plugin = _OneTest(test, serve)
    # The last -m and -k hold: a test that addopts leave out is asked for by name here.
    code = pytest.main([file, f"--rootdir={os.getcwd()}", "-q", "-s", "-m", "", "-k", "", *neutral], plugins=[plugin])  # noqa: PTH109 - text
    if plugin.is_served:
        return
    if plugin.words:
        raise RuntimeError(plugin.words)
    if plugin.is_collected and not plugin.is_there:
        raise missing(f"{file} has no test {test!r}")
    words = "it uses neither the fixture benchmark nor gate_step" if plugin.is_there else f"pytest ended with {code!r}"
    raise RuntimeError(words)


def collected(words: Sequence[str], root: str) -> dict[str, Any]:
    """The ids of all tests that are marked as benchmarks, and why others could not be collected.

    Args:
        words: The arguments of pytest.
        root: The folder that ids begin in.

    Raises:
        RuntimeError: Nothing was collected: an argument is unknown here, or a `conftest.py` raises.
    """
    plugin = _Collection()
    code = pytest.main([*words, "--collect-only", "-q", f"--rootdir={root}"], plugins=[plugin])
    if plugin.tests is None:
        raise RuntimeError(f"pytest ended with {code!r}")
    return {"tests": plugin.tests, "fault": plugin.words}


def _prepare_marks(config: pytest.Config) -> None:
    """Declares the marker, and keeps the gate's own plugin still where the project's addopts switch it on."""
    config.addinivalue_line("markers", "bench_gate(tolerance=0.03): a benchmark that `bench gate` can compare")
    if hasattr(config.option, "bench_gate"):
        config.option.bench_gate = False


class _Collection:
    """The plugin of a run that collects."""

    def __init__(self) -> None:
        self.tests: list[str] | None = None
        """The marked tests; None before they are collected."""
        self.words = ""
        """Why some cannot be collected."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Declares the marker."""
        _prepare_marks(config)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keeps the marked tests that -k and -m leave."""
        self.tests = [item.nodeid for item in items if item.get_closest_marker("bench_gate")]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keeps why a file cannot be collected."""
        if report.failed:
            self.words = self.words or f"{report.nodeid}: {report.longreprtext.strip().rpartition(chr(10))[2]}"


class _OneTest:
    """The plugin of such a run: leaves one test, offers the fixtures, and keeps why the test failed."""

    def __init__(self, test: str, serve: Callable[[Step], None]) -> None:
        self.is_collected = self.is_there = self.is_served = False
        self.words = ""
        """Why there is no step."""
        self._test = test
        self._serve = serve

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Makes both fixtures give their step to this run."""
        _prepare_marks(config)
        try:
            from pytest_benchmark.fixture import BenchmarkFixture
        except ImportError:
            config.pluginmanager.register(_Benchmark(self.served), "bench-gate-fixtures")
            return
        # Its plugin takes no other class for the fixture, so its own gets other methods in this process.
        for name, method in zip(("__call__", "pedantic"), _served_by(self.served), strict=True):
            setattr(BenchmarkFixture, name, method)
        config.pluginmanager.register(_Names(), "bench-gate-fixtures")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leaves the one test."""
        items[:] = [item for item in items if item.nodeid == self._test]
        self.is_collected, self.is_there = True, bool(items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Any:
        """Gives `gate_step` whoever defined it: which of two plugins wins depends on pytest's version."""
        if fixturedef.argname != "gate_step":
            return None
        fixturedef.cached_result = (self.served, fixturedef.cache_key(request), None)  # type: ignore[arg-type]
        return self.served

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keeps why a file cannot be collected."""
        if report.failed:
            self._keep(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps why the test failed or was skipped."""
        if not report.passed:
            self._keep(report)

    def _keep(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if isinstance(report.longrepr, tuple):  # file, line and reason of a skip
            self.words = self.words or str(report.longrepr[2])
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        lines = (crash.message if crash is not None else report.longreprtext).strip().splitlines()
        self.words = self.words or (lines[0 if crash is not None else -1] if lines else report.outcome)

    def served(self, step: Step) -> None:
        """Serves the step of the test, once."""
        if self.is_served:
            raise RuntimeError("a test has one step; call the fixture once")
        self.is_served = True
        self._serve(step)


class _Names:
    """The names of the fixtures, for environments without bench or pytest-benchmark."""

    @pytest.fixture
    def gate_step(self) -> None:
        """Takes the step; its value comes from `_OneTest`."""


class _Benchmark(_Names):
    """What stands in for the fixture of pytest-benchmark."""

    def __init__(self, serve: Callable[[Step], None]) -> None:
        self._serve = serve

    @pytest.fixture
    def benchmark(self) -> Any:
        """Takes a function and its arguments: a call is the step."""
        called, pedantic = _served_by(self._serve)

        class Benchmark:
            __call__ = called
            group = name = stats = None
            enabled, disabled = True, False

        Benchmark.pedantic = pedantic  # type: ignore[attr-defined]
        found = Benchmark()
        found.extra_info = {}  # type: ignore[attr-defined]
        return found


def _served_by(serve: Callable[[Step], None]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The methods `__call__` and `pedantic` of a fixture whose calls are steps; each returns what its first one did."""

    def called(_: Any, function_to_benchmark: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        found = function_to_benchmark(*args, **kwargs)
        serve(lambda: function_to_benchmark(*args, **kwargs))
        return found

    def pedantic(
        self: Any,
        target: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        **_: Any,
    ) -> Any:
        if setup is not None or teardown is not None:
            raise TypeError("the gate times whole steps: benchmark.pedantic takes no setup and no teardown here")
        return called(self, target, *args, **(kwargs or {}))

    return called, pedantic
