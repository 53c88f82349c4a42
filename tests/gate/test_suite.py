"""Whole gates on made pairs: Holm over rows, replaced pairs, memory, budgets, faults; nothing is measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from gate.made import pair

from bench.files import read_json, write_atomic
from bench.gate import suite as suite_module
from bench.gate.ci import junit
from bench.gate.collect import Launch, SideError, Timing
from bench.gate.config import Row
from bench.gate.process import WorkerError
from bench.gate.raw import Pair, RawFile
from bench.gate.report import GateReport, as_json, recomputed, table, verdict_over
from bench.gate.suite import RowReport, Suite, absent, compare_outputs, judge

Made = Callable[[str, int], Pair]


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, RowReport]]:
    """Runs a suite of rows whose pairs are made."""

    def run(rows: list[str], made: Made, *, budget_s: float | None = None, **more: Any) -> dict[str, RowReport]:
        def measure_pair(row: str, number: int, *_: Any, **__: Any) -> Pair:
            return made(row, number)

        monkeypatch.setattr(suite_module, "measure_pair", measure_pair)
        monkeypatch.setattr(Suite, "_checked", more.get("checked", lambda _self, _row: None))
        monkeypatch.setattr(Suite, "_base_fails", more.get("base_fails", lambda _self, _row: None))
        launch = Launch(python="python", folder=tmp_path, target="a.py:b")
        suite = Suite(
            sides={row: {"base": launch, "head": launch} for row in rows},
            raw=RawFile(tmp_path / "pairs.jsonl", {}),
            timing=Timing(),
            seed=0,
            budget_s=budget_s,
        )
        reports = suite.run([Row(name=row, target="a.py:b") for row in rows], more.get("ended"))
        return {report.row.name: report for report in reports}

    return run


def _noise(row: str, number: int, scale: float = 0.003) -> float:
    return float(np.random.default_rng([number, *row.encode()]).normal(0, scale))


def test_one_slow_row_of_three_is_the_regression(gate: Any) -> None:
    """Of three rows Holm leaves the slow one; the pairs of decided rows are not added to."""
    reports = gate(["a", "b", "c"], lambda row, number: pair(row, number, 0.08 * (row == "b") + _noise(row, number)))

    assert {name: report.verdict for name, report in reports.items()} == {"a": "OK", "b": "REGRESSION", "c": "OK"}
    assert len(reports["a"].pairs) == 10
    assert len(reports["b"].pairs) <= 15


def test_a_row_that_is_slow_alone_may_be_undecided_among_many(gate: Any) -> None:
    """Two pairs of ten just beyond the tolerance: enough for one row, not for three."""

    def made(row: str, number: int) -> Pair:
        slow = row == "b"
        return pair(
            row, number, (0.029 if number == 0 else 0.06 + _noise(row, number)) if slow else _noise(row, number)
        )

    assert gate(["b"], made)["b"].decision.looks[0].p_regression <= 0.005
    rows = [Row(name=name, target="a.py:b") for name in "abc"]
    pairs = [made(name, number) for name in "abc" for number in range(10)]
    assert judge(rows, pairs, {}, num_blocks=10)["b"].verdict == "INCONCLUSIVE"


def test_pairs_with_too_few_valid_blocks_are_replaced_and_kept(gate: Any) -> None:
    """The verdict rests on ten valid pairs; the replaced one is in the raw file."""
    reports = gate(
        ["a"],
        lambda row, number: pair(
            row, number, 9.0 if number == 3 else _noise(row, number), num_invalid=3 * (number == 3)
        ),
    )

    assert reports["a"].verdict == "OK"
    assert len(reports["a"].pairs) == 11
    assert len(reports["a"].valid_pairs) == 10
    assert [item.number for item in reports["a"].pairs] == list(range(11))


def test_more_than_a_fifth_of_invalid_blocks_is_invalid(gate: Any) -> None:
    """With the cause; another row still gets its verdict, and the invalid one counts with p = 1."""
    reports = gate(
        ["a", "b"],
        lambda row, number: pair(row, number, 0.1 * (row == "b") + _noise(row, number), num_invalid=5 * (row == "a")),
    )

    assert reports["a"].verdict == "INVALID"
    assert reports["a"].reasons == ("50% of the blocks do not count, more than 20%; most often: a declared cause",)
    assert reports["a"].decision is None
    assert reports["b"].verdict == "REGRESSION"


def test_memory_that_grows_is_a_regression_without_statistics(gate: Any) -> None:
    """By more than 1 % and 16 MiB, at the first look; less is none."""
    assert gate(["a"], lambda row, number: pair(row, number, 0.0, grown_mib=10))["a"].verdict == "OK"
    report = gate(["b"], lambda row, number: pair(row, number, 0.0, grown_mib=20))["b"]

    assert report.verdict == "REGRESSION"
    assert report.reasons == ("peak memory grew from 100 to 120 MiB",)
    assert len(report.pairs) == 10


def test_a_faster_head_that_takes_more_memory_is_not_called_improved(gate: Any) -> None:
    """The verdict is a REGRESSION, whatever the times say; without the memory it is an improvement."""
    for grown, words in ((20, "REGRESSION"), (0, "OK, improved")):
        report = gate([f"r{grown}"], lambda row, number, mib=grown: pair(row, number, -0.2, grown_mib=mib))[f"r{grown}"]

        assert report.decision.is_improved
        assert table([report])[0][-1] == words


def test_a_budget_ends_open_rows_inconclusive(gate: Any) -> None:
    """No pair begins after it, and what was measured is no look."""

    def made(row: str, number: int) -> Pair:
        time.sleep(0.05)
        return pair(row, number, 0.5)

    report = gate(["a"], made, budget_s=0.12)["a"]

    assert report.verdict == "INCONCLUSIVE"
    assert 1 <= len(report.pairs) < 10


def _fails(side: Any) -> Made:
    def made(row: str, number: int) -> Pair:
        raise SideError(side, WorkerError("warm: exited with code 3"))

    return made


@pytest.mark.parametrize(
    ("side", "base_too", "verdict"),
    [("head", False, "REGRESSION"), ("base", False, "INVALID"), ("head", True, "INVALID")],
    ids=["head", "base", "both"],
)
def test_a_head_that_always_fails_is_a_regression_where_base_does_not(
    gate: Any, side: str, base_too: bool, verdict: str
) -> None:
    """Where both fail nothing is known of head, whichever of them the coin starts first."""
    error = SideError("base", WorkerError("warm: exited with code 4")) if base_too else None
    report = gate(["a"], _fails(side), base_fails=lambda _self, _row: error)["a"]

    assert report.verdict == verdict
    assert len(report.pairs) == 3
    assert "failed in 3 processes in a row" in report.reasons[0]


def test_a_failure_now_and_then_is_replaced(gate: Any) -> None:
    """One crash of eleven processes is a pair that does not count."""

    def made(row: str, number: int) -> Pair:
        if number == 5:
            raise SideError("head", WorkerError("block: was killed by signal 9"))
        return pair(row, number, _noise(row, number))

    report = gate(["a"], made)["a"]
    assert report.verdict == "OK"
    assert [item.number for item in report.pairs if item.failed_side] == [5]


@pytest.mark.parametrize(
    ("in_base", "in_head", "verdict"),
    [(False, True, "OK"), (True, False, "REGRESSION"), (False, False, "INVALID")],
)
def test_rows_that_a_side_lacks_count_among_the_rows(gate: Any, in_base: bool, in_head: bool, verdict: str) -> None:
    """New is said, gone is a failure, nowhere is a mistake; none of them is timed."""
    row = Row(name="a", target="a.py:b")
    ended = {"a": absent(row, in_base=in_base, in_head=in_head)}
    reports = gate(["a", "b"], lambda name, number: pair(name, number, _noise(name, number)), ended=ended)

    assert reports["a"].verdict == verdict
    assert not reports["a"].pairs
    assert reports["b"].verdict == "OK"


@pytest.mark.parametrize("kind", ["absent", "invalid", "budget"])
def test_a_report_gives_its_verdicts_again(gate: Any, tmp_path: Path, kind: str) -> None:
    """From the raw pairs in its JSON alone, with rows that never had any."""
    names = ["a", "b", "c", "d", "e", "f"]  # six rows have other looks than five
    ended = {"a": absent(Row(name="a", target="a.py:b"), in_base=True, in_head=False)} if kind == "absent" else None

    def made(row: str, number: int) -> Pair:
        if kind == "budget" and row == "f":
            time.sleep(1)
        slow = 0.04 if row == "b" else 0.0
        return pair(row, number, slow + _noise(row, number, 0.01), num_invalid=4 * (kind == "invalid" and row == "c"))

    found = gate(names, made, ended=ended, budget_s=0.5 if kind == "budget" else None)
    reports = list(found.values())
    report = GateReport(verdict=verdict_over(reports, {}, {}), rows=tuple(reports), seed=0, sides={})
    path = tmp_path / "regression.json"
    write_atomic(path, json.dumps(as_json(report)))

    assert as_json(recomputed(read_json(path), path)) == as_json(report)


def test_a_machine_that_changed_leaves_no_verdict() -> None:
    """INVALID, with the field; outputs that differ stay a mismatch, for they are no times."""
    row = Row(name="a", target="a.py:b")
    slow, other = RowReport(row=row, verdict="REGRESSION"), RowReport(row=row, verdict="MISMATCH")
    before, after = {"governor": "performance", "cpu": "A"}, {"governor": "powersave", "cpu": "A"}

    assert verdict_over([slow], before, before) == "REGRESSION"
    assert verdict_over([slow], before, after) == "INVALID"
    assert verdict_over([other], before, after) == "MISMATCH"
    report = GateReport(verdict="INVALID", rows=(slow,), seed=0, sides={}, machine=before, machine_after=after)
    assert report.reasons == ("the machine changed meanwhile: governor is 'powersave', was 'performance'",)
    assert report.exit_code == 4


def test_a_machine_that_changed_makes_every_row_an_error_for_junit() -> None:
    """Also one that is OK: nothing was decided. A MISMATCH stays a failure."""
    verdicts: dict[str, Any] = {"a": "OK", "b": "INCONCLUSIVE", "c": "MISMATCH"}
    rows = tuple(RowReport(row=Row(name=name, target="a.py:b"), verdict=found) for name, found in verdicts.items())
    changed: Any = {"machine": {"cpu": "A"}, "machine_after": {"cpu": "B"}}
    suite = ET.fromstring(junit(GateReport(verdict="MISMATCH", rows=rows, seed=0, sides={}, **changed)))  # noqa: S314

    assert {case.attrib["name"]: case[-1].tag for case in suite} == {"a": "error", "b": "error", "c": "failure"}
    assert (suite.attrib["errors"], suite.attrib["failures"], suite.attrib["skipped"]) == ("2", "1", "0")
    assert "the machine changed meanwhile: cpu" in suite[0][-1].attrib["message"]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ([[1.0, 0.0]] * 3, None),
        ([[1.0005, 0.0]] * 3, None),
        ([[1.01, 0.0]] * 3, "outputs differ by 0.01 of the largest one, more than 0.001"),
        ([[1.0, 0.0]] * 2, "outputs have shape (3, 2) in base and (2, 2) in head"),
        (None, "outputs have shape (3, 2) in base and none in head"),
        ([[float("nan"), 0.0]] * 3, "outputs differ by nan"),
    ],
)
def test_outputs_are_compared_before_anything_is_timed(head: Any, words: str | None) -> None:
    """By the largest difference over the largest output."""
    found = compare_outputs(np.array([[1.0, 0.0]] * 3), None if head is None else np.array(head), 1e-3)

    assert (found is None) if words is None else (found is not None and found.startswith(words))


def test_outputs_that_name_another_class_differ() -> None:
    """Differences within the tolerance may still turn more than 1 % of the answers."""
    base = np.array([[1.0, 0.9999]] * 50)
    head = base.copy()
    head[0] = [0.9999, 1.0]

    assert compare_outputs(base, head, 1e-3) == "outputs name the same class for 98.0% of the rows only"
