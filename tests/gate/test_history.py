"""Histories, baselines and what is proposed from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gate.made import MACHINE, SOFTWARE, pair, run
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import RecordError
from bench.gate.baseline import advice, refuse_other_machines
from bench.gate.config import Row
from bench.gate.history import PastRun, add, past_run, read
from bench.gate.machine import machine_here
from bench.gate.report import GateReport
from bench.gate.screen import history_series, proposals
from bench.gate.suite import RowReport


def _steps(num: int, seed: int = 0) -> list[float]:
    return (0.01 * np.exp(np.random.default_rng(seed).normal(0, 0.005, num))).tolist()


def test_a_history_gives_back_its_runs(tmp_path: Path) -> None:
    """In order; a line that a kill cut off is left out, a broken one is named."""
    path = tmp_path / "deep" / "history.jsonl"
    runs = [run(0.01, 1), run(0.02, 2, commit="abc")]
    for one in runs:
        add(path, one)

    assert read(path) == runs
    path.write_bytes(path.read_bytes()[:-10])
    assert read(path) == runs[:1]
    path.write_text('{"format_version": 1}\n')
    with pytest.raises(RecordError, match="line 1 is no run of a gate"):
        read(path)


def test_a_report_becomes_a_run() -> None:
    """Medians over processes of medians over blocks; rows that are new, and those without times, have none."""
    row, other = Row(name="forward", target="a.py:b"), Row(name="new", target="a.py:c")
    pairs = tuple(pair("forward", number, 0.1 * number, base_s=0.01) for number in range(3))
    rows = (RowReport(row=row, verdict="OK", pairs=pairs), RowReport(row=other, verdict="OK", is_new=True))
    sides = {"base": {"name": "rev:main", "commit": "aa"}, "head": {"name": "rev:HEAD", "commit": "bb"}}
    report = GateReport(verdict="OK", rows=rows, seed=3, sides=sides, machine=MACHINE, environment={"python": "3.11.7"})

    found = past_run(report, "2026-01-01T00:00:00+00:00")
    assert set(found.rows) == {"forward"}
    assert found.rows["forward"].base_step_s == pytest.approx(0.01)
    assert found.rows["forward"].head_step_s == pytest.approx(0.01 * np.exp(0.1))
    assert (found.base_commit, found.head_commit) == ("aa", "bb")
    assert found.software["python"] == "3.11"


@pytest.mark.parametrize(
    ("slowdown", "num_runs", "words"),
    [
        (1.0, 12, "within what they vary"),
        (1.10, 12, "more than they vary"),
        (1.10, 7, "the baseline has 7 runs of it, at least 8 are needed"),
        (1.02, 12, "within what they vary or is tolerated"),
    ],
)
def test_a_baseline_advises(slowdown: float, num_runs: int, words: str) -> None:
    """A slowdown must lie beyond the prediction interval and the tolerance."""
    past = [run(step, day + 1) for day, step in enumerate(_steps(num_runs))]

    (sentence,) = advice(past, run(0.01 * slowdown, 30))
    assert words in sentence


@given(st.lists(st.floats(0.005, 0.02), min_size=8, max_size=20), st.floats(0.005, 0.05))
def test_the_prediction_interval_is_that_of_students_t(steps: list[float], new: float) -> None:
    """Against scipy's own quantile, written out."""
    from scipy.stats import t

    logs = np.log(steps)
    reach = t.ppf(0.98, len(logs) - 1) * logs.std(ddof=1) * np.sqrt(1 + 1 / len(logs))
    rise = np.log(new) - logs.mean()
    if min(abs(rise - reach), abs(rise - np.log(1.03))) < 1e-9:
        return
    (sentence,) = advice([run(step, 1) for step in steps], run(new, 2))

    assert ("more than they vary" in sentence) == (rise > reach and rise > np.log(1.03))


@pytest.mark.parametrize(("field", "value"), [("cpu", "B"), ("torch", "2.14.0")])
def test_a_baseline_of_another_machine_is_refused_with_the_field(field: str, value: str) -> None:
    """With both values, and a way out."""
    machine = {**MACHINE, **({field: value} if field in MACHINE else {})}
    software = {**SOFTWARE, **({field: value} if field in SOFTWARE else {})}

    refuse_other_machines([run(0.01, 1)], MACHINE, SOFTWARE)
    with pytest.raises(RecordError, match=f"{field} is '{value}', was .*Compare base and head here instead"):
        refuse_other_machines([run(0.01, 1)], machine, software)


def test_this_machine_is_the_same_a_moment_later() -> None:
    """Load, clocks and temperature are none of its fields."""
    assert machine_here() == machine_here()
    assert {"affinity_size", "kernel_series"} <= set(machine_here())


def test_a_gpus_name_and_driver_are_fields(tmp_path: Path) -> None:
    """As the driver's files have them, without torch."""
    for place, name in (("0000:01:00.0", "NVIDIA H100"), ("0000:02:00.0", "NVIDIA L4")):
        file = tmp_path / "proc/driver/nvidia/gpus" / place / "information"
        file.parent.mkdir(parents=True)
        file.write_text(f"Model: \t\t {name}\nIRQ:   \t\t 100\n")
    version = tmp_path / "sys/module/nvidia/version"
    version.parent.mkdir(parents=True)
    version.write_text("580.65.06\n")

    found = machine_here(tmp_path)
    assert found["gpus"] == "NVIDIA H100, NVIDIA L4"
    assert found["driver"] == "580.65.06"


def _history(steps: list[float], **more: object) -> list[PastRun]:
    return [run(step, day + 1, commit=f"{day:012x}{'0' * 28}", **more) for day, step in enumerate(steps)]  # type: ignore[arg-type]


def test_a_step_in_a_history_is_proposed_with_the_command() -> None:
    """The commits on both sides of it, and the row."""
    steps = _steps(24)
    steps[14:] = [1.1 * step for step in steps[14:]]

    (found,) = proposals(history_series(reversed(_history(steps))))
    assert found.slowdown == pytest.approx(0.1, abs=0.02)
    assert (found.before.at, found.after.at) == ("2026-01-14T00:00:00+00:00", "2026-01-15T00:00:00+00:00")
    assert found.command == f"bench bisect --good {13:012x} --bad {14:012x} --row forward"


def test_a_change_of_machine_is_no_change_of_speed() -> None:
    """Two machines are two series, however far apart."""
    slow = [2 * step for step in _steps(12, 1)]
    runs = [*_history(_steps(12)), *_history(slow, machine={**MACHINE, "cpu": "B"})]

    series = history_series(runs)
    assert len(series) == 2
    assert proposals(series) == []


def test_what_is_tolerated_is_not_proposed() -> None:
    """The row's tolerance, or the one that is asked for."""
    steps = _steps(24)
    steps[12:] = [1.02 * step for step in steps[12:]]
    series = history_series(_history(steps))

    assert proposals(series) == []
    assert len(proposals(series, tolerance=0.01)) == 1
