"""What a child may say next, and how long it may take."""

from __future__ import annotations

import pytest

from bench.errors import BenchError, ModelError, TimeLimitError
from bench.sandbox.dialogue import Dialogue, Request
from bench.sandbox.frames import MAX_TEXT_BYTES, Frame, Header, Kind
from bench.sandbox.limits import Limits

LIMITS = Limits(start_s=1, import_s=2, load_s=3, first_batch_s=4, batch_s=5, shutdown_s=6, busy_s=100)
BATCHES = Request(
    kind=Kind.BATCH, answer=Kind.LOGITS, phase="batches 1 to 3", num_batches=3, number=6, count=6, length=24
)


class _Clock:
    """The parent's clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """A clock that the test sets."""
    clock = _Clock()
    monkeypatch.setattr("bench.sandbox.dialogue.time", clock)
    return clock


def _failure(said: dict[str, object]) -> BenchError:
    return ModelError(str(said["message"]))


def _say(dialogue: Dialogue, kind: Kind, sequence: int, number: int = 0, payload: bytes = b"") -> None:
    header = Header(kind, sequence, number, len(payload))
    dialogue.check(header)
    dialogue.take(Frame(header, bytearray(payload)))


@pytest.fixture
def ready(clock: _Clock) -> Dialogue:
    """A child whose model is there."""
    dialogue = Dialogue(LIMITS, _failure)
    _say(dialogue, Kind.HELLO, 0, payload=b"{}")
    _say(dialogue, Kind.READY, 1, payload=b"{}")
    return dialogue


def test_each_phase_has_its_deadline(clock: _Clock) -> None:
    """It counts from the phase's beginning."""
    dialogue = Dialogue(LIMITS, _failure)
    left = [dialogue.seconds_left()]
    _say(dialogue, Kind.HELLO, 0, payload=b"{}")
    for number in (1, 2):
        clock.now += 0.5
        _say(dialogue, Kind.PHASE, 1, number)
        left.append(dialogue.seconds_left())

    assert left == [1, 2, 3]
    clock.now += 3
    with pytest.raises(TimeLimitError, match=r"no answer within 3 s \(phase: load, batches answered: 0\)"):
        dialogue.seconds_left()


def test_nothing_asked_is_no_deadline(ready: Dialogue, clock: _Clock) -> None:
    """However long it takes: the parent decodes."""
    clock.now += 1e6

    assert ready.seconds_left() == float("inf")


def test_the_time_of_a_question_begins_with_it_or_with_the_answer_before(ready: Dialogue, clock: _Clock) -> None:
    """The child cannot begin earlier; its busy time is the sum."""
    clock.now += 50
    first, second = ready.ask(BATCHES), ready.ask(BATCHES)
    clock.now += 3
    assert ready.seconds_left() == 1
    _say(ready, Kind.LOGITS, first.sequence, 6, bytes(24))
    clock.now += 4
    _say(ready, Kind.LOGITS, second.sequence, 6, bytes(24))

    assert (first.seconds, second.seconds) == (3, 4)
    assert ready.doing() == "phase: after an answer, batches answered: 6"


def test_later_batches_have_twenty_times_the_median(ready: Dialogue, clock: _Clock) -> None:
    """Where that is longer than their limit, and never more than all is allowed."""
    question = ready.ask(BATCHES)
    clock.now += 2
    _say(ready, Kind.LOGITS, question.sequence, 6, bytes(24))
    ready.ask(BATCHES)
    assert ready.seconds_left() == 40
    clock.now += 40
    with pytest.raises(TimeLimitError, match="part of an answer came"):
        ready.seconds_left(is_within_a_frame=True)


def test_all_answers_together_have_a_limit(ready: Dialogue, clock: _Clock) -> None:
    """A child that is always just in time is stopped by it."""
    for _ in range(33):
        question = ready.ask(BATCHES)
        clock.now += 3
        _say(ready, Kind.LOGITS, question.sequence, 6, bytes(24))
    ready.ask(BATCHES)

    assert ready.seconds_left() == pytest.approx(1)


def test_after_the_last_word_the_child_may_only_end(ready: Dialogue, clock: _Clock) -> None:
    """Within its seconds, and in silence."""
    question = ready.ask(Request(kind=Kind.FINISH, answer=Kind.FINISHED, phase="end", length=0))
    assert ready.seconds_left() == 6
    _say(ready, Kind.FINISHED, question.sequence)

    assert ready.is_finished
    for kind in (Kind.FINISHED, Kind.FAILED):
        with pytest.raises(ValueError, match="nobody asked for"):
            ready.check(Header(kind, question.sequence, 0, 0))


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (Header(Kind.LOGITS, 3, 6, 24), "LOGITS number 3, expected LOGITS number 2"),
        (Header(Kind.SET, 2, 6, 24), "SET number 2, expected LOGITS number 2"),
        (Header(Kind.LOGITS, 2, 5, 24), "LOGITS of 5 rows, expected 6"),
        (Header(Kind.LOGITS, 2, 6, 23), "LOGITS of 23 bytes, expected 24"),
        (Header(Kind.PHASE, 2, 1, 0), "PHASE number 2, expected LOGITS"),
        (Header(77, 2, 6, 24), "kind 77 number 2, expected LOGITS"),
        (Header(Kind.FAILED, 0, 0, MAX_TEXT_BYTES + 1), "FAILED number 0, expected LOGITS"),
    ],
)
def test_only_the_next_answer_is_taken(ready: Dialogue, header: Header, why: str) -> None:
    """Its kind, number, rows and bytes are known before its payload is read."""
    ready.ask(BATCHES)

    with pytest.raises(ValueError, match=why):
        ready.check(header)


def test_phases_only_go_forward(clock: _Clock) -> None:
    """A child cannot begin its import again, to have more time."""
    dialogue = Dialogue(LIMITS, _failure)
    _say(dialogue, Kind.HELLO, 0, payload=b"{}")
    _say(dialogue, Kind.PHASE, 1, 2)

    for number in (0, 1, 2, 3):
        with pytest.raises(ValueError, match=f"phase {number} after 2"):
            dialogue.check(Header(Kind.PHASE, 1, number, 0))


def test_a_child_may_say_that_it_failed_at_any_time(ready: Dialogue) -> None:
    """Then that is why it ends."""
    ready.ask(BATCHES)

    with pytest.raises(ModelError, match="no memory for this"):
        _say(ready, Kind.FAILED, 0, payload=b'{"message": "no memory for this"}')
