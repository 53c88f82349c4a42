"""Turns of parent and child, where the model wants every core."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.backends import BACKENDS
from bench.backends.base import PendingLogits, RunSpec
from bench.backends.jailed import _turn_size
from bench.errors import DeviceError, ModelError
from bench.models.source import LoadedSubmission, open_submission
from bench.sandbox.dialogue import Question, Request
from bench.sandbox.keeper import Keeper

# Answers the mean of an image's pixels; the image whose pixels are all 255 is one too many.
CODE = """
from torch import nn


class Mean(nn.Module):
    def forward(self, images):
        means = images.flatten(1).mean(1, keepdim=True)
        if (means == 1).any():
            raise ValueError("white")
        return means.expand(-1, 1000)


def build_model():
    return Mean()
"""


@pytest.mark.parametrize(
    ("rows_a_turn", "num_rows", "num_bytes", "size"),
    [
        (1e6, 8, 24576, 16),
        (20, 8, 24576, 2),
        (7, 8, 24576, 1),
        (0, 8, 24576, 1),
        (1e6, 256, 256 * 224 * 224 * 3, 1),
        (1e6, 32, 32 * 224 * 224 * 3, 6),
    ],
)
def test_a_turn_is_as_many_batches_as_its_time_and_its_memory_allow(
    rows_a_turn: float, num_rows: int, num_bytes: int, size: int
) -> None:
    """At least one, and no more than sixteen."""
    assert _turn_size(rows_a_turn, num_rows, num_bytes) == size


class TestTurns:
    """A session whose child is given several batches together."""

    @pytest.fixture
    def spec(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunSpec:
        """How the model is run, as if it had a thread for every core."""
        monkeypatch.setattr("bench.backends.jailed.wants_every_core", lambda *_: True)
        return RunSpec(device="cpu", precision="fp32", num_classes=1000, cache_folder=tmp_path / "cache")

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The number of batches of each question."""
        ask, asked = Keeper.ask, []

        def noted(keeper: Keeper, request: Request) -> Question:
            asked.append(request.num_batches)
            return ask(keeper, request)

        monkeypatch.setattr(Keeper, "ask", noted)
        return asked

    @pytest.fixture
    def made(self, make_submission: Callable[..., Path]) -> LoadedSubmission:
        """The submission."""
        more = "[input]\nimg_size = 8\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n"
        return open_submission(str(make_submission(CODE, more=more)))

    @pytest.mark.parametrize("audited", [False, True])
    def test_every_batch_gets_its_own_rows(
        self, spec: RunSpec, made: LoadedSubmission, asked: list[int], audited: bool
    ) -> None:
        """Of whatever sizes they are, though their memory is used again; an audit's question is like all others."""
        in_flight: deque[PendingLogits] = deque()
        found, levels = [], [(7 * at) % 255 for at in range(200)]
        with BACKENDS["process"]().start(made, replace(spec, audited=audited)) as session:
            for at, level in enumerate(levels):
                in_flight.append(session.submit(np.full((1 + at % 3, 8, 8, 3), level, np.uint8)))
                while len(in_flight) > session.num_ahead:
                    found.append(in_flight.popleft()())
            found += [wait() for wait in in_flight]
            session.finish()

        assert session.num_ahead == 0 or not audited
        assert max(asked) == (1 if audited else 16)
        assert sum(asked) == 200
        assert [len(logits_NC) for logits_NC in found] == [1 + at % 3 for at in range(200)]
        for level, logits_NC in zip(levels, found, strict=True):
            np.testing.assert_allclose(logits_NC, level / 255, atol=1e-6)

    def test_a_batch_that_fails_fails_its_whole_turn(self, spec: RunSpec, made: LoadedSubmission) -> None:
        """Each batch with the model's own error, and whatever is asked later."""
        with BACKENDS["process"]().start(made, spec) as session:
            session.logits(np.zeros((1, 8, 8, 3), np.uint8))
            session._rows_a_turn = 4.0  # type: ignore[attr-defined]
            waiting = [session.submit(np.full((1, 8, 8, 3), level, np.uint8)) for level in (1, 255, 2, 3)]
            for wait in waiting:
                with pytest.raises(ModelError, match="white"):
                    wait()
            with pytest.raises(ModelError, match="white"):
                session.submit(np.zeros((1, 8, 8, 3), np.uint8))

    def test_a_batch_that_has_no_room_is_refused(
        self, spec: RunSpec, made: LoadedSubmission, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before it is written; the child is not asked about nothing."""
        monkeypatch.setattr("bench.sandbox.memory.SLOT_BYTES", 1000)
        with BACKENDS["process"]().start(made, spec) as session:
            with pytest.raises(DeviceError, match="use a smaller --batch-size"):
                session.submit(np.zeros((6, 8, 8, 3), np.uint8))
            session.logits(np.zeros((5, 8, 8, 3), np.uint8))
            session.finish()
