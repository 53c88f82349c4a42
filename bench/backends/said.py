"""What a child says of itself and its model, checked field by field: it may be anything that JSON can hold."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from bench.errors import ChannelError, ModelError
from bench.records.result import Scalar
from bench.sandbox.frames import parsed
from bench.sandbox.printed import harmless

__all__ = ["gmacs_of", "notes_of", "num_params_of", "object_of", "scalars_of"]

_MAX_NOTES = 20
_MAX_PARAMETERS = 10**13
_MAX_GMACS = 1e9
"""A million times those of the largest models: below it no product of theirs overflows."""
_MAX_SCALARS = 100
_MAX_WHOLE = 2**53
"""Whole numbers up to here are exact wherever JSON is read."""
_NAME = re.compile(r"[A-Za-z0-9_.]{1,80}")
_MAX_TEXT = 200


def object_of(payload: bytes | bytearray) -> dict[str, Any]:
    """The JSON object in an answer.

    Raises:
        ChannelError: It is none.
    """
    try:
        return parsed(payload)
    except ValueError as error:
        raise ChannelError(f"its process sent no valid text: {error}") from error


def num_params_of(ready: Mapping[str, Any]) -> int:
    """How many parameters the model has.

    Raises:
        ChannelError: The field is missing, or no number of parameters.
    """
    value = ready.get("num_params")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_PARAMETERS:
        raise ChannelError(f"its process says num_params is {_shown(value)}")
    return value


def notes_of(ready: Mapping[str, Any]) -> tuple[str, ...]:
    """What a reader should know about how the model was built: the first notes, made harmless.

    Raises:
        ChannelError: The field is missing, or no list of texts.
    """
    value = ready.get("notes")
    if not isinstance(value, list) or not all(isinstance(note, str) for note in value):
        raise ChannelError(f"its process says notes are {_shown(value)}, expected a list of texts")
    return tuple(harmless(note) for note in value[:_MAX_NOTES])


def gmacs_of(costed: Mapping[str, Any]) -> float:
    """Multiply-adds, in units of 10^9.

    Raises:
        ModelError: The child says why they cannot be counted.
        ChannelError: It is no such number, and no such reason.
    """
    if isinstance(reason := costed.get("error"), str):
        raise ModelError(harmless(reason))
    value = costed.get("gmacs")
    # Compared before anything is computed: a whole number may be too large for a float, and NaN is below nothing.
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _MAX_GMACS:
        raise ChannelError(f"its process says the multiply-adds are {_shown(value)}")
    return float(value)


def scalars_of(told: object, what: str) -> dict[str, Scalar]:
    """The plain values of an object by name; texts are ASCII, and made harmless.

    Args:
        told: What the child says.
        what: Its name, for messages.

    Raises:
        ChannelError: It is no object of few plain values.
    """
    if not isinstance(told, dict) or len(told) > _MAX_SCALARS:
        raise ChannelError(f"its process says {what} is {_shown(told)}, expected at most {_MAX_SCALARS} plain values")
    found: dict[str, Scalar] = {}
    for name, value in told.items():
        if not _NAME.fullmatch(name) or not _is_plain(value):
            raise ChannelError(f"its process says {harmless(name, 40)} of {what} is {_shown(value)}")
        found[name] = harmless(value, _MAX_TEXT) if isinstance(value, str) else value
    return found


def _is_plain(value: object) -> bool:
    if isinstance(value, int):  # a bool is one, and small
        return abs(value) <= _MAX_WHOLE
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, str) and value.isascii())


def _shown(value: object) -> str:
    """A wrong value for a message; a list or an object by its kind, for it may be nested too deeply to be printed."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value):,}"
    if isinstance(value, int) and abs(value) > _MAX_WHOLE:
        return f"a whole number of {value.bit_length():,} bits"
    return harmless(repr(value), 40)
