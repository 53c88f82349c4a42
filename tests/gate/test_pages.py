"""The pages of a gate and of a history: every pair and run is drawn where it lies, names stay text."""

from __future__ import annotations

import csv
import io
import math
from xml.etree import ElementTree as ET

import pytest
from gate.made import MACHINE, pair

from bench.gate.config import Row
from bench.gate.drawing import BASE, TOP, pair_dots, run_dots
from bench.gate.pages import history_csv, history_page, report_page
from bench.gate.report import GateReport
from bench.gate.screen import Point, Series, changes_in, proposals
from bench.gate.suite import RowReport, judge
from bench.leaderboard.svg import markup

HOSTILE = '<script>alert("1")</script>'
DIFFERENCES = [0.05, 0.06, 0.045, 0.052, 0.048, 0.055, 0.051, 0.049, 0.053, 0.047]


def _report(differences: list[float], name: str = "forward") -> RowReport:
    row = Row(name=name, target="steps.py:busy")
    pairs = [pair(name, number, difference) for number, difference in enumerate(differences)]
    (report,) = judge([row], pairs, {}, num_blocks=10).values()
    return report


def _series(steps: list[float], name: str = "forward", **fields: object) -> Series:
    points = tuple(
        Point(at=f"2026-01-{day:02d}T00:00:00+00:00", seconds=step, commit=f"{day:040x}")
        for day, step in enumerate(steps, 1)
    )
    return Series(name=name, fingerprint="m1", points=points, **fields)  # type: ignore[arg-type]


def _dots(drawing: ET.Element) -> list[tuple[float, float]]:
    return [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in drawing.iter("circle")]


def _height(drawing: ET.Element, css: str) -> float:
    (path,) = (one for one in drawing.iter("path") if one.attrib["class"] == css)
    return float(path.attrib["d"].split(" ")[1].partition("H")[0])


def test_every_pair_is_a_dot_and_the_larger_slowdown_lies_higher() -> None:
    """In their order, all inside; the estimate lies among them and above the tolerance, that above zero."""
    drawing = pair_dots(_report(DIFFERENCES))
    assert drawing is not None
    dots = _dots(drawing)

    assert [x for x, _ in dots] == sorted(x for x, _ in dots)
    assert sorted(range(10), key=lambda at: -dots[at][1]) == sorted(range(10), key=lambda at: DIFFERENCES[at])
    assert all(TOP <= y <= BASE for _, y in dots)
    assert min(y for _, y in dots) < _height(drawing, "estimate") < max(y for _, y in dots)
    assert _height(drawing, "estimate") < _height(drawing, "tolerance") < _height(drawing, "zero")
    assert drawing.attrib["aria-label"] == "10 pairs from +4.6 % to +6.2 %, estimate +5.2 %"


def test_a_row_before_its_first_look_has_dots_and_no_estimate() -> None:
    """What was not tested is not drawn."""
    drawing = pair_dots(_report(DIFFERENCES[:4]))
    assert drawing is not None

    assert len(_dots(drawing)) == 4
    assert not [part for part in drawing.iter() if part.attrib.get("class") in ("estimate", "interval")]


def test_a_row_without_pairs_has_no_drawing() -> None:
    """And its page says so."""
    report = RowReport(row=Row(name="new", target="steps.py:busy"), verdict="INVALID", reasons=(HOSTILE,))
    sides = {"base": {"name": HOSTILE}, "head": {"name": "rev:HEAD"}}
    page = report_page(GateReport(verdict="INVALID", rows=(report,), seed=0, sides=sides, machine=MACHINE)).decode()

    assert pair_dots(report) is None
    assert "No pair of processes was measured." in page
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 2


def test_a_page_needs_nothing_beside_it() -> None:
    """No address to fetch from, no script; the verdict is the heading."""
    report = _report(DIFFERENCES)
    sides = {"base": {"name": "rev:main"}, "head": {"name": "rev:HEAD"}}
    page = report_page(GateReport(verdict="REGRESSION", rows=(report,), seed=3, sides=sides, machine=MACHINE)).decode()

    assert "<h1>REGRESSION</h1>" in page
    assert not [word for word in ("src=", "href=", "url(", "<script", "@import") if word in page]
    assert page.count("<circle") == 10


def test_runs_are_drawn_with_the_medians_between_changes() -> None:
    """A change is a mark with its size between the two runs that it parts."""
    series = _series([0.010] * 12 + [0.011] * 12)
    (change,) = changes_in(series)
    drawing = run_dots(series, [change])
    dots = _dots(drawing)
    levels = [one.attrib["d"] for one in drawing.iter("path") if one.attrib["class"] == "estimate"]
    (mark,) = (one.attrib["d"] for one in drawing.iter("path") if one.attrib["class"] == "change")

    assert len(dots) == 24
    assert [float(level.split(" ")[1].partition("H")[0]) for level in levels] == [dots[0][1], dots[-1][1]]
    assert dots[11][0] < float(mark[1:].split(" ")[0]) < dots[12][0]
    assert "+10.0 %" in markup(drawing)


@pytest.mark.parametrize("steps", [[0.01], [0.01, 0.01]])
def test_runs_that_are_all_alike_are_drawn_inside(steps: list[float]) -> None:
    """A series of one run, and of equal ones, has an axis too."""
    assert all(TOP < y < BASE for _, y in _dots(run_dots(_series(steps), [])))


def test_the_csv_holds_every_run_and_its_segment() -> None:
    """Names that a spreadsheet would run are guarded; numbers parse back."""
    steps = [0.010] * 12 + [0.011] * 12
    rows = list(csv.DictReader(io.StringIO(history_csv([_series(steps, "=1+1"), _series(steps[:3])]))))

    assert [float(row["ms"]) for row in rows] == pytest.approx([1e3 * step for step in [*steps, *steps[:3]]])
    assert [row["segment"] for row in rows] == ["1"] * 12 + ["2"] * 12 + ["1"] * 3
    assert rows[0]["what"] == "'=1+1"
    assert float(rows[12]["segment_ms"]) == pytest.approx(11)


def test_a_larger_tolerance_leaves_changes_out() -> None:
    """Page and CSV follow the same tolerance as the table."""
    series = [_series([0.010] * 12 + [0.011] * 12, HOSTILE)]
    page = history_page(series, proposals(series, 0.2), 0.2).decode()

    assert {row["segment"] for row in csv.DictReader(io.StringIO(history_csv(series, 0.2)))} == {"1"}
    assert 'class="change"' not in page
    assert "<script" not in page
    assert 'class="change"' in history_page(series, proposals(series)).decode()


def test_a_change_is_as_large_as_the_proposal_says() -> None:
    """The mark of the drawing and the table are of one number."""
    series = _series([0.010] * 12 + [0.011] * 12)
    (one,) = proposals([series])

    assert one.slowdown == pytest.approx(math.expm1(changes_in(series)[0].step)) == pytest.approx(0.1)
