"""The file of events: what is in it, and how a resumed run goes on with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import RecordError, StoreError
from bench.training.events import EVENTS, EventLog, read_events


def words(events: list[dict[str, object]]) -> list[dict[str, object]]:
    """Events without what a clock says."""
    return [{name: value for name, value in event.items() if name != "time"} for event in events]


def test_each_event_is_in_the_file_when_emit_returns(tmp_path: Path) -> None:
    """Another process sees it at once; the position is the length of the file."""
    path = tmp_path / "training" / "events.jsonl"
    with EventLog(path) as log:
        log.emit("start", seed=3)

        assert words(read_events(path)) == [{"kind": "start", "seed": 3}]
        assert log.position == path.stat().st_size

        log.emit("step", loss=np.float32(0.5), step=np.int64(7), metrics={"top1": np.float64(0.25)})

    assert words(read_events(path))[1] == {"kind": "step", "loss": 0.5, "step": 7, "metrics": {"top1": 0.25}}


def test_times_never_fall(tmp_path: Path) -> None:
    """Within a process the steady clock tells them."""
    with EventLog(tmp_path / "events.jsonl") as log:
        for step in range(50):
            log.emit("step", step=step)
    times = [event["time"] for event in read_events(tmp_path / "events.jsonl")]

    assert times == sorted(times)


@given(before=st.integers(0, 8), lost=st.integers(0, 8), after=st.integers(0, 8))
@settings(max_examples=25, deadline=None)
def test_a_resumed_file_is_that_of_a_straight_run(
    tmp_path_factory: pytest.TempPathFactory, before: int, lost: int, after: int
) -> None:
    """Whatever was written behind the checkpoint's position is dropped, half a line too."""
    folder = tmp_path_factory.mktemp("events")
    with EventLog(folder / "straight.jsonl") as log:
        for step in range(before + after):
            log.emit("step", step=step, loss=1 / (step + 1))
    with EventLog(folder / "resumed.jsonl") as log:
        for step in range(before):
            log.emit("step", step=step, loss=1 / (step + 1))
        position = log.position
        for step in range(before, before + lost):
            log.emit("step", step=step, loss=99.0)
    with (folder / "resumed.jsonl").open("ab") as file:
        file.write(b'{"kind":"st')
    with EventLog.resume(folder / "resumed.jsonl", position) as log:
        for step in range(before, before + after):
            log.emit("step", step=step, loss=1 / (step + 1))

    assert words(read_events(folder / "resumed.jsonl")) == words(read_events(folder / "straight.jsonl"))


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    """The program was killed while it wrote; what came before stays."""
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        log.emit("start")
        log.emit("epoch", epoch=1)
    path.write_bytes(path.read_bytes()[:-5])

    assert words(read_events(path)) == [{"kind": "start"}]


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    """JSON has no NaN."""
    with EventLog(tmp_path / "events.jsonl") as log:
        log.emit("failure", loss=float("nan"), metrics={"top1": float("inf")}, several=[1.0, float("-inf")])
    (event,) = read_events(tmp_path / "events.jsonl")

    assert (event["loss"], event["metrics"], event["several"]) == (None, {"top1": None}, [1.0, None])


def test_listeners_are_told_after_the_event_was_written(tmp_path: Path) -> None:
    """Also by a log without a file, as other ranks have it."""
    path, seen = tmp_path / "events.jsonl", []
    with EventLog(path, [lambda event: seen.append((event["kind"], len(read_events(path))))]) as log:
        log.emit("start")
    with EventLog(None, [lambda event: seen.append((event["kind"], 0))]) as log:
        log.emit("end")

    assert seen == [("start", 1), ("end", 0)]


def test_a_file_that_is_too_short_is_refused(tmp_path: Path) -> None:
    """It is not the one that the checkpoint knew."""
    with EventLog(tmp_path / "events.jsonl") as log:
        log.emit("start")
    with pytest.raises(RecordError, match="events are missing"):
        EventLog.resume(tmp_path / "events.jsonl", 10_000)


@pytest.mark.parametrize("line", ["{", "[]", '{"kind":"dance","time":1.0}', '{"kind":"end"}'])
def test_a_foreign_line_is_named(tmp_path: Path, line: str) -> None:
    """With its number."""
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps({"kind": "start", "time": 1.0}) + "\n" + line + "\n")
    with pytest.raises(RecordError, match="line 2"):
        read_events(path)


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """No traceback of the file system."""
    (tmp_path / "training").write_text("a file")
    with pytest.raises(StoreError):
        EventLog(tmp_path / "training" / "events.jsonl")


def test_an_unknown_kind_is_a_mistake_of_ours() -> None:
    """The table names all of them."""
    with pytest.raises(ValueError, match="no such event"):
        EventLog(None).emit("dance")
    assert all(text.endswith(".") for text in EVENTS.values())
