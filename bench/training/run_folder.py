"""The folder of a training that is under way, beside the folder that it will leave.

OUT/TEAM/.NAME.training/     events.jsonl, checkpoints/, lock
OUT/TEAM/NAME/               the trained submission, and of the run its events, in training/
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import UsageError
from bench.files import readable_os_errors
from bench.training.events import read_events

__all__ = [
    "CACHE",
    "CHECKPOINTS",
    "EVENTS_FILE",
    "LOCK",
    "RECORDS",
    "has_ended",
    "keep_failed",
    "locked",
    "remove_run",
    "run_folder",
]

EVENTS_FILE = "events.jsonl"
"""The events of a training, in its folder."""
CHECKPOINTS = "checkpoints"
"""The folder of checkpoints, in the folder of a training."""
CACHE = "cache"
"""The folder of downloads that nobody keeps, in the folder of a training."""
RECORDS = "training"
"""Where a trained submission keeps what its training left: the events."""
LOCK = "lock"
"""The file that keeps other processes out."""


def run_folder(folder: Path) -> Path:
    """Where a training is under way that will leave `folder`."""
    return folder.parent / f".{folder.name}.training"


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keeps other processes out of the folder of a training; a killed process leaves no lock behind.

    Raises:
        UsageError: Another process trains there.
        StoreError: The folder cannot be made.
    """
    with readable_os_errors(run):
        run.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(run / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another bench train is at work in {run}; wait for it, or name another --out") from error
        yield
    finally:
        os.close(descriptor)
        if [path.name for path in run.glob("*")] == [LOCK]:  # nothing came of it
            remove_run(run)


def has_ended(run: Path) -> bool:
    """Whether the training in a folder came to its end, so that nothing in it is needed any more."""
    events = run / EVENTS_FILE
    return events.is_file() and any(event["kind"] == "end" for event in read_events(events)[-1:])


def remove_run(run: Path) -> None:
    """Removes the folder of a training that has ended."""
    shutil.rmtree(run, ignore_errors=True)


def keep_failed(run: Path, folder: Path) -> Path:
    """Puts the events and the last checkpoints of a failed training where its submission would be.

    Args:
        run: The folder of the training.
        folder: Where the submission would be; an earlier one is not touched.

    Returns:
        Where they lie.
    """
    kept = folder / RECORDS
    if folder.exists() and any(path != kept for path in folder.iterdir()):
        return run
    with readable_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if kept.exists():  # of a failure before this one
            shutil.rmtree(kept)
        run.rename(kept)
        (kept / LOCK).unlink(missing_ok=True)
    return kept
