"""The declarations of columns."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from bench.errors import RecordError
from bench.leaderboard.column import DASH, is_missing
from bench.leaderboard.columns import COLUMNS, column_of, columns_of
from bench.metrics import METRICS


def test_rates_are_shown_in_percent() -> None:
    """Records hold fractions; two digits behind the point."""
    assert COLUMNS["top1"].text(0.7613) == "76.13"
    assert COLUMNS["top1_interval"].interval(0.8979, 0.9032) == "89.79\N{EN DASH}90.32"
    assert COLUMNS["num_params"].text(25_557_032.0) == "25.56"
    assert COLUMNS["top1"].difference(-0.0123) == "-1.23 points"
    assert COLUMNS["date"].text("2026-08-01T10:00:00Z") == "2026-08-01"


@pytest.mark.parametrize("missing", [None, math.nan, pd.NA, float("nan")])
def test_missing_values_are_a_dash(missing: object) -> None:
    """Never `nan`, `None` or an empty cell."""
    assert is_missing(missing)
    assert all(column.text(missing) == DASH for column in COLUMNS.values())
    assert COLUMNS["top1_interval"].interval(missing, 0.5) == DASH


def test_every_metric_has_a_column() -> None:
    """What a protocol can report, a board can show."""
    assert set(METRICS) <= set(COLUMNS)
    assert all(COLUMNS[name].higher_is_better == metric.higher_is_better for name, metric in METRICS.items())


def test_a_metric_of_the_future_is_shown_as_a_number() -> None:
    """A result may hold a metric that this version does not know."""
    assert column_of("fairness").text(0.123456) == "0.1235"


def test_an_unknown_column_offers_the_nearest() -> None:
    """The error names the key of the board file."""
    with pytest.raises(RecordError, match=r"columns: there is no column 'top-1': did you mean top1"):
        columns_of(["rank", "top-1"])


def test_a_column_stands_only_once() -> None:
    """The same column twice is a mistake in the board file."""
    with pytest.raises(RecordError, match="twice"):
        columns_of(["rank", "rank"])


def test_first_click_shows_the_best_first() -> None:
    """Accuracy from high to low, cost and rank from low to high, text from A, dates from the newest."""
    directions = {
        name: COLUMNS[name].descending_first for name in ("top1", "nll", "num_params", "rank", "model", "date")
    }

    assert directions == {
        "top1": True,
        "nll": False,
        "num_params": False,
        "rank": False,
        "model": False,
        "date": True,
    }
