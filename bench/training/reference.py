"""Reference convergence: whether a training learned faster than is plausible.

MLPerf compares a run with reference runs of the very same network and flags it beyond their spread. Here every entry
brings its own network, and a better one may well learn faster; so only what is faster than every stored reference run
by a factor is named, and named as a question: other weights at the start, other data, or test images among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.records.reference import ReferenceRun, ReferenceRuns
from bench.records.result import Result
from bench.records.training import Attempt, Attempts

__all__ = ["FACTOR", "convergence_faults", "epochs_to", "load_references", "references_of"]

FACTOR = 2.0
"""So many times faster than the fastest reference run is implausible under one recipe: between LeNet-5 and a residual
network, 17 years of work apart, it is about this."""
_LEVELS = (0.5, 0.75, 0.9)
"""Shares of what the best reference run reached at its end."""
_LEAST_EPOCHS = 2.0
"""Below this a reference run tells too little: whole epochs pass between two evaluations."""
_FOLDER = Path(__file__).resolve().parents[1] / "protocols"


class _Course(NamedTuple):
    """Accuracy over epochs."""

    epochs: Sequence[float]
    top1: Sequence[float]


def references_of(protocol: str) -> Path:
    """Where the reference runs of a protocol lie, if there are any."""
    return _FOLDER / f"{protocol}.references.json"


def load_references(protocol: str, digest: str | None) -> ReferenceRuns | None:
    """The reference runs of a protocol's very text, or None where there are none.

    Raises:
        RecordError: The file is broken.
    """
    path = references_of(protocol)
    if not path.is_file():
        return None
    found = ReferenceRuns.load(path)
    return found if found.protocol_digest == digest else None


def convergence_faults(result: Result, attempts: Attempts | None, references: ReferenceRuns | None = None) -> list[str]:
    """What is implausible about how fast a training learned, a sentence an attempt; nothing without reference runs.

    Args:
        result: A result of a training protocol.
        attempts: What lies beside it.
        references: What to compare with; None for those that are stored for the result's protocol.
    """
    known = references or load_references(result.protocol.id, result.protocol.digest)
    if attempts is None or known is None:
        return []
    return [fault for attempt in attempts.attempts if (fault := _fault(attempt, known)) is not None]


def epochs_to(level: float, course: _Course) -> float | None:
    """After how many epochs a level was reached first, between two evaluations on a straight line; None for never.

    >>> epochs_to(0.4, _Course([2, 4], [0.2, 0.6]))
    3.0
    """
    before_epoch, before_top1 = 0.0, 0.0
    for epoch, top1 in zip(course.epochs, course.top1, strict=True):
        if top1 >= level:
            return before_epoch + (epoch - before_epoch) * (level - before_top1) / (top1 - before_top1)
        before_epoch, before_top1 = float(epoch), top1
    return None


def _fault(attempt: Attempt, known: ReferenceRuns) -> str | None:
    """The level at which an attempt is most ahead of every reference run, where it is too far ahead."""
    points = [(point.epoch, point.top1) for point in attempt.curve if point.top1 is not None and point.epoch > 0]
    own = _Course([epoch for epoch, _ in points], [top1 for _, top1 in points])
    worst: tuple[float, str] | None = None
    for share in _LEVELS:
        level = share * max(run.top1[-1] for run in known.runs)
        fastest = _fastest(level, known)
        reached = epochs_to(level, own)
        if fastest is None or reached is None or fastest[0] < _LEAST_EPOCHS:
            continue
        ratio = fastest[0] / max(reached, 1e-9)
        if ratio > FACTOR and (worst is None or ratio > worst[0]):
            words = (
                f"attempt {attempt.number} reached {100 * level:.1f}% top-1 after {reached:.1f} epochs; the fastest of "
                f"{len(known.runs)} reference runs, {fastest[1].network}, needed {fastest[0]:.1f}: look for other "
                "weights at the start, more data, or test images among the training images"
            )
            worst = ratio, words
    return None if worst is None else worst[1]


def _fastest(level: float, known: ReferenceRuns) -> tuple[float, ReferenceRun] | None:
    reached = [
        (epochs, run) for run in known.runs if (epochs := epochs_to(level, _Course(run.epochs, run.top1))) is not None
    ]
    return min(reached, key=lambda pair: pair[0], default=None)
