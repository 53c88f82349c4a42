"""What parent and child say to each other: fixed binary frames, every length checked before anything is read.

Nothing is ever unpickled. Texts are JSON of bounded length, whose content is checked field by field by its receiver.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, NamedTuple

__all__ = [
    "HEADER_BYTES",
    "MAX_TEXT_BYTES",
    "BatchPlace",
    "Frame",
    "FrameReader",
    "Header",
    "Kind",
    "frame",
    "header",
    "packed",
    "parsed",
    "unpacked",
]

_MAGIC = b"IBf1"
_HEADER = struct.Struct("<4sIIIQ")
HEADER_BYTES = _HEADER.size
MAX_TEXT_BYTES = 64 << 10
"""The longest JSON text in a frame."""
_PLACE = struct.Struct("<QIII")


class Kind(IntEnum):
    """What a frame is about."""

    HELLO = 1
    """From the child, before it touches the submission: its environment and what it sees of its confinement, JSON."""
    PHASE = 2
    """From the child: the submission's next phase begins; which one is its number."""
    READY = 3
    """From the child: the model is there; its parameters and input, JSON."""
    BATCH = 4
    """To the child: batches lie in shared memory, so many rows together."""
    LOGITS = 5
    """From the child: float32, row after row, of all these batches."""
    COST = 6
    """To the child: count multiply-adds at an image size, which is its number."""
    COSTED = 7
    """From the child: JSON with `gmacs` or `error`."""
    SETTINGS = 8
    """To the child: read the settings again."""
    SET = 9
    """From the child: the settings, JSON."""
    FINISH = 10
    """To the child: there is nothing more to do."""
    FINISHED = 11
    """From the child: its last frame."""
    FAILED = 12
    """From the child, at any time: why it ends, JSON."""


class Header(NamedTuple):
    """The fixed part of a frame."""

    kind: int
    """A `Kind`, when it comes from an honest sender."""
    sequence: int
    """Which question this is, or answers."""
    number: int
    """Rows of batches, or the number that the kind says."""
    length: int
    """Bytes of the payload."""


class Frame(NamedTuple):
    """A whole frame."""

    header: Header
    payload: bytearray


class BatchPlace(NamedTuple):
    """Where the pixels of a batch lie."""

    offset: int
    """In bytes from the start of the shared memory."""
    num_rows: int
    height: int
    width: int


def packed(places: Iterable[BatchPlace]) -> bytes:
    """The payload of a `BATCH` frame."""
    return b"".join(_PLACE.pack(*place) for place in places)


def unpacked(payload: bytes | bytearray) -> list[BatchPlace]:
    """The places in such a payload."""
    return [BatchPlace(*fields) for fields in _PLACE.iter_unpack(payload)]


def frame(kind: Kind, sequence: int, number: int = 0, payload: bytes | dict[str, Any] = b"") -> bytes:
    """A frame as bytes; a dict is sent as JSON.

    >>> len(frame(Kind.FINISH, 3)) == HEADER_BYTES
    True
    """
    if isinstance(payload, dict):
        payload = json.dumps(payload).encode()
    return b"".join((header(kind, sequence, number, len(payload)), payload))


def header(kind: Kind, sequence: int, number: int, length: int) -> bytes:
    """The fixed part of a frame whose payload has so many bytes."""
    return _HEADER.pack(_MAGIC, kind, sequence, number, length)


def parsed(payload: bytes | bytearray) -> dict[str, Any]:
    """The JSON object in a payload.

    Raises:
        ValueError: It is no JSON object.
    """
    try:
        value = json.loads(payload)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError(f"{type(value).__name__} instead of an object")
    return value


class FrameReader:
    """Frames from a descriptor that is never waited for.

    Args:
        descriptor: A pipe, non-blocking.
        check: Called with each header before its payload is read; it raises to refuse it.
    """

    def __init__(self, descriptor: int, check: Callable[[Header], None]) -> None:
        self._descriptor = descriptor
        self._check = check
        self._buffer = memoryview(bytearray(HEADER_BYTES))
        self._filled = 0
        self._header: Header | None = None

    @property
    def is_within_a_frame(self) -> bool:
        """Bytes of a frame have come, and others have not."""
        return self._filled > 0 or self._header is not None

    def read(self) -> Frame | None:
        """The next frame, or None while it is not all there.

        Raises:
            EOFError: The other side has closed the pipe.
            ValueError: The bytes are no frame.
        """
        while True:
            while self._filled < len(self._buffer):
                try:
                    count = os.readv(self._descriptor, [self._buffer[self._filled :]])
                except BlockingIOError:
                    return None
                if count == 0:
                    raise EOFError
                self._filled += count
            self._filled = 0
            if self._header is not None:
                whole = Frame(self._header, _owned(self._buffer))
                self._header, self._buffer = None, memoryview(bytearray(HEADER_BYTES))
                return whole
            magic, *fields = _HEADER.unpack(self._buffer)
            if magic != _MAGIC:
                raise ValueError(f"{bytes(magic)!r} where a frame begins")
            header = Header(*fields)
            self._check(header)
            self._header = header
            self._buffer = memoryview(bytearray(header.length))


def _owned(view: memoryview) -> bytearray:
    content = view.obj
    assert isinstance(content, bytearray)  # noqa: S101 - our own invariant
    return content
