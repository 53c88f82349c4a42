"""Throughput on the page of a submission."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from leaderboard.made_results import run_of

from bench.leaderboard.speed import curves_of, speed_points
from bench.records.result import Cost
from bench.records.retraction import Retraction
from bench.stored import Stored


def _run(value: float, batch: int | None = None, *, hours: int = 0, retracted: bool = False, **fields: str) -> Stored:
    cost = Cost(value=value, unit="img/s", device=fields.get("device", "A100"))
    environment = {} if batch is None else {"batch_size": batch}
    run = run_of("net", hours=hours, costs={"throughput_img_s": cost}, environment=environment,
                 precision=fields.get("precision", "bf16"))  # fmt: skip
    said = {"reason": "wrong clock", "by": "us", "created_at": "2026-08-02T00:00:00Z"}
    return Stored(result=run, path=Path("x"), retraction=Retraction(run=run.run, **said) if retracted else None)


def test_a_line_needs_two_batch_sizes() -> None:
    """One point, or two devices with one point each, are a table only."""
    alone = speed_points([("", _run(900, 64)), ("", _run(1800, 64, hours=1, device="H200"))])

    assert [(point.device, point.text) for point in alone] == [("A100", "900"), ("H200", "1,800")]
    assert curves_of(alone) == []


def test_devices_are_never_in_one_drawing() -> None:
    """A curve a device, a line a precision, a dot a batch size."""
    runs = [
        _run(100 * batch, batch, hours=batch, precision=precision) for batch in (1, 8, 64) for precision in ("bf16",)
    ]
    runs += [_run(50 * batch, batch, hours=100 + batch, precision="fp32") for batch in (1, 8)]
    runs += [_run(7 * batch, batch, hours=200 + batch, device="H200") for batch in (1, 8)]

    first, second = curves_of(speed_points([("", run) for run in runs]))

    assert (first.title, second.title) == ("Inference on A100", "Inference on H200")
    root = ET.fromstring(str(first.drawing))  # noqa: S314 - our own
    assert len([one for one in root if one.get("class", "").startswith("run")]) == 2
    assert len([one for one in root if one.tag == "circle"]) == 5
    assert "6,400 images a second, at batch size 64, bf16" in first.summary


def test_of_equal_conditions_the_latest_counts() -> None:
    """A run that was withdrawn counts for nothing."""
    runs = [_run(100, 8, hours=0), _run(120, 8, hours=1), _run(999, 8, hours=2, retracted=True)]

    assert [point.value for point in speed_points([("", run) for run in runs])] == [120]


def test_versions_of_torch_are_told_apart() -> None:
    """Two versions are two rows, and never one line."""
    cost = {"throughput_img_s": Cost(value=100, unit="img/s", device="A100")}
    runs = [
        run_of("net", hours=hours, costs=cost, environment={"torch": torch, "batch_size": batch})
        for hours, (torch, batch) in enumerate((("2.4", 8), ("2.9", 8), ("2.9", 64)))
    ]
    points = speed_points([("", Stored(result=run, path=Path("x"))) for run in runs])

    assert [(point.software, point.batch_size) for point in points] == [
        ("torch 2.4", 8),
        ("torch 2.9", 8),
        ("torch 2.9", 64),
    ]
    (curve,) = curves_of(points)
    assert [text for text in ("fp32, torch 2.4", "fp32, torch 2.9") if f">{text}</text>" in str(curve.drawing)] == [
        "fp32, torch 2.4",
        "fp32, torch 2.9",
    ]
