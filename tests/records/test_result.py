"""Results."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import RecordError
from bench.records.result import Estimate, Failure, Result

OLD = sorted((Path(__file__).parents[1] / "data" / "old").glob("result-v*.json"))

estimates = st.builds(
    Estimate,
    value=st.floats(0, 1),
    ci_low=st.none() | st.floats(0, 1),
    ci_high=st.none() | st.floats(0, 1),
    num_samples=st.integers(1, 10**9),
    count=st.none() | st.integers(0, 10**9),
)


@given(estimates)
def test_an_estimate_survives_the_way_to_json_and_back(estimate: Estimate) -> None:
    """No digit is lost."""
    assert Estimate.parse(json.loads(json.dumps(estimate.as_json()))) == estimate


def test_a_result_survives_the_way_to_a_file_and_back(tmp_path: Path, make_result: Callable[..., Result]) -> None:
    """What is written is what is read."""
    result = make_result(environment={"torch": "2.15.0", "cores": 2}, timing={"evaluate_s": 1.25})
    (tmp_path / "x.json").write_text(result.to_text())

    assert Result.load(tmp_path / "x.json") == result


def test_the_run_id_is_the_time_and_the_content(make_result: Callable[..., Result]) -> None:
    """Two different results of one second have different ids, equal ones the same."""
    first, second, again = make_result(count=30), make_result(count=31), make_result(count=30)

    assert first.run.startswith("20260801T101500Z-")
    assert first.run.endswith(first.content_digest()[:12])
    assert first.run != second.run
    assert first.run == again.run


def test_the_time_of_a_run_is_utc(make_result: Callable[..., Result]) -> None:
    """A local time zone does not get into the record."""
    from datetime import timedelta, timezone

    here = datetime(2026, 8, 1, 12, 15, tzinfo=timezone(timedelta(hours=2)))

    assert (
        make_result(now=here).created_at == make_result(now=here.astimezone(UTC)).created_at == "2026-08-01T10:15:00Z"
    )


def test_a_failed_result_says_why(make_result: Callable[..., Result]) -> None:
    """A failure without a reason, and a reason without a failure, are no results."""
    failure = Failure(outcome="nonfinite", message="NaN")

    assert make_result(status="failed", metrics={}, failure=failure).failure == failure
    for wrong in ({"status": "failed"}, {"failure": failure}):
        with pytest.raises(ValueError, match="a failed result needs a failure"):
            make_result(**wrong)


def test_a_value_that_is_no_number_is_refused() -> None:
    """NaN and infinity are no measurements."""
    with pytest.raises(RecordError, match=r"value: .*finite"):
        Estimate.parse({"value": float("nan"), "num_samples": 1})


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_results_of_every_past_format_still_load(path: Path) -> None:
    """Results are kept for ever, so every format version that was ever written is read."""
    assert Result.load(path).format_version == Result.FORMAT_VERSION


def test_there_is_a_kept_result_of_every_format_version() -> None:
    """Raising the version needs a file of the version before."""
    assert [path.stem for path in OLD] == [f"result-v{version}" for version in range(1, Result.FORMAT_VERSION + 1)]
