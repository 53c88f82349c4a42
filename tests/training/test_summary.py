"""From events to the record of an attempt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from training.made_trainings import write_events

from bench.records.protocol import Protocol
from bench.records.training import CurvePoint, Final
from bench.training.events import read_events
from bench.training.summary import attempt_of, curve_of, thinned

MakeProtocol = Callable[..., Protocol]
TARGET = {"metric": "top1", "value": 0.5, "margin": 0.05}


def test_an_attempt_says_what_happened_and_what_it_took(make_protocol: MakeProtocol, tmp_path: Path) -> None:
    """Start-up, compiling and evaluation apart from the training clock."""
    write_events(tmp_path / "events.jsonl", make_protocol())
    recipe = make_protocol().recipe
    assert recipe is not None
    final = {"top1": Final(value=0.625, num_samples=8, count=5)}
    found = attempt_of(read_events(tmp_path / "events.jsonl"), recipe, final=final, weights_sha256="ef" * 32)

    assert (found.number, found.outcome, found.epochs, found.steps, found.images) == (1, "ok", 3, 9, 72)
    assert (found.start_s, found.compile_s, found.train_s, found.evaluate_s, found.wait_s) == (3.0, 1.5, 30.0, 6.0, 3.0)
    assert found.pflop == pytest.approx(0.072)
    assert found.final == final
    assert found.reached is None
    assert [point.top1 for point in found.curve] == [0.2, 0.5, 0.6]
    assert [point.train_top1 for point in found.curve] == [0.1, 0.25, 0.3]
    assert [point.loss for point in found.curve] == [1.0, 0.5, 0.333333]


def test_a_failed_attempt_keeps_its_course(make_protocol: MakeProtocol, tmp_path: Path) -> None:
    """It has an outcome and a message, and reached nothing."""
    write_events(tmp_path / "events.jsonl", make_protocol(), failure="nonfinite")
    recipe = make_protocol().recipe
    assert recipe is not None
    found = attempt_of(read_events(tmp_path / "events.jsonl"), recipe, final={}, weights_sha256=None)

    assert (found.outcome, found.message, found.final, len(found.curve)) == ("nonfinite", "the loss is nan", {}, 3)


@pytest.mark.parametrize(("fresh", "is_reached"), [(0.56, True), (0.55, True), (0.54, False)])
def test_a_target_counts_when_the_exported_weights_reach_it_too(
    make_protocol: MakeProtocol, tmp_path: Path, fresh: float, is_reached: bool
) -> None:
    """A fresh evaluation confirms it, with the margin."""
    protocol = make_protocol(evaluate_every_epochs=1, target=TARGET)
    write_events(tmp_path / "events.jsonl", protocol, target_at=3)
    assert protocol.recipe is not None
    final = {"top1": Final(value=fresh, num_samples=8)}
    found = attempt_of(read_events(tmp_path / "events.jsonl"), protocol.recipe, final=final, weights_sha256=None)

    assert (found.reached is not None) == is_reached
    if found.reached is not None:
        assert (found.reached.epoch, found.reached.images, found.reached.train_s) == (3, 72, 30.0)
        assert found.reached.confirmed == fresh


def test_the_ranked_weights_are_those_that_the_protocol_names(make_protocol: MakeProtocol, tmp_path: Path) -> None:
    """Of the average where it is ranked; the other curve stays beside it."""
    protocol = make_protocol(ema_decay=0.9, ranked_weights="ema")
    write_events(tmp_path / "events.jsonl", protocol)
    events = read_events(tmp_path / "events.jsonl")
    for event in events:
        if event["kind"] == "evaluate":
            event["ema_metrics"] = {"top1": 0.9}
    assert protocol.recipe is not None
    last = curve_of(events, protocol.recipe)[-1]

    assert (last.top1, last.other_top1) == (0.9, 0.6)


@given(num=st.integers(1, 700), most=st.integers(3, 64), every=st.integers(1, 9))
def test_a_thinned_curve_keeps_its_ends_and_its_order(num: int, most: int, every: int) -> None:
    """At most so many points, each one of the curve."""
    points = [
        CurvePoint(epoch=epoch, images=epoch, top1=0.5 if epoch % every == 0 else None) for epoch in range(1, num + 1)
    ]
    found = thinned(points, most)
    epochs = [point.epoch for point in found]

    assert len(found) == min(num, most)
    assert epochs == sorted(set(epochs))
    assert (epochs[0], epochs[-1]) == (1, num)
    assert set(found) <= set(points)
