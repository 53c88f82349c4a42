"""What a weights file declares: the spans of its tensors, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeGuard

__all__ = ["ITEM_BYTES", "MAX_HEADER_BYTES", "LayoutError", "Span", "are_sizes"]

MAX_HEADER_BYTES = 16 << 20
"""A header of 100,000 tensors has about 10 MB."""
_LARGEST = 1 << 62
ITEM_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "F8_E8M0": 1,
    "I16": 2,
    "U16": 2,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "U32": 4,
    "F32": 4,
    "I64": 8,
    "U64": 8,
    "F64": 8,
}
"""From a number's type, as safetensors writes it, to its size."""


class LayoutError(Exception):
    """What is wrong with a file, and which rule that breaks."""

    def __init__(self, rule: str, message: str) -> None:
        self.rule = rule
        super().__init__(message)


class Span(NamedTuple):
    """A tensor's bytes, or those of the storage that it views."""

    name: str
    dtype: str
    """As safetensors writes it, such as `F32`."""
    start: int
    """The first byte in the file."""
    num_bytes: int


def are_sizes(values: Any) -> TypeGuard[Sequence[int]]:
    """Whether all of them are whole numbers that a size can have."""
    return isinstance(values, list | tuple) and all(type(value) is int and 0 <= value < _LARGEST for value in values)
