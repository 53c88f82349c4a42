"""A whole gate: rows measured pair by pair to the planned looks, and one verdict over all of them."""

from __future__ import annotations

import math
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np

from bench.gate.collect import Launch, SideError, Timing, measure_pair, started
from bench.gate.config import Row
from bench.gate.decision import Decision, Levels, decide, looks_for, tolerance_of
from bench.gate.disturbances import disturbances
from bench.gate.process import WorkerError
from bench.gate.raw import SIDES, Pair, RawFile, Side, difference_of, invalid_share, valid_blocks

__all__ = [
    "EXIT_CODES",
    "RowReport",
    "Suite",
    "SuiteVerdict",
    "absent",
    "compare_outputs",
    "gone",
    "judge",
    "suite_verdict",
]

SuiteVerdict = Literal["OK", "REGRESSION", "INCONCLUSIVE", "INVALID", "MISMATCH"]
EXIT_CODES: dict[SuiteVerdict, int] = {"OK": 0, "REGRESSION": 1, "INCONCLUSIVE": 0, "INVALID": 4, "MISMATCH": 5}
"""INCONCLUSIVE is 3 with --strict; 2 is wrong usage; every failure of the gate's own is 4."""

MOST_INVALID = 0.2
_FAILURES = 3
"""So many processes of a side must fail in a row before that is a fact about its code."""
_MEMORY_SHARE, _MEMORY_KIB = 1.01, 16 * 1024


@dataclass(frozen=True, kw_only=True)
class RowReport:
    """What is known of one row in the end."""

    row: Row
    verdict: SuiteVerdict
    decision: Decision | None = None
    """None where nothing was tested."""
    pairs: tuple[Pair, ...] = ()
    """All of them, replaced and failed ones too."""
    reasons: tuple[str, ...] = ()
    """Sentences."""
    ignored: str | None = None
    """Why it does not decide."""
    is_new: bool = False
    """It exists in head only."""

    @property
    def valid_pairs(self) -> list[Pair]:
        """The pairs that count."""
        return [pair for pair in self.pairs if pair.is_valid]

    def step_s(self, side: Side) -> float:
        """The median step of a side, in seconds; NaN where it was not measured."""
        steps = [getattr(blocks, side).step_ns for pair in self.valid_pairs for blocks in valid_blocks(pair)]
        return median(steps) / 1e9 if steps else math.nan


@dataclass(kw_only=True)
class Suite:
    """A gate under way: what is compared, and where its raw blocks lie."""

    sides: Mapping[str, Mapping[Side, Launch]]
    """From row to how it is started on each side."""
    raw: RawFile
    timing: Timing
    seed: int
    budget_s: float | None = None
    """After so many seconds no new pair begins."""
    on_pair: Callable[[str, int, int], None] | None = None
    """Called with the row, how many valid pairs it has and how many its next look needs."""

    def run(self, rows: Sequence[Row], ended: Mapping[str, RowReport] | None = None) -> list[RowReport]:
        """Measures rows until each has its verdict, or the time is over.

        Args:
            rows: All rows of the gate; each of them counts in Holm's correction.
            ended: What is known of rows that are over before anything is started, by name.
        """
        deadline = math.inf if self.budget_s is None else time.monotonic() + self.budget_s
        over: dict[str, RowReport] = dict(ended or {})
        for row in rows:
            if row.name not in over and (report := self._checked(row)) is not None:
                over[row.name] = report
        for num_pairs in looks_for(len(rows)):
            reports = judge(rows, self.raw.pairs, over, num_blocks=self.timing.num_blocks)
            for row in rows:
                if row.name not in over and reports[row.name].verdict == "INCONCLUSIVE":
                    self._measure(row, num_pairs, deadline)
        return list(judge(rows, self.raw.pairs, over, num_blocks=self.timing.num_blocks).values())

    def _measure(self, row: Row, num_pairs: int, deadline: float) -> None:
        """Adds pairs to a row up to a look, unless it cannot be measured."""
        while True:
            pairs = self.raw.of(row.name)
            num_valid = sum(pair.is_valid for pair in pairs)
            if num_valid >= num_pairs or time.monotonic() > deadline or _why_ended(pairs, self.timing.num_blocks):
                return
            if self.on_pair is not None:
                self.on_pair(row.name, num_valid, num_pairs)
            self.raw.add(self._pair(row, len(pairs)))

    def _pair(self, row: Row, number: int) -> Pair:
        try:
            return measure_pair(row.name, number, self.sides[row.name], self.timing, seed=self.seed)
        except SideError as error:
            failed = (self._base_fails(row) if error.side == "head" else None) or error
            return Pair(
                row=row.name,
                number=number,
                head_started_first=False,
                base_step_s=0.0,
                is_warm=False,
                blocks=(),
                failed_side=failed.side,
                failure=failed.error.message,
            )

    def _base_fails(self, row: Row) -> SideError | None:
        """How base fails too: then a failing head says nothing about head."""
        try:
            with ExitStack() as stack:
                base = started(self.sides[row.name]["base"], self.timing, stack, "base")
                base.ask("warm", timeout_s=60 + 40 * self.timing.warm_s, warm_s=self.timing.warm_s)
        except SideError as error:
            return error
        return None

    def _checked(self, row: Row) -> RowReport | None:
        """The report of a row that is over before it is timed: a side lacks it or fails, or the outputs differ."""
        found: dict[Side, np.ndarray | None] = {}
        failed: dict[Side, WorkerError] = {}
        for side in SIDES:
            for _ in range(_FAILURES):
                try:
                    found[side] = self._outputs(row, side)
                    break
                except SideError as error:
                    failed[side] = error.error
                    if error.error.is_missing:
                        break
        failed = {side: error for side, error in failed.items() if side not in found}
        missing = [side for side, error in failed.items() if error.is_missing]
        if missing:
            return absent(row, in_base="base" not in missing, in_head="head" not in missing)
        if failed:
            side = "base" if "base" in failed else "head"
            return _failed(row, side, failed[side].message)
        if found["base"] is None and found["head"] is None:
            return None
        fault = compare_outputs(found["base"], found["head"], row.output_tolerance)
        return None if fault is None else RowReport(row=row, verdict="MISMATCH", reasons=(fault,))

    def _outputs(self, row: Row, side: Side) -> np.ndarray | None:
        """The outputs of a side, shape (N, C), or None where its step has none.

        Raises:
            SideError: It failed.
        """
        with tempfile.TemporaryDirectory(prefix="bench-gate-") as folder, ExitStack() as stack:
            file, values = Path(folder, "outputs"), array("d")
            up = started(self.sides[row.name][side], self.timing, stack, side)
            num_rows = up.ask("outputs", timeout_s=600, file=str(file))["rows"]
            if not num_rows:
                return None
            values.frombytes(file.read_bytes())
            return np.array(values).reshape(num_rows, -1)


def absent(row: Row, *, in_base: bool, in_head: bool) -> RowReport:
    """What is said of a row that a side lacks: missing in head is a failure, missing in base is new."""
    if in_head:
        return RowReport(row=row, verdict="OK", is_new=True, reasons=("exists in head only",))
    if in_base:
        return RowReport(row=row, verdict="REGRESSION", reasons=("head does not have it",))
    return RowReport(row=row, verdict="INVALID", reasons=("neither base nor head has it",))


def gone(row: Row) -> RowReport:
    """What is said of a row that only base lists: a benchmark does not go away by itself."""
    return RowReport(row=row, verdict="REGRESSION", reasons=("exists in base only",))


def _failed(row: Row, side: Side, message: str) -> RowReport:
    words = f"{side} failed in {_FAILURES} processes in a row: {message}"
    return RowReport(row=row, verdict="REGRESSION" if side == "head" else "INVALID", reasons=(words,))


def compare_outputs(base_NC: np.ndarray | None, head_NC: np.ndarray | None, tolerance: float) -> str | None:
    """A sentence where outputs differ by more than the tolerance, or name another class for over 1 % of the rows."""
    if base_NC is None or head_NC is None or base_NC.shape != head_NC.shape:
        shapes = ["none" if side is None else str(side.shape) for side in (base_NC, head_NC)]
        return f"outputs have shape {shapes[0]} in base and {shapes[1]} in head"
    largest = float(np.abs(base_NC).max(initial=0.0)) or 1.0
    gap = float(np.abs(head_NC - base_NC).max(initial=0.0)) / largest
    if not gap <= tolerance:
        return f"outputs differ by {gap:.2g} of the largest one, more than {tolerance:g}"
    agree = float(np.mean(base_NC.argmax(axis=1) == head_NC.argmax(axis=1)))
    return None if agree >= 0.99 else f"outputs name the same class for {agree:.1%} of the rows only"


def _why_ended(pairs: Sequence[Pair], num_blocks: int) -> tuple[SuiteVerdict, str] | None:
    """Why no more pairs are measured: a side that fails every time, or too much that does not count."""
    last = pairs[-_FAILURES:]
    if len(last) == _FAILURES and all(pair.failed_side == last[0].failed_side is not None for pair in last):
        side = last[0].failed_side
        words = f"{side} failed in {_FAILURES} processes in a row: {last[-1].failure}"
        return ("REGRESSION", words) if side == "head" else ("INVALID", words)
    if len(pairs) > 4 and (share := invalid_share(pairs, num_blocks)) > MOST_INVALID:
        causes = Counter(
            [blocks.invalid for pair in pairs for blocks in pair.blocks if blocks.invalid]
            + [f"{pair.failed_side} failed: {pair.failure}" for pair in pairs if pair.failed_side]
        )
        most = causes.most_common(1)[0][0]
        return "INVALID", f"{share:.0%} of the blocks do not count, more than {MOST_INVALID:.0%}; most often: {most}"
    return None


def judge(
    rows: Sequence[Row], pairs: Sequence[Pair], ended: Mapping[str, RowReport], *, num_blocks: int
) -> dict[str, RowReport]:
    """The verdicts of all rows from their raw pairs alone: the same pairs always give the same ones.

    Args:
        rows: All rows of the gate.
        pairs: All pairs.
        ended: Rows that were over before they were timed. They, and rows that cannot be measured, count with p = 1 in
            Holm's correction.
        num_blocks: Pairs of blocks a pair.
    """
    by_row = {row.name: tuple(pair for pair in pairs if pair.row == row.name) for row in rows}
    over = dict(ended)
    differences, tolerances = {}, {}
    for row in rows:
        valid = [pair for pair in by_row[row.name] if pair.is_valid]
        if row.name not in over and (fault := _why_ended(by_row[row.name], num_blocks)):
            over[row.name] = RowReport(row=row, verdict=fault[0], reasons=(fault[1],))
        if row.name in over or not valid:
            continue
        first = valid[: looks_for(len(rows))[0]]
        differences[row.name] = [difference_of(pair) for pair in valid]
        tolerances[row.name] = tolerance_of(row.tolerance, median(_base_step_s(pair) for pair in first))
    decisions = decide(differences, tolerances, levels=Levels(), num_rows=len(rows))
    reports = {}
    for row in rows:
        if row.name in over:
            ended_so = over[row.name]
            reasons = (*ended_so.reasons, *disturbances(by_row[row.name]))
            reports[row.name] = replace(ended_so, pairs=by_row[row.name], reasons=reasons)
            continue
        decision = decisions.get(row.name)
        report = RowReport(row=row, verdict="INCONCLUSIVE", decision=decision, pairs=by_row[row.name])
        if decision is not None and decision.verdict is not None:
            report = replace(report, verdict=decision.verdict)
        if decision is not None and decision.looks and (grown := _memory_growth(report)):
            report = replace(report, verdict="REGRESSION", reasons=(grown,))
        reports[row.name] = replace(report, reasons=(*report.reasons, *disturbances(report.pairs)))
    return reports


def _base_step_s(pair: Pair) -> float:
    return median(blocks.base.step_ns for blocks in valid_blocks(pair)) / 1e9


def _memory_growth(report: RowReport) -> str | None:
    """A sentence where head's peak memory grew by more than 1 % and 16 MiB; memory needs no statistics."""
    peaks = {
        side: median(
            max(getattr(blocks, side).peak_memory_kib for blocks in pair.blocks) for pair in report.valid_pairs
        )
        for side in ("base", "head")
    }
    if peaks["head"] > _MEMORY_SHARE * peaks["base"] and peaks["head"] - peaks["base"] > _MEMORY_KIB:
        return f"peak memory grew from {peaks['base'] / 1024:,.0f} to {peaks['head'] / 1024:,.0f} MiB"
    return None


def suite_verdict(reports: Sequence[RowReport]) -> SuiteVerdict:
    """The verdict over all rows that decide: the worst of them."""
    verdicts = {report.verdict for report in reports if report.ignored is None and not report.is_new}
    order: tuple[SuiteVerdict, ...] = ("MISMATCH", "REGRESSION", "INVALID", "INCONCLUSIVE")
    return next((verdict for verdict in order if verdict in verdicts), "OK")
