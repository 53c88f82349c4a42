"""`bench screen`, and the histories and baselines of `bench gate`, as a user runs them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from gate.made import run

from bench.cli.main import cli
from bench.errors import RecordError
from bench.gate.history import add, read
from bench.records.result import Cost, Result
from bench.store import Store

STEPS = """
import time


def busy():
    return lambda: time.sleep(0.001)
"""
CONFIG = 'num_blocks = 5\nblock_s = 0.01\nwarm_s = 0.02\n{more}\n[[rows]]\nname = "busy"\ntarget = "steps.py:busy"\n'


def _bench(*words: str) -> Any:
    return CliRunner().invoke(cli, [*words], prog_name="bench")


@pytest.fixture
def fill(tmp_path: Path, make_result: Callable[..., Result]) -> Callable[..., Path]:
    """A function that stores one run a day with these speeds."""

    def stored(
        speeds: list[float],
        *,
        fingerprint: str | None = "m1",
        cost: tuple[str, str] = ("throughput_img_s", "img/s"),
        **fields: Any,
    ) -> Path:
        store = Store(tmp_path / "results")
        for day, speed in enumerate(speeds):
            environment = {"cpu": "A", **({} if fingerprint is None else {"fingerprint": fingerprint})}
            costs = {cost[0]: Cost(value=speed, unit=cost[1], device="A")}
            now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
            store.add(make_result(now=now, environment=environment, costs=costs, **fields))
        return tmp_path / "results"

    return stored


def _speeds(num: int, change_at: int, factor: float) -> list[float]:
    noise = np.random.default_rng(5).normal(0, 0.004, num)
    return [1000 * math.exp(noise[day]) * (factor if day >= change_at else 1) for day in range(num)]


def test_a_slowdown_in_the_store_is_proposed(fill: Callable[..., Path]) -> None:
    """With the days on both sides, and a command; twice the same, and never a failure."""
    results = fill(_speeds(24, 13, 0.9))
    done, again = (_bench("screen", "--results", str(results)) for _ in range(2))

    assert done.exit_code == 0, done.output
    assert done.output == again.output
    line = next(line for line in done.stdout.splitlines() if "acme/vit" in line)
    assert "2026-01-13T00:00:00Z\t2026-01-14T00:00:00Z\t+1" in line
    assert "to know: bench throughput submissions/acme/vit --protocol shapes10-val" in done.stderr
    assert "--rerun" in done.stderr
    content = json.loads(_bench("screen", "--results", str(results), "--json").stdout)
    assert content["num_screened"] == 1
    (found,) = content["proposals"]
    assert found["slowdown"] == pytest.approx(1 / 0.9 - 1, abs=0.01)


def test_a_slower_latency_is_proposed_too(fill: Callable[..., Path]) -> None:
    """Milliseconds are times: more is slower."""
    speeds = [1e4 / speed for speed in _speeds(24, 12, 0.8)]
    results = fill(speeds, cost=("latency_p50_ms", "ms"))
    (found,) = json.loads(_bench("screen", "--results", str(results), "--json").stdout)["proposals"]

    assert "latency_p50_ms" in found["name"]
    assert found["slowdown"] == pytest.approx(0.25, abs=0.01)
    assert 0.005 < found["before"]["seconds"] < 0.02


def test_no_number_is_no_tolerance(tmp_path: Path) -> None:
    """NaN lies in no range."""
    done = _bench("screen", "--results", str(tmp_path), "--tolerance", "nan")

    assert done.exit_code == 2
    assert "no number" in done.stderr


@pytest.mark.parametrize("fingerprint", ["m2", None])
def test_no_change_is_seen_across_machines(fill: Callable[..., Path], fingerprint: str | None) -> None:
    """Half of the runs are from a machine of half the speed."""
    fill(_speeds(12, 12, 1), name="vit")
    results = fill(_speeds(12, 0, 0.5), name="vit", fingerprint=fingerprint)
    done = _bench("screen", "--results", str(results))

    assert done.exit_code == 0
    assert "2 series, 2 of them with 10 runs or more; 0 may have changed" in done.stderr


def test_imported_numbers_are_no_series(fill: Callable[..., Path]) -> None:
    """They have no machine and no day of their own."""
    results = fill(_speeds(24, 13, 0.9), status="imported")

    assert "0 series" in _bench("screen", "--results", str(results)).stderr


def test_a_history_is_enough(tmp_path: Path) -> None:
    """Where there is no store."""
    history = tmp_path / "history.jsonl"
    for day in range(20):
        add(history, run(0.01 * (1.2 if day >= 10 else 1) * (1 + 0.001 * (day % 3)), day + 1, commit=f"{day:040x}"))
    words = ("--results", str(tmp_path / "none"), "--history", str(history), "--out", str(tmp_path / "pages"))
    done = _bench("screen", *words)

    assert done.exit_code == 0, done.output
    assert "forward may be slower; to know: bench bisect --good" in done.stderr
    assert len((tmp_path / "pages" / "history.csv").read_text().splitlines()) == 21
    assert "+20.0%" in (tmp_path / "pages" / "history.html").read_text()


def test_without_anything_to_read_it_says_so(tmp_path: Path) -> None:
    """It cannot have looked."""
    done = _bench("screen", "--results", str(tmp_path / "none"))

    assert done.exit_code == 1
    assert "there is no such results folder" in done.stderr


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one quick row, which is the current folder."""
    import subprocess

    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "steps.py").write_text(STEPS)
    (folder / "gate.toml").write_text(CONFIG.format(more=""))
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)
    monkeypatch.chdir(folder)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return folder


SIDES = ("gate", "--base", "rev:HEAD", "--head", "rev:HEAD")


def test_a_measurement_enters_a_history_once_and_does_not_advise_itself(project: Path) -> None:
    """The same pairs again add no line and are no earlier run; other pairs are."""
    words = ("--history", "history.jsonl")
    first = _bench(*SIDES, *words)
    again = _bench(*SIDES, *words, "--baseline", "history.jsonl")

    assert first.exit_code == again.exit_code == 0, first.output
    assert "history.jsonl has these pairs already" in again.stderr
    assert "Baseline: busy: the baseline has 0 runs of it, at least 8 are needed" in again.stderr
    assert len(read(project / "history.jsonl")) == 1
    other = _bench(*SIDES, *words, "--baseline", "bench-gate/regression.json", "--out", "other", "--seed", "1")
    assert "the baseline has 1 runs" in other.stderr
    runs = read(project / "history.jsonl")
    assert len(runs) == 2
    assert runs[0].pairs_digest != runs[1].pairs_digest


def test_a_history_that_cannot_be_written_is_found_before_anything_is_measured(project: Path) -> None:
    """Exit code 4; a broken line is found then, too."""
    (project / "file").touch()
    (project / "broken.jsonl").write_text("{}\n")
    for name, words in (("file/history.jsonl", "cannot be written"), ("broken.jsonl", "line 1 is no run of a gate")):
        done = _bench(*SIDES, "--history", name)

        assert done.exit_code == 4
        assert words in done.stderr
    assert not (project / "bench-gate").exists()


def test_a_history_that_fails_later_hides_no_verdict(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is shown first."""

    def full(*_: object) -> None:
        raise RecordError("cannot be written (No space left on device)", path="history.jsonl")

    monkeypatch.setattr("bench.cli.gate.add", full)
    done = _bench(*SIDES, "--history", "history.jsonl", "--budget", "0.0001")

    assert done.exit_code == 4
    assert done.stdout.splitlines()[-1] == "INCONCLUSIVE"
    assert "No space left on device" in done.stderr


def test_a_baseline_from_another_machine_is_refused(project: Path) -> None:
    """Exit code 4, the field is named, nothing is measured."""
    add(project / "history.jsonl", run(0.01, 1, machine={"cpu": "another processor"}))
    done = _bench(*SIDES, "--baseline", "history.jsonl")

    assert done.exit_code == 4
    assert "was 'another processor'" in done.stderr
    assert "cpu is" in done.stderr
    assert not (project / "bench-gate").exists()


def test_a_revision_that_cannot_be_installed_decides_nothing(project: Path) -> None:
    """Exit code 4, with the command's last line."""
    (project / "gate.toml").write_text(CONFIG.format(more='install = ["echo no such package; exit 7"]'))
    done = _bench(*SIDES)

    assert done.exit_code == 4
    assert "failed with exit code 7: no such package" in done.stderr


def test_resuming_on_another_machine_is_refused(project: Path) -> None:
    """Blocks of two machines are never one gate."""
    assert _bench(*SIDES, "--budget", "0.0001").exit_code == 0
    raw = project / "bench-gate" / "pairs.jsonl"
    header = json.loads(raw.read_text().splitlines()[0])
    header["settings"]["machine"]["cpu"] = "another processor"
    raw.write_text(json.dumps(header, sort_keys=True, separators=(",", ":")) + "\n")
    done = _bench(*SIDES, "--budget", "0.0001")

    assert done.exit_code == 4
    assert "holds the blocks of another gate (another machine)" in done.stderr


def test_a_name_that_is_nowhere_is_no_success(project: Path) -> None:
    """A mistyped function is missing on both sides: exit code 4."""
    (project / "gate.toml").write_text(CONFIG.format(more="").replace("steps.py:busy", "steps.py:bussy"))
    done = _bench(*SIDES)

    assert done.exit_code == 4
    assert "busy: neither base nor head has it" in done.stderr
