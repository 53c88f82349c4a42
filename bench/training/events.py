"""What happens in a training, as it happens: one line of JSON an event, in a file that a resumed run continues.

A checkpoint stores `EventLog.position`; the run that resumes from it drops what was written later and goes on, so that
its events are those of a run that was never interrupted, but for the times and the event `restart`. `EVENTS` says
which kinds there are; docs/training.md says what each one holds.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

from bench.errors import RecordError
from bench.files import readable_os_errors

__all__ = ["EVENTS", "Event", "EventLog", "Listener", "read_events"]

EVENTS = {
    "start": "What is trained, how, on what, with which seed.",
    "ready": "Model and data are there; `seconds` from the start.",
    "compile": "The first step, which compiles, is done; `seconds` beyond an ordinary step.",
    "step": "An optimizer step, one in many: loss, learning rate, speed, memory.",
    "epoch": "A pass over the training images.",
    "evaluate": "The network was evaluated; that time is apart.",
    "target": "The protocol's target was reached, and confirmed or not.",
    "checkpoint": "All that a resumed run needs was saved.",
    "skip": "An image was left out, which only some protocols allow.",
    "restart": "A run that was interrupted goes on.",
    "end": "The budget is used up, or the target reached.",
    "failure": "The training failed; there are no weights.",
}
"""Every kind of event."""

Event = Mapping[str, Any]
"""`kind`, `time` (seconds since 1970), and what belongs to the kind; what is not known is null."""
Listener = Callable[[Event], None]
"""Is told of each event after it was written."""


class EventLog:
    """Appends events to a file, a line each, visible to other processes at once.

    Args:
        path: The file, which is begun anew; None writes nothing (the ranks of a distributed run but the first).
        listeners: Whom to tell of each event.
    """

    def __init__(self, path: Path | None, listeners: Iterable[Listener] = ()) -> None:
        self._begin(path, listeners, position=0)

    @classmethod
    def resume(cls, path: Path | None, position: int, listeners: Iterable[Listener] = ()) -> Self:
        """Goes on with a file as it was at a position; what was written later is dropped.

        Raises:
            RecordError: The file is shorter than the position: it is not that of the checkpoint.
        """
        if path is not None:
            size = path.stat().st_size if path.is_file() else 0
            if size < position:
                raise RecordError(
                    f"holds {size:,} bytes, but the checkpoint was made at {position:,}: events are missing; "
                    "restore the file, or train again without --resume",
                    path=path,
                )
        log = cls.__new__(cls)
        log._begin(path, listeners, position)
        return log

    def _begin(self, path: Path | None, listeners: Iterable[Listener], position: int) -> None:
        self.path = path
        self._listeners = tuple(listeners)
        self._file: BinaryIO | None = None
        self.position = position
        """The length of the file, in bytes: what a checkpoint stores."""
        # The steady clock tells times within a process, whatever happens to the clock on the wall.
        self._began_at, self._began = time.time(), time.perf_counter()
        if path is not None:
            with readable_os_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("r+b" if position else "wb", buffering=0)
                self._file.truncate(position)
                self._file.seek(position)

    def emit(self, kind: str, **fields: Any) -> None:
        """Writes an event, and then tells the listeners.

        Args:
            kind: One of `EVENTS`.
            fields: What belongs to the event; numbers that are not finite are written as null.

        Raises:
            StoreError: The disk is full.
        """
        if kind not in EVENTS:
            raise ValueError(f"no such event: {kind!r}")
        now = self._began_at + time.perf_counter() - self._began
        event = {"kind": kind, "time": round(now, 3)} | {name: _plain(value) for name, value in fields.items()}
        if self._file is not None and self.path is not None:
            line = json.dumps(event, separators=(",", ":"), allow_nan=False).encode() + b"\n"
            with readable_os_errors(self.path):
                written = 0
                while written < len(line):
                    written += self._file.write(line[written:]) or 0
            self.position += len(line)
        for listener in self._listeners:
            listener(event)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_events(path: Path) -> list[dict[str, Any]]:
    """The events in a file, in order; a last line that was cut off when the program was killed is left out.

    Raises:
        RecordError: There is no such file, or a line is no event.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RecordError(f"cannot be read ({error.strerror or error})", path=path) from error
    events = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            event = json.loads(line)
        except ValueError as error:
            raise RecordError(f"line {number} is no JSON; `bench train` wrote another", path=path) from error
        if not isinstance(event, dict) or event.get("kind") not in EVENTS or not isinstance(event.get("time"), float):
            raise RecordError(f"line {number} is no event of a training", path=path)
        events.append(event)
    return events


def _plain(value: Any) -> Any:
    """A value as JSON has it: numbers of numpy and torch as plain ones, what is not finite as null."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
