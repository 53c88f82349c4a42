"""Whether a training learned faster than is plausible."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leaderboard.made_attempts import attempt_of, training_of

from bench.errors import RecordError
from bench.protocols import load_protocol, protocol_ids
from bench.records.reference import ReferenceRun, ReferenceRuns
from bench.records.training import Attempt
from bench.training.reference import convergence_faults, load_references, references_of

RUN = ReferenceRun(network="Known net", seed=1, epochs=(2, 4, 6, 8, 10), top1=(0.1, 0.3, 0.5, 0.7, 0.8))
KNOWN = ReferenceRuns(protocol="shapes10-train", protocol_digest="ab" * 32, source="made by hand", runs=(RUN,))


def attempt(top1: tuple[float, ...]) -> Attempt:
    """An attempt that was evaluated after every second epoch."""
    made = attempt_of(1, 0.5)
    point = made.curve[0]
    values = enumerate(top1, 1)
    curve = tuple(point.model_copy(update={"epoch": 2 * index, "top1": value}) for index, value in values)
    return made.model_copy(update={"curve": curve})


def faults(top1: tuple[float, ...]) -> list[str]:
    return convergence_faults(*training_of("net", attempt(top1)), KNOWN)


def test_what_learns_like_the_reference_is_plausible() -> None:
    """Also when it learns somewhat faster, or ends higher."""
    assert faults(RUN.top1) == []
    assert faults((0.2, 0.45, 0.7, 0.8, 0.95)) == []
    assert faults((0.0, 0.0, 0.0)) == []
    assert faults(()) == []


def test_what_learns_twice_as_fast_is_named() -> None:
    """With the level, both numbers of epochs, and what to look for."""
    (fault,) = faults((0.75, 0.8, 0.8, 0.8, 0.8))

    assert "attempt 1 reached 40.0% top-1 after 1.1 epochs" in fault
    assert "Known net, needed 5.0" in fault
    assert "weights at the start" in fault


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5), st.floats(0.0, 1.0))
def test_who_is_never_ahead_is_never_named(values: list[float], share: float) -> None:
    """A course below that of a reference run at every evaluation."""
    slower = tuple(share * reference * value for reference, value in zip(RUN.top1, values, strict=True))

    assert faults(slower) == []


def test_without_reference_runs_nothing_is_said() -> None:
    """Nor for another text of the protocol, whose runs tell nothing."""
    result, attempts = training_of("net", attempt((0.9, 0.9)))
    other = result.model_copy(update={"protocol": result.protocol.model_copy(update={"digest": "00" * 32})})

    assert convergence_faults(other, attempts) == []
    assert convergence_faults(result, None, KNOWN) == []
    assert load_references("imagenet-val-open", "00" * 32) is None


def test_stored_reference_runs_belong_to_their_protocols() -> None:
    """Each file fits a protocol of kind `train`, its present text, and its number of epochs."""
    for name in protocol_ids():
        if not references_of(name).is_file():
            continue
        protocol = load_protocol(name)
        known = load_references(name, protocol.digest())
        assert known is not None, f"{references_of(name)} is of another text of {name}; make the runs again"
        assert known.protocol == name
        assert protocol.recipe is not None
        assert all(run.epochs[-1] == protocol.recipe.epochs for run in known.runs)


def test_epochs_rise() -> None:
    """A course in another order is a mistake of a hand."""
    with pytest.raises(RecordError, match="epochs rise"):
        ReferenceRun.parse({"network": "net", "seed": 1, "epochs": [2, 1], "top1": [0.1, 0.2]})
