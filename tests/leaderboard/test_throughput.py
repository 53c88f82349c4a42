"""Throughput over time: what a series holds, where its events are, how it is drawn."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from leaderboard.made_results import run_of, write_boards
from leaderboard.made_speeds import RTX_4090, speed_of, timm_folder, timm_speeds

from bench.leaderboard.material import Material
from bench.leaderboard.multiples import BASE, TOP, drawing, marks_of, tick_words
from bench.leaderboard.series import Series, changes_of, events, largest_first, series_of
from bench.leaderboard.site import publish
from bench.leaderboard.throughput import change_text, script_data, throughput_pages
from bench.records.result import Failure, Result
from bench.records.retraction import Retraction
from bench.resources import resource_folder
from bench.store import Store
from bench.stored import Stored


def _stored(*results: Result) -> list[Stored]:
    return [Stored(result=result, path=Path("x.json")) for result in results]


def _series(*results: Result) -> Series:
    found, _ = series_of(_stored(*results))
    assert len(found) == 1
    return found[0]


def test_a_series_never_holds_two_of_anything_that_matters() -> None:
    """Machine, number of GPUs, setting, protocol, cost, model, input size and status keep runs apart."""
    base = speed_of()
    others = [
        speed_of(environment={"gpu": "NVIDIA GeForce RTX 5090"}),
        speed_of(environment={"num_gpus": 2}),
        speed_of(environment={"precision": "fp32"}),
        speed_of(environment={"memory_format": "channels_last"}),
        speed_of(environment={"memory_format": "contiguous_format"}),
        speed_of(status="self-reported", environment={"batch_size": 1}),
        speed_of(environment={"gpu": None, "cpu": "AMD EPYC 9654"}, device_type="cpu"),
        speed_of(precision="bf16"),
        speed_of(cost="train_throughput_img_s"),
        speed_of(protocol=base.protocol.model_copy(update={"id": "timm-training"})),
        speed_of("resnet101"),
        speed_of(size=288),
        speed_of(status="self-reported"),
        speed_of(None),
    ]
    found, num_homeless = series_of(_stored(base, *others))

    assert len(found) == len(others) + 1
    assert all(len(series.points) == 1 for series in found)
    assert num_homeless == 0


def test_a_batch_size_is_a_choice_of_ours_and_a_condition_of_timms_tables() -> None:
    """The rows of one sweep are no history; timm lets the batch size fall where the memory ends."""
    sizes = [{"batch_size": number} for number in (1, 32)]
    ours = [speed_of(status="self-reported", environment=size) for size in sizes]
    imported = [speed_of(environment=size) for size in sizes]

    assert [len(series.points) for series in series_of(_stored(*ours))[0]] == [1, 1]
    assert [len(series.points) for series in series_of(_stored(*imported))[0]] == [2]


def test_withdrawn_failed_and_homeless_runs_have_no_part() -> None:
    """Nor have values that are no speed; runs without a machine are counted."""
    good = speed_of()
    withdrawn = speed_of(value=1.0)
    said = Retraction(run=withdrawn.run, reason="wrong", by="us", created_at="2026-08-02T00:00:00Z")
    failed = speed_of(status="failed", failure=Failure(outcome="oom", message="no memory"))
    stored = _stored(good, failed, speed_of(value=0.0), speed_of(environment={"gpu": None}), run_of("resnet"))
    stored.append(Stored(result=withdrawn, path=Path("y.json"), retraction=said))
    found, num_homeless = series_of(stored)

    assert [[point.run for point in series.points] for series in found] == [[good.run]]
    assert num_homeless == 1


def test_points_stand_in_order_of_time_then_of_versions() -> None:
    """2.10 comes after 2.9, whatever the order of the records; a later day beats any version."""
    runs = [
        speed_of(value=4, days=1, environment={"torch": "2.4.0"}),
        speed_of(value=3, environment={"torch": "2.10.1+cu126"}),
        speed_of(value=2, environment={"torch": "2.9.1", "cuda": "12.8"}),
        speed_of(value=1, environment={"torch": "2.9.1", "cuda": "12.6"}),
    ]
    assert [point.value for point in _series(*runs).points] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("before", "after", "half_widths", "is_event"),
    [
        (100.0, 105.0, (None, None), True),
        (100.0, 95.0, (None, None), True),
        (100.0, 104.9, (None, None), False),
        (100.0, 106.0, (2.0, 2.0), True),
        (100.0, 106.0, (3.0, 3.0), False),  # they touch
        (100.0, 106.0, (5.0, None), True),  # one run stands for itself
        (100.0, 104.0, (0.1, 0.1), False),
    ],
)
def test_an_event_is_a_difference_of_5_percent_outside_the_intervals(
    before: float, after: float, half_widths: tuple[float | None, float | None], is_event: bool
) -> None:
    """Of neighbours; it says whether both runs have an interval."""
    series = _series(
        speed_of(value=before, half_width=half_widths[0]), speed_of(value=after, half_width=half_widths[1], days=1)
    )
    found = events(series)
    assert bool(found) == is_event
    for event in found:
        assert event.change == pytest.approx(after / before - 1)
        assert event.has_intervals == (None not in half_widths)


def test_a_long_series_changes_at_its_change_points() -> None:
    """Noise of single runs is no event, a step of many runs is one; both levels are medians."""
    noise = [1.0, 1.03, 0.97, 1.09, 1.0, 0.98, 1.02, 0.91, 1.01, 0.99]
    before, after = [100 * factor for factor in noise * 2], [88 * factor for factor in noise]
    assert events(_series(*(speed_of(value=value, days=day) for day, value in enumerate(before)))) == []
    series = _series(*(speed_of(value=value, days=day) for day, value in enumerate([*before, *after])))

    (event,) = events(series)

    assert event.segments == (20, 10)
    assert event.after == series.points[20]
    assert event.levels == pytest.approx((100.0, 88.0), rel=0.01)
    assert event.change == pytest.approx(-0.12, abs=0.01)


def test_only_neighbours_are_compared() -> None:
    """A slow drift is no event; a drop and a rise are two."""
    drift = _series(*(speed_of(value=100 * 1.04**day, days=day) for day in range(6)))
    assert events(drift) == []
    drop = _series(*(speed_of(value=value, days=day) for day, value in enumerate([100.0, 101.0, 80.0, 100.0])))
    assert [round(event.change, 3) for event in events(drop)] == [-0.208, 0.25]
    assert drop.largest_change == pytest.approx(80 / 101 - 1)
    assert drop.largest_step == pytest.approx(math.log(101 / 80))


def test_what_changed_is_named_and_only_software_is_drawn() -> None:
    """A batch size is in the table and no tick; what one run did not record is said."""
    old = {"torch": "2.4.0", "cuda": "12.4", "batch_size": 256, "driver": None}
    new = {"torch": "2.4.0", "cuda": "12.4", "batch_size": 1024, "driver": "580.95"}
    series = _series(speed_of(environment=old), speed_of(environment=new, days=1))
    changes = changes_of(*series.points)
    assert changes == (("driver", None, "580.95"), ("batch size", "256", "1024"))
    assert tick_words(changes) == "driver 580.95"


def test_the_largest_change_comes_first() -> None:
    """A half and a double are equally large; one run has none."""
    half = [speed_of("half", 100.0), speed_of("half", 49.0, days=1)]
    double = [speed_of("double", 100.0), speed_of("double", 200.0, days=1)]
    found, _ = series_of(_stored(*double, *half, speed_of("one")))
    assert [series.title for series in largest_first(found)] == ["half", "double", "one"]


def test_a_drawing_is_a_step_line_from_zero() -> None:
    """H and V only after M; heights are in proportion; ticks, bands and triangles where they belong."""
    runs = [
        speed_of(value=100.0, half_width=5.0),
        speed_of(value=50.0, half_width=5.0, days=1, environment={"torch": "2.9.1"}),
        speed_of(value=75.0, days=2, environment={"torch": "2.9.1"}),
    ]
    root = drawing(marks_of(_series(*runs)), "a sentence")
    parts = {name: root.findall(f"*[@class='{name}']") for name in ("step", "tick", "band", "run", "slower", "faster")}

    assert root.get("aria-label") == "a sentence"
    counts = {"step": 1, "tick": 1, "band": 2, "run": 1, "slower": 1, "faster": 1}
    assert {name: len(found) for name, found in parts.items()} == counts
    line = str(parts["step"][0].get("d"))
    assert re.fullmatch(r"M[\d.]+ [\d.]+(H[\d.]+V[\d.]+)*H[\d.]+", line)
    heights = [BASE - float(y) for y in re.findall(r"V([\d.]+)", line)]
    scale = (BASE - TOP) / 105.0  # the upper end of the first interval
    assert heights == pytest.approx([50 * scale, 75 * scale], abs=0.01)
    assert [text.text for text in root.findall("text")] == ["torch 2.9.1", "100", "50.0", "75.0"]


def test_percent_carries_its_sign() -> None:
    """A true minus, one digit."""
    assert [change_text(value) for value in (0.015, -0.5, None)] == ["+1.5%", "\N{MINUS SIGN}50.0%", ""]


def _pages(folder: Path, *results: Result) -> dict[str, str]:
    store = Store(folder / "results")
    store.results.mkdir()
    for result in results:
        store.add(result)
    material = Material(store, write_boards(folder / "boards"))
    return {page.path: page.make().decode() for page in throughput_pages(material)}


def test_an_empty_page_says_what_fills_it(tmp_path: Path) -> None:
    """No table, no controls, no script."""
    pages = _pages(tmp_path, run_of("resnet"), speed_of(environment={"gpu": None}))
    assert "No throughput has been recorded yet" in pages["throughput.html"]
    assert "1 run names no machine" in pages["throughput.html"]
    assert "throughput.js" not in pages["throughput.html"]
    assert pages["throughput.csv"].count("\n") == 1


def test_the_page_holds_drawings_events_and_data(tmp_path: Path) -> None:
    """12 drawings of 14, every event, every series as data, every run as CSV; single runs are called that."""
    runs = []
    for index in range(14):
        runs += [speed_of(f"net{index:02}", 100.0), speed_of(f"net{index:02}", 100.0 + 3 * index, days=1)]
    pages = _pages(tmp_path, *runs)
    html = pages["throughput.html"]
    data = json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)[0])

    assert html.count('<svg class="multiple"') == 12
    assert len(data["series"]) == 14
    assert [series[4] for series in data["series"]][:2] == ["net13", "net12"]
    assert html.count("<tr data-place=") == html.count("one run each: no evidence of a cause") == 12  # 3 % is none
    assert len(pages["throughput.csv"].splitlines()) == 29


def test_equal_results_give_equal_pages(tmp_path: Path) -> None:
    """Whatever the order in which they were added."""
    runs: list[Any] = [speed_of("a"), speed_of("b"), speed_of("a", 800.0, days=1)]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert _pages(tmp_path / "one", *runs) == _pages(tmp_path / "two", *reversed(runs))


@pytest.mark.parametrize("boards", ["made", "shipped"])
def test_a_store_of_speeds_alone_is_published(tmp_path: Path, boards: str) -> None:
    """No accuracy anywhere: the metrics of the boards are no columns of the frame."""
    store = Store(tmp_path / "results")
    for days in (0, 1):
        store.add(speed_of(value=100.0 + days, days=days))
    folder = write_boards(tmp_path / "boards") if boards == "made" else resource_folder("boards")
    assert publish(store, folder, tmp_path / "site").broken == ()


def test_timms_two_tables_of_the_rtx_4090() -> None:
    """1,442 keys in both, median change +1.5 %; 188 faster and 35 slower by over 5 %, 33 slower by over 10 %."""
    import pandas as pd

    old, new = (
        pd.read_csv(timm_folder() / name, thousands=",").set_index(["model", "infer_img_size"])["infer_samples_per_sec"]
        for name in (
            "benchmark-infer-amp-nchw-pt240-cu124-rtx4090.csv",
            "benchmark-infer-amp-nchw-pt291-cu128-4090.csv",
        )
    )
    expected = (new / old).dropna() - 1
    found, _ = series_of(_stored(*timm_speeds()))
    several = [series for series in found if len(series.points) > 1]
    changes = [series.points[1].value / series.points[0].value - 1 for series in several]
    listed = [event for series in found for event in events(series)]

    assert len(several) == len(expected) == 1442
    assert {series.key.machine for series in several} == {RTX_4090}
    assert sorted(changes) == pytest.approx(sorted(expected))
    assert pd.Series(changes).median() == pytest.approx(0.0150, abs=1e-4)
    assert (sum(e.change > 0.05 for e in listed), sum(e.change < -0.05 for e in listed)) == (188, 35)
    assert sum(event.change < -0.10 for event in listed) == 33
    assert not any(event.has_intervals for event in listed)
    assert all({"torch", "CUDA"} <= {change.name for change in event.changed} for event in listed)
    titles = {series.key.protocol: series.key.protocol for series in found}
    assert len(json.dumps(script_data(largest_first(found), titles))) < 1_000_000


def test_compiled_runs_never_share_a_line_with_plain_ones() -> None:
    """How a model ran is part of what was measured."""
    from bench.leaderboard.facts import arithmetic_words

    plain = run_of("net", precision="bf16", environment={"compile_mode": "eager"})
    compiled = run_of("net", precision="bf16", environment={"compile_mode": "compiled"})

    assert [arithmetic_words(run) for run in (plain, compiled)] == ["bf16", "bf16, compiled"]
    assert arithmetic_words(run_of("net", precision=None, environment={"precision": "amp"})) == "amp"
    assert arithmetic_words(run_of("net", precision=None, environment={})) is None
