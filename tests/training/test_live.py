"""What one sees of a training while it runs."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from bench.errors import UsageError
from bench.training.energy import EnergyMeter
from bench.training.events import EVENTS, EventLog
from bench.training.live import Picture, line_of, live_view, rows_of, seconds_left, seen
from bench.training.tensorboard import scalars_of, tensorboard_listener

STEP = {
    "kind": "step",
    "time": 130.0,
    "epoch": 2,
    "step": 30,
    "images": 300,
    "loss": 0.5,
    "top1": 0.25,
    "learning_rate": 0.1,
    "img_s": 1234.5,
    "wait_share": 0.031,
    "memory_mib": 2048.0,
}


def picture(*events: dict[str, object]) -> Picture:
    found = Picture("Net")
    for event in events:
        found = seen(found, event)
    return found


def test_the_view_shows_what_one_wants_to_know() -> None:
    """Loss, accuracy, speed, waiting, memory, and the time that is left at this speed."""
    start = {"kind": "start", "time": 90.0, "epochs": 4, "steps_per_epoch": 20}
    ready = {"kind": "ready", "time": 100.0, "seconds": 10.0}
    evaluated = {"kind": "evaluate", "time": 131.0, "epoch": 2, "metrics": {"top1": 0.5}, "seconds": 1.0}
    rows = dict(rows_of(picture(start, ready, STEP, evaluated)))

    assert rows == {
        "epoch": "2 of 4, step 30 of 80",
        "loss": "0.5000  ",
        "top-1, training images": "25.00 %",
        "top-1, evaluated": "50.00 % after epoch 2",
        "learning rate": "0.1",
        "images a second": "1,234",
        "waiting for data": "3.1 % of the time",
        "memory": "2,048 MiB",
        "time left": "52 s",  # 31 s for 30 steps
    }


def test_nothing_is_made_up_before_it_is_known() -> None:
    """A view of no event, and of one with nothing in it."""
    assert {value for label, value in rows_of(picture()) if label != "epoch"} == {"-"}
    assert seconds_left(picture({"kind": "start", "time": 1.0})) is None
    empty = dict.fromkeys(STEP, None) | {"kind": "step", "time": 2.0, "step": 1}
    assert "-" in dict(rows_of(picture(empty)))["loss"]


def test_after_a_restart_the_time_left_counts_from_there() -> None:
    """The steps before it took no time of this process."""
    start = {"kind": "start", "time": 90.0, "epochs": 4, "steps_per_epoch": 20}
    restart = {"kind": "restart", "time": 100.0, "step": 20}
    ready = {"kind": "ready", "time": 100.0, "seconds": 1.0}

    assert seconds_left(picture(start, restart, ready, STEP)) == pytest.approx(30 / 10 * 50)


def test_each_kind_of_event_can_be_seen() -> None:
    """Also with nothing but its time: what is not known is a dash, never an error."""
    for kind in EVENTS:
        event = {"kind": kind, "time": 1.0, "epoch": 1, "step": 1, "seconds": 2.0, "value": 0.5}
        line = line_of(event)
        picture(event)

        assert (line is None) == (kind in ("start", "step", "checkpoint"))


def test_without_a_terminal_there_are_plain_lines(make_protocol: object, tmp_path: Path) -> None:
    """One an epoch and an evaluation, without control characters; markup in a title is only text."""
    stream = io.StringIO()
    with (
        live_view("[red]Net", Console(file=stream, force_terminal=False)) as listener,
        EventLog(None, [listener]) as log,
    ):
        log.emit("start", epochs=1)
        log.emit("step", **{name: value for name, value in STEP.items() if name not in ("kind", "time")})
        log.emit("epoch", epoch=1, loss=0.5, top1=0.25, img_s=1000.0, train_s=10.0, wait_s=0.5, memory_mib=100.0)
        log.emit("evaluate", epoch=1, metrics={"top1": 0.5}, ema_metrics={"top1": 0.75}, seconds=65.0)

    assert stream.getvalue().splitlines() == [
        "[red]Net: epoch 1, loss 0.5000, top-1 while training 25.0 %, 1,000 images/s, 5.0 % waiting for data, 100 MiB",
        "[red]Net: evaluated after epoch 1: top-1 50.00 %, of the averaged weights 75.00 %, in 1 min 05 s",
    ]


def test_in_a_terminal_the_view_is_drawn() -> None:
    """With a bar and the values."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100)
    with live_view("[red]Net", console) as listener, EventLog(None, [listener]) as log:
        log.emit("start", epochs=2, steps_per_epoch=20)
        log.emit("step", **{name: value for name, value in STEP.items() if name not in ("kind", "time")})
    text = stream.getvalue()

    bars = [line for line in text.splitlines() if "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in line]

    assert bars
    assert not any("epoch" in bar for bar in bars)  # a bar alone does not end its line
    assert "[red]Net" in text
    assert "waiting for data" in text
    assert "1,234" in text


def test_tensorboard_gets_the_curves(tmp_path: Path) -> None:
    """Of steps and of evaluations, at their steps."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tensorboard_listener(tmp_path) as listener, EventLog(None, [listener]) as log:
        for step in (10, 20):
            log.emit("step", step=step, loss=1 / step, top1=None)
        log.emit("evaluate", step=20, epoch=1, metrics={"top1": 0.5}, ema_metrics=None, seconds=1.0)
    found = EventAccumulator(str(tmp_path)).Reload()

    assert [point.step for point in found.Scalars("training/loss")] == [10, 20]
    assert found.Scalars("evaluation/top1")[0].value == 0.5
    assert "training/top1" not in found.Tags()["scalars"]


def test_without_tensorboard_a_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And where the curves are anyway."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with (
        pytest.raises(UsageError, match=r"pip install ilsvrc-bench\[train\].*events.jsonl"),
        tensorboard_listener(tmp_path),
    ):
        pass
    assert scalars_of({"kind": "end", "time": 1.0}) == {}


class _Counters:
    """A device that draws a joule each time that it is asked."""

    def __init__(self) -> None:
        self.energy = 5_000_000

    def energy_mj(self) -> int:
        self.energy += 1000
        return self.energy


def test_energy_is_what_the_device_drew_since() -> None:
    """With what an interrupted run had drawn; unknown without NVML."""
    meter = EnergyMeter(_Counters(), before_j=10.0)  # type: ignore[arg-type]

    assert (meter.joules(), meter.joules()) == (11.0, 12.0)
    assert EnergyMeter.of("cpu").joules() is None
