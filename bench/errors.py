"""Every foreseeable failure, as one tree.

BenchError                    what a user can repair: printed without a traceback, exit 1
|-- UsageError                a command or name that does not exist, options that exclude each other: exit 2
|-- RecordError               a file that does not hold a valid record: names file and key
|-- DataError                 a dataset that is not what the protocol needs, a file that cannot be decoded
|-- SubmissionError           a submission that cannot be run; its `outcome` goes into the failed record
|   |-- WeightsError          weights that are missing, altered, unsafe, or do not fit the model
|   |-- ModelError            a factory or a forward pass that raises
|   |-- OutputError           logits of a wrong shape
|   |-- NonFiniteError        logits that are NaN or infinite
|   |-- TimeLimitError        a deadline has passed in the process of the submission
|   |-- LimitError            it wanted more memory or processes than it may have
|   |-- CrashError            its process died
|   |-- ChannelError          it sent what no model answers
|   `-- AuditError            answers that an audit does not believe; the figures are in the failed record
|-- PredictionsError          predictions with missing, doubled or unknown sample ids
|-- IsolationError            a level of isolation that cannot be had on this machine
|-- NotVerifiedError          a result that lacks what `verified` needs
|-- NotReproducedError        a stored result that is not what a new run, or its own record, says
|-- DeviceError               a device that is not there, or not large enough
|-- RankError                 another process of a distributed training has ended
|-- RequeueError              a training was told to stop, saved itself and waits to be resumed: exit 75
|-- StoreError                results that cannot be found, read or written
`-- ChallengeError            what a challenge's rules do not allow, or a team, key or archive that they do not know
    `-- LedgerError           a ledger that is broken, held by another process, or cannot be written

Anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

__all__ = [
    "AuditError",
    "BenchError",
    "ChannelError",
    "CrashError",
    "DataError",
    "DeviceError",
    "IsolationError",
    "LedgerError",
    "LimitError",
    "ModelError",
    "NonFiniteError",
    "NotReproducedError",
    "NotVerifiedError",
    "OutputError",
    "PredictionsError",
    "RankError",
    "RecordError",
    "RequeueError",
    "StoreError",
    "SubmissionError",
    "TimeLimitError",
    "UsageError",
    "WeightsError",
    "nearest",
]


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name: its nearest known names, or all of them when they are few.

    >>> nearest("top-1", ["top1", "top5", "ece"])
    'did you mean top1, top5? Known: ece, top1, top5'
    """
    names = sorted(set(known))
    if not names:
        return "none exist"
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    suggestion = f"did you mean {', '.join(close)}? " if close else ""
    if len(names) <= 20:
        return f"{suggestion}Known: {', '.join(names)}"
    return suggestion.strip() or f"there are {len(names)} known names, for example {', '.join(names[:5])}"


class BenchError(Exception):
    """A failure that the user can repair.

    Args:
        message: What is wrong, with the value found and what to do.
        path: The file it is about, shown in front.
        key: The key in that file, shown behind the path.
    """

    exit_code: ClassVar[int] = 1
    outcome: ClassVar[str] = "internal_error"
    """The name of this kind of failure in a failed result (see `Failure.outcome`)."""

    def __init__(self, message: str, *, path: Path | str | None = None, key: str | None = None) -> None:
        self.message = message
        self.path = path
        self.key = key
        self.log: tuple[str, ...] = ()
        """The last lines that the process of a submission printed; they go into the failed record."""
        super().__init__(": ".join(str(part) for part in (path, key, message) if part is not None))


class UsageError(BenchError):
    """The command line asks for something that does not exist or cannot be."""

    exit_code = 2


class RecordError(BenchError):
    """A file does not hold a valid record."""

    outcome = "lint_error"


class DataError(BenchError):
    """A dataset is not what the protocol needs."""

    outcome = "data_error"


class SubmissionError(BenchError):
    """A submission cannot be run."""

    outcome = "lint_error"


class WeightsError(SubmissionError):
    """Weights are missing, altered, unsafe, or do not fit the model."""

    outcome = "load_error"


class ModelError(SubmissionError):
    """The submission's own code raised, or returned something that is not a model."""

    outcome = "import_error"


class OutputError(SubmissionError):
    """The model's logits have the wrong shape."""

    outcome = "shape_error"


class NonFiniteError(SubmissionError):
    """The model's logits hold NaN or infinity."""

    outcome = "nonfinite"


class AuditError(SubmissionError):
    """An audit of the evaluation failed."""

    outcome = "audit_fail"


class PredictionsError(SubmissionError):
    """Predictions lack, double or invent sample ids, or hold what is no class."""

    outcome = "protocol_error"


class TimeLimitError(SubmissionError):
    """A deadline has passed in the process of the submission."""

    outcome = "timeout"


class LimitError(SubmissionError):
    """The submission wanted more memory, processes or disk than it may have."""

    outcome = "limit"


class CrashError(SubmissionError):
    """The process of the submission died."""

    outcome = "crash"


class ChannelError(SubmissionError):
    """The process of the submission sent what no model answers."""

    outcome = "protocol_error"


class IsolationError(BenchError):
    """A level of isolation cannot be had on this machine."""


class NotVerifiedError(BenchError):
    """A maintainer's run lacks what a verified result needs; see `docs/verification.md`."""


class NotReproducedError(BenchError):
    """A stored result is not what its record says, or cannot be run again as it was."""


class DeviceError(BenchError):
    """The device is not there, or its memory is too small."""

    outcome = "oom_device"


class RankError(BenchError):
    """Another process of a distributed training has ended."""


class RequeueError(BenchError):
    """A training was told to stop, has saved itself and waits to be resumed (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75


class StoreError(BenchError):
    """Results cannot be found, read or written."""


class ChallengeError(BenchError):
    """The rules of a challenge do not allow it, or they do not know this team, key or archive."""

    outcome = "lint_error"


class LedgerError(ChallengeError):
    """A ledger is broken, held by another process, or cannot be written."""

    outcome = "internal_error"
