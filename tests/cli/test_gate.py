"""`bench gate` as a user runs it: two revisions of a repository, verdicts, exit codes, reports, faults."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

STEPS = """
import time


def busy():
    def step():
        end = time.perf_counter() + {milliseconds} / 1e3
        while time.perf_counter() < end:
            pass
    step.outputs = lambda: [[{answer}, 0.0]]
    return step
"""
CONFIG = """
num_blocks = 5
block_s = 0.01
warm_s = 0.02
[[rows]]
name = "busy"
target = "steps.py:busy"
"""
IGNORE = '[[ignore]]\nrow = "{row}"\nreason = "known, see issue 12"\nexpires = "{day}"\n'


def _git(repository: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(repository), *identity, *words], check=True, capture_output=True)


def _commit(repository: Path, tag: str, *, milliseconds: float = 2.0, answer: float = 1.0, more: str = "") -> None:
    (repository / "steps.py").write_text(STEPS.format(milliseconds=milliseconds, answer=answer) + more)
    _git(repository, "add", "-A")
    _git(repository, "commit", "-q", "--allow-empty", "-m", tag)
    _git(repository, "tag", tag)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the revisions base, same, slow and other."""
    folder = tmp_path / "repository"
    folder.mkdir()
    _git(folder, "init", "-q")
    (folder / "gate.toml").write_text(CONFIG)
    _commit(folder, "base")
    _commit(folder, "same", more="# a comment\n")
    _commit(folder, "slow", milliseconds=10.0)
    _commit(folder, "other", answer=1.5)
    return folder


def _gate(repository: Path, *words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "BENCH_CACHE_DIR": str(repository.parent / "cache"), **(environment or {})}
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        if name not in (environment or {}):
            variables.pop(name, None)
    command = [sys.executable, "-m", "bench", "gate", *words]
    return subprocess.run(command, cwd=repository, env=variables, capture_output=True, text=True, check=False)


def _sides(head: str) -> list[str]:
    return ["--base", "rev:base", "--head", f"rev:{head}"]


def test_a_slow_head_is_a_regression_with_every_report(repository: Path) -> None:
    """Exit code 1, a failure for JUnit, an error for GitHub, a verdict that its raw blocks give again."""
    summary = repository.parent / "step_summary.md"
    done = _gate(
        repository, *_sides("slow"), environment={"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    )

    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1] == "REGRESSION"
    assert "::error::bench gate: busy REGRESSION" in done.stderr
    out = repository / "bench-gate"
    report = json.loads((out / "regression.json").read_text())
    (row,) = report["rows"]
    assert report["schema"] == "bench-regression/1"
    assert row["decision"]["looks"][-1]["estimate"] > row["decision"]["tolerance"]
    assert len(row["pairs"]) == 10
    case = ET.parse(out / "junit.xml").getroot().find("testcase")  # noqa: S314 - our own file
    assert case is not None
    assert case.find("failure") is not None
    assert summary.read_text() == (out / "summary.md").read_text()
    assert "| busy |" in summary.read_text()
    assert "<h1>REGRESSION</h1>" in (out / "report.html").read_text()
    again = _gate(repository, "--recompute", str(out / "regression.json"), "--json")
    assert again.returncode == 1
    assert json.loads(again.stdout) == report


def test_pytest_benchmark_reads_the_json(repository: Path) -> None:
    """Its own command compares two files."""
    assert _gate(repository, *_sides("same")).returncode == 0
    file = repository / "bench-gate" / "pytest-benchmark.json"
    copy = shutil.copy(file, file.with_name("copy.json"))
    compare = [sys.executable, "-m", "pytest_benchmark", "compare", str(file), str(copy)]
    done = subprocess.run(compare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "busy" in done.stdout


def test_outputs_that_differ_are_no_speed_up(repository: Path) -> None:
    """Exit code 5, and nothing is timed."""
    done = _gate(repository, *_sides("other"))

    assert done.returncode == 5
    assert "outputs differ by 0.5 of the largest one" in done.stderr
    assert not json.loads((repository / "bench-gate/regression.json").read_text())["rows"][0]["pairs"]


RAISES = "def busy():\n    raise ValueError('gone')\n"
EXITS = """
import os


def busy():
    def step():
        os._exit(9)
    step.outputs = lambda: [[1.0, 0.0]]
    return step
"""


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (RAISES, "head failed in 3 processes in a row: make: ValueError: gone"),
        (EXITS, "head failed in 3 processes in a row: warm: the process exited with code 9"),
    ],
    ids=["raises", "exits"],
)
def test_a_head_that_fails_three_times_is_a_regression(repository: Path, more: str, words: str) -> None:
    """It is a fact about head, not about the machine."""
    _commit(repository, "broken", more=more)
    done = _gate(repository, *_sides("broken"))

    assert done.returncode == 1
    assert words in done.stderr


def test_a_base_that_fails_decides_nothing(repository: Path) -> None:
    """Exit code 4."""
    _commit(repository, "broken", more=RAISES)
    done = _gate(repository, "--base", "rev:broken", "--head", "rev:base")

    assert done.returncode == 4
    assert "base failed in 3 processes in a row" in done.stderr


def test_rows_that_one_side_lacks(repository: Path) -> None:
    """Missing in head is a failure, missing in base is said."""
    (repository / "gate.toml").write_text(CONFIG + '[[rows]]\nname = "new"\ntarget = "new.py:busy"\n')
    (repository / "new.py").write_text(STEPS.format(milliseconds=1, answer=1))
    _commit(repository, "more")

    added = _gate(repository, "--base", "rev:base", "--head", "rev:more", "--row", "new", "--out", "added")
    assert added.returncode == 0, added.stderr
    assert "new: exists in head only" in added.stderr
    removed = _gate(repository, "--base", "rev:more", "--head", "rev:base", "--row", "new", "--out", "removed")
    assert removed.returncode == 1
    assert "new: head does not have it" in removed.stderr
    (repository / "gate.toml").write_text(CONFIG)
    dropped = _gate(repository, "--base", "rev:more", "--head", "rev:base", "--budget", "0.0001", "--out", "dropped")
    assert dropped.returncode == 1
    assert "new: exists in base only" in dropped.stderr


def test_rows_that_only_base_lists_are_asked_for_by_nobody_who_names_rows(repository: Path) -> None:
    """With --row nothing is said of them, without it each of them fails."""
    (repository / "gate.toml").write_text(CONFIG + '[[rows]]\nname = "old"\ntarget = "steps.py:busy"\n')
    _commit(repository, "two")
    (repository / "gate.toml").write_text(CONFIG)
    _commit(repository, "one")
    words = ["--base", "rev:two", "--head", "rev:one", "--budget", "0.0001"]

    named = _gate(repository, *words, "--row", "busy", "--out", "named")
    assert named.returncode == 0, named.stderr
    assert "old" not in named.stderr
    every = _gate(repository, *words, "--out", "every")
    assert every.returncode == 1
    assert "old: exists in base only" in every.stderr


def test_a_broken_configuration_of_a_revision_is_said_and_the_gate_goes_on(repository: Path) -> None:
    """Else the change that mends it could never be gated."""
    (repository / "gate.toml").write_text("rows = 3\n")
    _commit(repository, "broken")
    (repository / "gate.toml").write_text(CONFIG)
    _commit(repository, "mended")
    done = _gate(repository, "--base", "rev:broken", "--head", "rev:mended", "--budget", "0.0001")

    assert done.returncode == 0, done.stderr
    assert "base's own configuration cannot be read" in done.stderr
    assert "rows that only base has are not looked for" in done.stderr


def test_other_code_under_an_interpreter_is_another_gate(repository: Path) -> None:
    """No commit fixes it: pairs of one file are no pairs of the next, a module that it imports counts too."""
    (repository / "gate.toml").write_text(CONFIG.replace("steps.py:busy", "target.py:busy"))
    (repository / "target.py").write_text("from steps import busy\n")
    python = repository.parent / "script"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    python.chmod(0o755)
    words = ["--base", f"env:{python}", "--head", f"env:{python}", "--budget", "0.0001"]
    assert _gate(repository, *words).returncode == 0
    assert _gate(repository, *words).returncode == 0

    for file, said in (("steps.py", "(another code)"), ("target.py", "(another code and targets)")):
        content = (repository / file).read_text()
        (repository / file).write_text(content + "# other code\n")
        done = _gate(repository, *words)
        assert done.returncode == 4
        assert said in done.stderr
        (repository / file).write_text(content)


def test_where_revisions_import_from_makes_another_gate(repository: Path) -> None:
    """And so do the commands that make them ready."""
    assert _gate(repository, *_sides("same"), "--budget", "0.0001").returncode == 0
    for more, said in (('import_from = ["src"]', "import_from"), ('install = ["true"]', "install")):
        (repository / "gate.toml").write_text(more + CONFIG)
        done = _gate(repository, *_sides("same"), "--budget", "0.0001")

        assert done.returncode == 4
        assert said in done.stderr


@pytest.mark.parametrize("command", ["gate", "bisect"])
def test_a_folder_that_cannot_be_written_is_a_sentence_and_exit_code_4(repository: Path, command: str) -> None:
    """1 is an answer: a REGRESSION, or nothing to find."""
    (repository / "file").touch()
    sides = _sides("slow") if command == "gate" else ["--good", "base", "--bad", "slow", "--row", "busy"]
    variables = {**os.environ, "BENCH_CACHE_DIR": str(repository.parent / "cache")}
    words = [sys.executable, "-m", "bench", command, *sides, "--out", "file/out"]
    done = subprocess.run(words, cwd=repository, env=variables, capture_output=True, text=True, check=False)

    assert done.returncode == 4
    assert "pairs.jsonl: cannot be written (Not a directory); name another --out" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_summary_of_the_step_that_cannot_be_written_is_a_note(repository: Path) -> None:
    """The verdict stands without it."""
    variables = {"GITHUB_STEP_SUMMARY": str(repository / "nowhere" / "summary.md")}
    done = _gate(repository, *_sides("same"), "--budget", "0.0001", environment=variables)

    assert done.returncode == 0, done.stderr
    assert "summary.md cannot be written (No such file or directory)" in done.stderr


def test_a_killed_gate_resumes_from_its_raw_blocks(repository: Path) -> None:
    """The pairs that are on disk are not measured again, and end with the same order of sides."""
    raw = repository / "bench-gate" / "pairs.jsonl"
    command = [sys.executable, "-m", "bench", "gate", *_sides("same")]
    variables = {**os.environ, "BENCH_CACHE_DIR": str(repository.parent / "cache")}
    child = subprocess.Popen(command, cwd=repository, env=variables, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not raw.is_file() or raw.read_text().count("\n") < 4):
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    before = raw.read_text().rpartition("\n")[0].splitlines()

    done = _gate(repository, *_sides("same"))
    assert done.returncode == 0, done.stderr
    assert f"Resuming with the {len(before) - 1} pairs" in done.stderr
    after = raw.read_text().splitlines()
    assert after[: len(before)] == before
    assert [json.loads(line)["number"] for line in after[1:]] == list(range(len(after) - 1))


def test_a_budget_ends_with_inconclusive_and_never_with_a_verdict(repository: Path) -> None:
    """Exit code 0, or 3 with --strict."""
    done = _gate(repository, *_sides("slow"), "--budget", "0.0001", "--strict")
    assert done.returncode == 3
    assert done.stdout.splitlines()[-1] == "INCONCLUSIVE"
    assert _gate(repository, *_sides("slow"), "--budget", "0.0001").returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--base", "rev:nowhere", "--head", "rev:base"], "there is no revision 'nowhere'"),
        (["--base", "base", "--head", "rev:base"], "'base' is no side"),
        (["--base", "rev:base"], "name both sides"),
        ([*_sides("same"), "--row", "busi"], "there is no row 'busi': did you mean busy"),
        (["--base", "env:/nowhere/python", "--head", "rev:base"], "there is no interpreter"),
        (["--base", "path:/nowhere", "--head", "path:/nowhere"], "is no submission"),
        (["--base", "path:/nowhere", "--head", "rev:base"], "a submission is compared with another"),
        ([*_sides("same"), "--budget", "nan"], "'nan' is no number"),
        (["--recompute", "gate.toml", "--history", "h", "--row", "busy"], "leave out --row, --history"),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(repository: Path, words: list[str], message: str) -> None:
    """Nothing is measured."""
    done = _gate(repository, *words)

    assert done.returncode == 2
    assert message in done.stderr
    assert not (repository / "bench-gate").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CONFIG + "tolerances = 0.1\n", "tolerances"),
        (
            CONFIG + '[[ignore]]\nrow = "busi"\nreason = "r"\nexpires = "2999-01-01"\n',
            "there is no row 'busi' to ignore",
        ),
        (
            CONFIG + '[[ignore]]\nrow = "busy"\nreason = "noisy"\nexpires = "2020-01-01"\n',
            "expired on 2020-01-01 (noisy)",
        ),
        (CONFIG + CONFIG[CONFIG.index("[[") :], "two rows have the same name"),
    ],
)
def test_a_wrong_configuration_is_wrong_usage(repository: Path, text: str, message: str) -> None:
    """File and key are named."""
    (repository / "gate.toml").write_text(text)
    done = _gate(repository, *_sides("same"))

    assert done.returncode == 2
    assert message in done.stderr


def test_an_ignored_row_is_measured_and_does_not_decide(repository: Path) -> None:
    """It is shown with its reason."""
    (repository / "gate.toml").write_text(CONFIG + IGNORE.format(row="busy", day="2999-01-01"))
    done = _gate(repository, *_sides("slow"))

    assert done.returncode == 0
    assert "busy does not decide: known, see issue 12" in done.stderr


def test_raw_blocks_of_another_gate_are_refused_with_exit_code_4(repository: Path) -> None:
    """Exit code 1 means REGRESSION and nothing else."""
    assert _gate(repository, *_sides("same"), "--budget", "0.0001").returncode == 0
    done = _gate(repository, *_sides("same"), "--budget", "0.0001", "--seed", "7")

    assert done.returncode == 4
    assert "another gate" in done.stderr


def test_bisect_finds_the_slow_commit_and_passes_over_what_fails(repository: Path) -> None:
    """Of fast, slow, broken and slow commits the first slow one is named; a second run measures nothing again."""
    _git(repository, "checkout", "-q", "-b", "line", "base")
    _commit(repository, "fast1", more="# 1\n")
    _commit(repository, "broken1", more=RAISES)
    _commit(repository, "slow1", milliseconds=10.0)
    _commit(repository, "slow2", milliseconds=10.0, more="# 2\n")
    variables = {**os.environ, "BENCH_CACHE_DIR": str(repository.parent / "cache")}
    command = [sys.executable, "-m", "bench", "bisect", "--good", "base", "--bad", "slow2", "--row", "busy", "--json"]
    done = subprocess.run(command, cwd=repository, env=variables, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    names = {
        subprocess.run(
            ["git", "-C", str(repository), "rev-parse", tag], capture_output=True, text=True, check=True
        ).stdout.strip(): tag
        for tag in ("fast1", "broken1", "slow1", "slow2")
    }
    assert names[answer["candidates"][-1]] == "slow1"
    # On a busy machine nothing may be sure of fast1 either.
    assert {names[commit] for commit in answer["candidates"][:-1]} <= {"fast1", "broken1"}
    command[command.index("slow2")] = "fast1"
    nothing = subprocess.run(command, cwd=repository, env=variables, capture_output=True, text=True, check=False)
    assert nothing.returncode == 1
    assert "there is no slowdown to find" in nothing.stderr
