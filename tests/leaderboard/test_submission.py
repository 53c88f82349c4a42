"""What the page of a submission shows."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from leaderboard.made_results import breakdown_of, run_of

from bench.leaderboard.classes import ClassNames, classes_csv
from bench.leaderboard.entry import Entry, Place, entry_csv, entry_json
from bench.leaderboard.frame import flat_row
from bench.leaderboard.submission import SubmissionPage, Surroundings, submission_page
from bench.records.breakdown import Breakdown
from bench.records.result import Cost, Failure, Result
from bench.records.submission import Claims
from bench.stored import Stored

NAMES = {
    size: ClassNames(
        wnids=[f"n{index:08d}" for index in range(size)], names=[f"class {index}" for index in range(size)]
    )
    for size in (10, 100)
}


def _entry(*results: Result, ranked: str = "", breakdowns: dict[str, Breakdown] | None = None) -> Entry:
    runs = [Stored(result=result, path=Path(f"{result.run}.json")) for result in results]
    places = [Place("tiny", "Tiny board", ranked, 2, 1, 3, 1556, "top1", "verified")] if ranked else []
    return Entry(
        key=results[0].entry,
        runs=runs,
        rows=[flat_row(run) for run in runs],
        places=places,
        reasons={},
        breakdowns=breakdowns or {},
    )


def _page(entry: Entry, around: Surroundings | None = None) -> SubmissionPage:
    names = {f"shapes{size}": found for size, found in NAMES.items()}
    return submission_page(entry, names, {}, around or Surroundings())


@pytest.mark.parametrize(
    ("claimed", "verdict", "flagged"),
    [(0.90, "within the 95% interval", False), (0.86, "outside the 95% interval", True)],
)
def test_a_claim_outside_the_interval_is_flagged(claimed: float, verdict: str, flagged: bool) -> None:
    """450 of 500: 0.8706 to 0.9234."""
    page = _page(_entry(run_of("net", 450, words={"claims": Claims(top1=claimed)})))

    (claim,) = page.sections[0].claims
    assert (claim.verdict, claim.flagged) == (verdict, flagged)
    assert claim.difference == f"{100 * (0.9 - claimed):+.2f} points"


def test_other_claims_must_be_equal() -> None:
    """Parameters and arithmetic have no interval."""
    words = {"claims": Claims(num_params=1_234_000, precision="bf16")}

    page = _page(_entry(run_of("net", words=words)))

    assert [(claim.name, claim.flagged) for claim in page.sections[0].claims] == [
        ("Parameters", True),
        ("Arithmetic", True),
    ]


@pytest.mark.parametrize(
    ("source", "device", "verdict"),
    [
        ("timm", "", "differs"),
        ("python", "declared by the submission", "differs, by what its model declares"),
        ("exported", "declared by the submission", "differs, by what its model declares"),
    ],
)
def test_what_is_counted_beside_a_submissions_code_is_called_declared(source: str, device: str, verdict: str) -> None:
    """Its own process says how many parameters it has, even where the result is verified."""
    words = {"claims": Claims(num_params=3), "source": source}
    (section,) = _page(_entry(run_of("net", words=words))).sections

    assert {cost.title: cost.device for cost in section.costs}["Params"] == device
    assert [claim.verdict for claim in section.claims] == [verdict]


def test_the_ranked_run_is_the_one_that_is_shown() -> None:
    """A newer run that no board ranks does not replace it; all runs are in the history."""
    old, new = run_of("net", 450, hours=1), run_of("net", 300, hours=2)

    page = _page(_entry(new, old, ranked=old.run))

    assert page.sections[0].metrics[0].value == "90.00"
    assert [run.run for run in page.history] == [new.run, old.run]
    assert page.history[1].note == "ranked on Tiny board"


def test_a_good_run_is_shown_before_a_newer_failure() -> None:
    """The failure stays in the history, with its message."""
    failure = Failure(outcome="load_error", message="no such file")
    failed_run = run_of("net", None, hours=2, status="failed", failure=failure)

    page = _page(_entry(failed_run, run_of("net", 450, hours=1)))

    assert page.sections[0].failure is None
    assert [(failed.run, failed.failure.message) for failed in page.failures] == [(failed_run.run, "no such file")]
    assert [run.status for run in page.history] == ["failed", "self-reported"]


def test_best_and_worst_classes_of_many() -> None:
    """Twenty of each, the worst one first among the worst; classes without images are left out."""
    run = run_of("net")
    breakdown = Breakdown(
        classes="shapes100",
        num_samples=(0, *(50,) * 99),
        num_top1=tuple(range(50))[:1] + tuple(min(index // 2, 50) for index in range(1, 100)),
        num_top5=(50,) * 100,
        num_answered=(50,) * 100,
        confusions=(),
    )

    page = _page(_entry(run, breakdowns={run.run: breakdown}))

    classes = page.sections[0].classes
    assert classes is not None
    (_, best), (_, worst) = classes.tables
    assert (classes.num_classes, len(best), len(worst)) == ("99", 20, 20)
    assert (best[0].name, best[0].counts) == ("class 98", "49 of 50")
    assert worst[0].name == "class 1"


def test_few_classes_are_one_table_with_their_confusions() -> None:
    """Best and worst of ten would show each class twice."""
    run = run_of("net")

    page = _page(_entry(run, breakdowns={run.run: breakdown_of()}))

    classes = page.sections[0].classes
    assert classes is not None
    assert [len(rows) for _, rows in classes.tables] == [10]
    assert classes.confusions[0] == ("class 9", "class 0", "7")


def test_a_link_that_is_none_is_not_shown() -> None:
    """Autoescape does not stop `javascript:`; a result may hold any text there."""
    words = {"paper": "javascript:alert(1)", "code": "https://example.org/code"}

    page = _page(_entry(run_of("net", words=words)))

    assert page.links == [("Code", "https://example.org/code")]


def test_costs_are_named_without_their_unit() -> None:
    """The unit stands behind the value."""
    costs = {"throughput_img_per_s": Cost(value=1234.5, unit="img/s", ci_low=1200.0, ci_high=1250.0, device="A100")}

    (cost,) = _page(_entry(run_of("net", costs=costs))).sections[0].costs

    assert (cost.title, cost.value, cost.unit, cost.device) == ("Throughput", "1,234.5", "img/s", "A100")


def test_exports_hold_every_run_whole() -> None:
    """JSON has the records, CSV a row a run, the classes one row each."""
    entry = _entry(run_of("net", 450, hours=2), run_of("net", 400, hours=1))

    records = json.loads(entry_json(entry))
    rows = list(csv.DictReader(io.StringIO(entry_csv(entry), newline="")))
    classes = list(csv.DictReader(io.StringIO(classes_csv(breakdown_of(), NAMES[10]), newline="")))

    assert [Result.parse(record) for record in records["runs"]] == [stored.result for stored in entry.runs]
    assert [row["metrics.top1.count"] for row in rows] == ["450", "400"]
    assert sum(int(row["num_top1"]) for row in classes) == sum(breakdown_of().num_top1)
