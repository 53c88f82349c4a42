"""Loops of timed steps, on a clock of the test's own."""

from __future__ import annotations

import gc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from bench.throughput.loops import back_to_back, request_latencies, step_by_step, warm_up


class Machine:
    """Steps that take the times they are given, the last one for ever; only steps make time pass."""

    def __init__(self, *milliseconds: float) -> None:
        self.now = 0
        self.num_steps = 0
        self.collecting: set[bool] = set()
        self._times = list(milliseconds)

    def clock(self) -> int:
        """The time, in nanoseconds."""
        return self.now

    def step(self) -> None:
        """Lets the next time pass."""
        self.collecting.add(gc.isenabled())
        self.now += round(1e6 * (self._times.pop(0) if len(self._times) > 1 else self._times[0]))
        self.num_steps += 1

    def nothing(self) -> None:
        """Waits for no device."""


def test_a_warm_up_ends_when_two_windows_agree() -> None:
    """Not before its least time, and with the median step of its last window."""
    machine = Machine(*[50.0] * 6, *[20.0] * 5, 10.0)

    found = warm_up(machine.step, machine.nothing, warm_s=0.3, least_steps=10, clock=machine.clock)

    # windows of 0.1 s: 50, 50, 50, 20, then 10 and 10
    assert found == {"step_s": 0.01, "warm_s": pytest.approx(0.6), "steady": True}


def test_a_warm_up_that_never_becomes_steady_ends_and_says_so() -> None:
    """After ten times its least time."""
    machine = Machine(*[float(milliseconds) for milliseconds in range(1, 2000)])

    found = warm_up(machine.step, machine.nothing, warm_s=0.3, least_steps=10, clock=machine.clock)

    assert not found["steady"]
    assert 3.0 <= found["warm_s"] < 3.5


def test_a_warm_up_has_its_least_steps() -> None:
    """Windows agree and the time is over long before there are ten."""
    machine = Machine(60.0)

    found = warm_up(machine.step, machine.nothing, warm_s=0.3, least_steps=10, clock=machine.clock)

    assert machine.num_steps == 10
    assert found["steady"]


def test_a_block_of_steps_is_timed_step_by_step() -> None:
    """Two steps come before; the median and the 95th percentile are of the rest; no garbage is collected meanwhile."""
    machine = Machine(99.0, 99.0, 1.0, 2.0, 3.0, 4.0, 50.0, 7.0)

    found = step_by_step(machine.step, machine.nothing, 5, clock=machine.clock)

    assert found["step_ns"] == 3e6
    assert found["step_p95_ns"] == 50e6
    assert found["wall_ns"] == 60e6
    assert found["num_steps"] == 5
    assert gc.isenabled()
    assert machine.collecting == {True, False}  # the two before, and the timed ones


def _events(machine: Machine) -> Callable[[], Any]:
    def event() -> Any:
        mark = SimpleNamespace(at=machine.now)
        mark.elapsed_time = lambda later: (later.at - mark.at) / 1e6
        return mark

    return event


@pytest.mark.parametrize("each", [True, False])
def test_a_block_beside_the_host_is_timed_as_a_whole(each: bool) -> None:
    """The host waits once; events tell how long the device was busy, and single steps where that is asked for."""
    machine = Machine(9.0, 9.0, 1.0, 2.0, 3.0, 4.0, 10.0, 7.0)
    waits = []

    def synchronize() -> None:
        waits.append(machine.num_steps)
        machine.now += 500_000

    found = back_to_back(machine.step, synchronize, 5, event=_events(machine), each=each, clock=machine.clock)

    assert waits == [2, 7]
    assert found["wall_ns"] == 20.5e6
    assert found["event_ms"] == pytest.approx(20.0)
    assert found.get("step_ns") == (pytest.approx(3e6) if each else None)
    assert found.get("step_p95_ns") == (pytest.approx(10e6) if each else None)


def test_requests_are_timed_with_their_wait_for_the_device() -> None:
    """One after the other, in order."""
    machine = Machine(1.0, 5.0, 2.0)

    def synchronize() -> None:
        machine.now += 1_000_000

    assert request_latencies(machine.step, synchronize, 3, clock=machine.clock) == [2_000_000, 6_000_000, 3_000_000]
