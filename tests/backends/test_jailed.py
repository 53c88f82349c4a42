"""Turns of parent and child, where the model wants every core."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.backends import BACKENDS
from bench.backends.base import PendingLogits, RunSpec
from bench.backends.jailed import _turn_size
from bench.errors import ModelError
from bench.models.source import open_submission
from bench.sandbox.frames import BatchPlace
from bench.sandbox.memory import NUM_SLOTS

SMALL = BatchPlace(0, 8, 32, 32)
LARGE = BatchPlace(0, 256, 224, 224)
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
    ("places", "seconds", "size"),
    [
        ([SMALL], 0.001, NUM_SLOTS),
        ([SMALL], 0.0, NUM_SLOTS),
        ([SMALL] * 4, 0.16, 2),
        ([SMALL], 0.09, 1),
        ([SMALL] * NUM_SLOTS, 60.0, 1),
        ([LARGE], 0.001, 1),
    ],
)
def test_a_turn_is_as_many_batches_as_take_a_tenth_of_a_second(
    places: list[BatchPlace], seconds: float, size: int
) -> None:
    """At least one, no more than there are slots, and few bytes."""
    assert _turn_size(places, seconds) == size


class TestTurns:
    """A session whose child is given several batches together."""

    @pytest.fixture
    def spec(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunSpec:
        """How the model is run, as if it had a thread for every core."""
        monkeypatch.setattr("bench.backends.jailed.wants_every_core", lambda *_: True)
        return RunSpec(device="cpu", precision="fp32", num_classes=1000, cache_folder=tmp_path / "cache")

    def test_every_batch_gets_its_own_rows(self, spec: RunSpec, make_submission: Callable[..., Path]) -> None:
        """Of whatever sizes they are, though their memory is used again at once."""
        made = make_submission(CODE, more="[input]\nimg_size = 8\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n")
        in_flight: deque[PendingLogits] = deque()
        found, most_ahead, levels = [], 0, [(7 * at) % 255 for at in range(200)]
        with BACKENDS["process"]().start(open_submission(str(made)), spec) as session:
            for at, level in enumerate(levels):
                in_flight.append(session.submit(np.full((1 + at % 3, 8, 8, 3), level, np.uint8)))
                most_ahead = max(most_ahead, session.num_ahead)
                if len(in_flight) > session.num_ahead:
                    found.append(in_flight.popleft()())
            found += [wait() for wait in in_flight]
            session.finish()

        assert most_ahead == NUM_SLOTS - 1
        assert [len(logits_NC) for logits_NC in found] == [1 + at % 3 for at in range(200)]
        for level, logits_NC in zip(levels, found, strict=True):
            np.testing.assert_allclose(logits_NC, level / 255, atol=1e-6)

    def test_a_batch_that_fails_fails_all_that_wait(self, spec: RunSpec, make_submission: Callable[..., Path]) -> None:
        """Each of them with the model's own error, in its turn or after it."""
        made = make_submission(CODE, more="[input]\nimg_size = 8\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n")
        with BACKENDS["process"]().start(open_submission(str(made)), spec) as session:
            for _ in range(20):
                session.logits(np.zeros((1, 8, 8, 3), np.uint8))
            waiting = [session.submit(np.full((1, 8, 8, 3), level, np.uint8)) for level in (1, 255, 2, 3)]
            for wait in waiting:
                with pytest.raises(ModelError, match="white"):
                    wait()
