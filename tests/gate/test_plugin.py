"""Tests as benchmarks: ordinary without --bench-gate, and given the gate's verdicts with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import time

import pytest

SLOW = {slow}


def spin(milliseconds):
    end = time.perf_counter() + milliseconds / 1e3
    while time.perf_counter() < end:
        pass
    return milliseconds


@pytest.fixture
def amount():
    state = [1.0]
    yield state
    state.clear()


@pytest.mark.bench_gate(tolerance=0.5)
def test_equal(benchmark, amount):
    assert benchmark(lambda: spin(amount[0])) == 1.0


@pytest.mark.bench_gate(tolerance=0.5)
@pytest.mark.parametrize("kind", ["slow"])
def test_step(gate_step, amount, kind):
    gate_step(lambda: spin(SLOW * amount[0]))


@pytest.mark.bench_gate
@pytest.mark.skip(reason="no such device")
def test_elsewhere(gate_step):
    raise AssertionError


def test_ordinary():
    pass
"""
MORE = """

@pytest.mark.bench_gate
def test_broken(gate_step):
    assert not "this is broken"


@pytest.mark.bench_gate
def test_no_step(amount):
    pass


@pytest.mark.bench_gate
def test_outputs(gate_step):
    def step():
        pass
    step.outputs = lambda: [[{answer}, 0.0]]
    gate_step(step)
"""
NEW = """

@pytest.mark.bench_gate
def test_new(gate_step):
    gate_step(lambda: None)
"""


def _git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose revision `main` is the one before HEAD."""
    folder = tmp_path / "project"
    folder.mkdir()
    _git(folder, "init", "-q", "-b", "main")
    (folder / "pyproject.toml").write_text(
        "[tool.bench.gate]\nnum_blocks = 2\nblock_s = 0.005\nwarm_s = 0.01\n"
        '[tool.pytest.ini_options]\naddopts = "--strict-markers -m \'not nothing\'"\nmarkers = ["nothing"]\n'
    )
    (folder / "test_speed.py").write_text(TESTS.format(slow=1) + MORE.format(answer=1))
    _git(folder, "add", "-A")
    _git(folder, "commit", "-q", "-m", "base")
    _git(folder, "checkout", "-q", "-b", "work")
    (folder / "test_speed.py").write_text(TESTS.format(slow=10) + MORE.format(answer=2) + NEW)
    _git(folder, "commit", "-qam", "head")
    return folder


def _pytest(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "BENCH_CACHE_DIR": str(project.parent / "cache"), "COLUMNS": "200"}
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):
        variables.pop(name, None)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False)


def test_without_the_option_they_are_ordinary_tests(project: Path) -> None:
    """`gate_step` calls the step once, and `benchmark` is pytest-benchmark's."""
    done = _pytest(project, "-k", "equal or step or ordinary or elsewhere", "--benchmark-disable")

    assert done.returncode == 0, done.stdout
    assert "4 passed, 1 skipped" in done.stdout


@pytest.mark.slow
def test_marked_tests_are_measured_and_given_verdicts(project: Path) -> None:
    """A slow one fails, an equal one passes, marks that skip a test hold; all rows are in one gate."""
    done = _pytest(project, "--bench-gate", "-rA", "-k", "equal or slow or ordinary or elsewhere or new")

    assert done.returncode == 1, done.stdout
    assert "FAILED test_speed.py::test_step[slow]" in done.stdout
    assert "PASSED test_speed.py::test_equal" in done.stdout
    assert "PASSED test_speed.py::test_new" in done.stdout
    assert "no such device" in done.stdout
    assert "test_ordinary" not in done.stdout
    report = json.loads((project / "bench-gate" / "regression.json").read_text())
    verdicts = {row["row"]["name"]: row["verdict"] for row in report["rows"]}
    assert verdicts == {
        "test_speed.py::test_equal": "OK",
        "test_speed.py::test_step[slow]": "REGRESSION",
        "test_speed.py::test_new": "OK",
    }
    assert "exists in head only" in str(report["rows"])
    assert (project / "bench-gate" / "junit.xml").is_file()


def test_what_cannot_be_measured_is_no_pass(project: Path) -> None:
    """A test that fails or gives no step is an error, outputs that differ are a failure, an open one is skipped."""
    done = _pytest(
        project, "--bench-gate", "--bench-budget", "0.0001", "-k", "broken or no_step or outputs or equal", "-rA"
    )

    assert done.returncode == 1, done.stdout
    assert "ERROR test_speed.py::test_broken" in done.stdout
    assert "this is broken" in done.stdout
    assert "ERROR test_speed.py::test_no_step" in done.stdout
    assert "it uses neither the fixture benchmark nor gate_step" in done.stdout
    assert "FAILED test_speed.py::test_outputs" in done.stdout
    assert "outputs differ" in done.stdout
    assert "SKIPPED [1]" in done.stdout
    assert "INCONCLUSIVE" in done.stdout


@pytest.mark.parametrize("places", [[], ["test_speed.py"], ["test_speed.py", "test_more.py"]])
def test_a_marked_test_that_only_base_has_fails(project: Path, places: list[str]) -> None:
    """It does not go away by itself; neither does one that lost its mark. One that was not asked for is not missed."""
    text = (project / "test_speed.py").read_text()
    text = text.replace("def test_equal", "def test_renamed").replace(
        "@pytest.mark.bench_gate\ndef test_no_step", "def test_no_step"
    )
    (project / "test_speed.py").write_text(text)
    (project / "test_more.py").write_text("")
    _git(project, "add", "-A")
    _git(project, "commit", "-qm", "without")
    words = ["--bench-gate", "--bench-budget", "0.0001", "-k", "equal or renamed or no_step", "-rA", *places]
    done = _pytest(project, *words)

    assert done.returncode == 1, done.stdout
    assert "FAILED test_speed.py::test_equal" in done.stdout
    assert "FAILED test_speed.py::test_no_step" in done.stdout
    assert done.stdout.count("exists in base only") >= 2
    assert "test_broken" not in done.stdout
    report = json.loads((project / "bench-gate" / "regression.json").read_text())
    assert {row["row"]["name"].partition("::")[2]: row["verdict"] for row in report["rows"]} == {
        "test_renamed": "OK", "test_equal": "REGRESSION", "test_no_step": "REGRESSION",
    }  # fmt: skip


def test_no_marked_test_is_left(project: Path) -> None:
    """Base's are missed also where nothing is there to be measured; without any there is no gate."""
    (project / "test_speed.py").write_text("def test_ordinary():\n    pass\n")
    _git(project, "commit", "-qam", "none")
    done = _pytest(project, "--bench-gate", "-k", "equal or ordinary")
    assert done.returncode == 1, done.stdout
    assert "FAILED test_speed.py::test_equal" in done.stdout

    nothing = _pytest(project, "--bench-gate", "-k", "ordinary", "--bench-out", "nothing")
    assert nothing.returncode == 5
    assert not (project / "nothing").exists()


def test_tests_of_base_that_cannot_be_collected_are_said(project: Path) -> None:
    """What is there is measured all the same."""
    _git(project, "checkout", "-q", "main")
    (project / "test_bad.py").write_text("import nowhere_to_be_found\n")
    _git(project, "add", "-A")
    _git(project, "commit", "-qm", "bad")
    _git(project, "checkout", "-q", "work")
    done = _pytest(project, "--bench-gate", "--bench-budget", "0.0001", "-k", "equal")

    assert done.returncode == 0, done.stdout
    assert "Some tests of base cannot be collected (test_bad.py: " in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bench-base", "rev:nowhere"], "there is no revision 'nowhere'"),
        (["--bench-base", "path:a/b"], "a submission has no tests"),
        (["--bench-budget", "0"], "0 minutes are not enough"),
        (["--bench-budget", "nan"], "nan minutes are not enough"),
        (["--bench-out", "pyproject.toml/out"], "cannot be written (Not a directory)"),
        (["-n", "2"], "run it with -n0"),
    ],
)
def test_wrong_usage_is_a_sentence(project: Path, words: list[str], message: str) -> None:
    """The exit code of pytest for wrong usage."""
    done = _pytest(project, "--bench-gate", "-k", "equal", *words)

    assert done.returncode == 4
    assert message in done.stderr + done.stdout


def test_a_mark_with_wrong_arguments_is_wrong_usage(project: Path) -> None:
    """The test and what the mark takes are named."""
    (project / "test_more.py").write_text(
        "import pytest\n@pytest.mark.bench_gate(tolerances=0.1)\ndef test_more(gate_step): ...\n"
    )
    done = _pytest(project, "--bench-gate", "test_more.py")

    assert done.returncode == 4
    assert "test_more.py::test_more: bench_gate takes tolerance, threads, output_tolerance" in done.stderr


def test_the_plugin_is_light() -> None:
    """Every pytest run imports it, so it imports neither numpy nor pydantic nor torch."""
    code = "import sys, bench.gate.plugin; print(sorted({'numpy', 'pydantic', 'torch', 'click'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
