"""The reliability diagram of a run."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from bench.leaderboard.reliability import calibration_error, reliability_of
from bench.records.breakdown import ReliabilityBin


def _bins(*filled: tuple[int, int, int, float]) -> tuple[ReliabilityBin, ...]:
    """Fifteen bins, empty but for (index, images, right ones, mean confidence)."""
    found = {index: (images, right, confidence) for index, images, right, confidence in filled}
    rows = [found.get(index, (0, 0, 0.0)) for index in range(15)]
    return tuple(ReliabilityBin(num_samples=one, num_top1=two, confidence=three) for one, two, three in rows)


def test_the_error_is_the_mean_gap_over_images() -> None:
    """30 images are 10 points too sure, 10 are 20 points not sure enough."""
    assert calibration_error(_bins((7, 30, 12, 0.5), (14, 10, 10, 0.8))) == pytest.approx((30 * 0.1 + 10 * 0.2) / 40)


def test_the_table_holds_the_bins_that_hold_images() -> None:
    """Ends, count, mean confidence, accuracy and the gap with its sign."""
    found = reliability_of(_bins((7, 30, 12, 0.5), (14, 1000, 1000, 0.95)))

    assert found is not None
    assert [row[1:] for row in found.rows] == [("30", "50.0", "40.0", "-10.0"), ("1,000", "95.0", "100.0", "+5.0")]
    assert found.rows[1].confidence == "93.3\N{EN DASH}100.0"
    assert "less sure than it is right" in found.summary


def test_bars_are_as_high_as_the_accuracy() -> None:
    """Drawn on a scale of 300 units; a bin without images has no bar; the counts are drawn below."""
    found = reliability_of(_bins((7, 30, 12, 0.5), (14, 10, 10, 0.8)))

    assert found is not None
    root = ET.fromstring(str(found.drawing))  # noqa: S314 - our own
    bars = {name: [one for one in root if one.get("class") == name] for name in ("bar-right", "bar-count")}
    assert [float(bar.get("height", "")) for bar in bars["bar-right"]] == [120, 300]
    heights = [float(bar.get("height", "")) for bar in bars["bar-count"]]
    assert heights == [54, 18]
    assert root.get("aria-label") == found.summary


@pytest.mark.parametrize("bins", [(), _bins()])
def test_no_images_make_no_diagram(bins: tuple[ReliabilityBin, ...]) -> None:
    """Older files have no bins at all."""
    assert reliability_of(bins) is None
