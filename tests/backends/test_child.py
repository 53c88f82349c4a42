"""In which order a child gives batches to its device, and answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from bench.backends.base import Images, ModelSession, PendingLogits
from bench.backends.child import _serve
from bench.sandbox.frames import BatchPlace, Frame, Header, Kind, packed


class _Parent:
    """Has all questions ready, and notes the answers."""

    def __init__(self, events: list[str], questions: Sequence[Frame]) -> None:
        self.events, self.questions = events, deque(questions)
        self.rows: list[bytes] = []

    def has_more(self) -> bool:
        return bool(self.questions)

    def next(self) -> Frame:
        return self.questions.popleft()

    def say(self, kind: Kind, sequence: int, payload: Sequence[Any] = (), number: int = 0) -> None:
        self.events.append(f"{kind.name} {sequence} {number}")
        self.rows.append(b"".join(payload))


class _Device(ModelSession):
    """Answers how many batches came before."""

    def __init__(self, events: list[str]) -> None:
        self.events, self.num_seen = events, 0

    def submit(self, images_NHWC: Images) -> PendingLogits:
        self.events.append(f"submit {len(images_NHWC)}")
        logits_NC = np.full((len(images_NHWC), 2), self.num_seen, np.float32)
        self.num_seen += 1
        return lambda: logits_NC

    def gmacs(self, img_size: int) -> float:
        raise NotImplementedError


class _Slots:
    def pixels(self, place: BatchPlace) -> Images:
        return np.zeros((place.num_rows, place.height, place.width, 3), np.uint8)


def _question(sequence: int, *sizes: int) -> Frame:
    content = packed(BatchPlace(0, size, 1, 1) for size in sizes)
    return Frame(Header(Kind.BATCH, sequence, sum(sizes), len(content)), bytearray(content))


END = Frame(Header(Kind.FINISH, 9, 0, 0), bytearray())


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (0, ["submit 1", "LOGITS 1 1", "submit 2", "LOGITS 2 2", "submit 3", "LOGITS 3 3", "submit 4", "LOGITS 4 4"]),
        (2, ["submit 1", "submit 2", "submit 3", "LOGITS 1 1", "submit 4", "LOGITS 2 2", "LOGITS 3 3", "LOGITS 4 4"]),
    ],
)
def test_a_device_of_its_own_has_the_next_batches_before_the_last_is_fetched(depth: int, expected: list[str]) -> None:
    """The processor has none to wait for, and answers at once."""
    events: list[str] = []
    parent = _Parent(events, [*(_question(number, number) for number in (1, 2, 3, 4)), END])

    _serve(_Device(events), parent, _Slots(), depth=depth)  # type: ignore[arg-type]

    assert events == [*expected, "FINISHED 9 0"]


def test_the_batches_of_a_question_are_answered_together() -> None:
    """Row after row, in their order."""
    events: list[str] = []
    parent = _Parent(events, [_question(1, 2, 1), _question(2, 1, 3), END])

    _serve(_Device(events), parent, _Slots(), depth=0)  # type: ignore[arg-type]

    assert events == ["submit 2", "submit 1", "LOGITS 1 3", "submit 1", "submit 3", "LOGITS 2 4", "FINISHED 9 0"]
    np.testing.assert_array_equal(np.frombuffer(parent.rows[0], np.float32), [0, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(np.frombuffer(parent.rows[1], np.float32), [2, 2, 3, 3, 3, 3, 3, 3])
