"""What is said of a shared machine and of processes that were not steady; it changes no verdict."""

from __future__ import annotations

from gate.made import pair

from bench.gate.config import Row
from bench.gate.disturbances import disturbances
from bench.gate.raw import Pair
from bench.gate.suite import judge
from bench.records.blocks import MachineState


def _shared(number: int, *, busy: int, own_cpu_s: float, is_warm: bool = True) -> Pair:
    """A pair of ten seconds on two cores whose clock has 100 ticks a second."""
    before = MachineState(total_ticks=1000, busy_ticks=100, steal_ticks=0)
    after = MachineState(total_ticks=3000, busy_ticks=100 + busy, steal_ticks=0)
    states = {"before": before, "after": after, "own_cpu_s": own_cpu_s, "num_cores": 2, "is_warm": is_warm}
    return pair("a", number, 0.0).model_copy(update=states)


def test_what_others_took_is_said() -> None:
    """Of both cores; what the gate itself took is none of it."""
    (words,) = disturbances([_shared(number, busy=1800, own_cpu_s=2.0) for number in range(3)])

    assert words == "Other processes took 80% of the 2 cores: the machine was shared"
    assert disturbances([_shared(0, busy=1000, own_cpu_s=9.9)]) == ()


def test_processes_that_were_not_steady_are_counted() -> None:
    """A pair that failed has no blocks and is none of them; pairs of older files tell nothing of the machine."""
    failed = pair("a", 9, 0.0).model_copy(update={"blocks": (), "is_warm": False})
    pairs = [_shared(0, busy=0, own_cpu_s=0, is_warm=False), pair("a", 1, 0.0), pair("a", 2, 0.0), failed]

    assert disturbances(pairs) == ("1 of 3 pairs were not steady after their warm-up",)
    assert disturbances([failed]) == ()


def test_they_are_reasons_of_the_row_and_change_no_verdict() -> None:
    """Equal pairs on a quiet and on a shared machine have one verdict."""
    row = Row(name="a", target="a.py:b")
    quiet, shared = (
        judge([row], [_shared(number, busy=busy, own_cpu_s=0.0) for number in range(10)], {}, num_blocks=10)["a"]
        for busy in (0, 1500)
    )

    assert quiet.verdict == shared.verdict == "OK"
    assert quiet.reasons == ()
    assert shared.reasons == ("Other processes took 75% of the 2 cores: the machine was shared",)
