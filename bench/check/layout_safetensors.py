"""The header of a safetensors file: every byte of the data belongs to one tensor, and no tensor has more."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from typing import IO

from bench.check.span import ITEM_BYTES, MAX_HEADER_BYTES, LayoutError, Span, are_sizes

__all__ = ["safetensors_spans"]


def safetensors_spans(stream: IO[bytes], size: int) -> Iterator[Span]:
    """The spans of a safetensors file, in the order of their bytes.

    Args:
        stream: The file.
        size: Its size in bytes.

    Raises:
        LayoutError: The header breaks L20 or L22.
    """
    stream.seek(0)
    (length,) = struct.unpack("<Q", stream.read(8))
    if length > min(MAX_HEADER_BYTES, size - 8):
        raise LayoutError("L20", f"declares a header of {length:,} bytes in a file of {size:,}")
    entries = _header(stream.read(length))
    expected = 0
    for name, dtype, shape, (begin, end) in sorted(entries, key=lambda entry: entry[3]):
        declared = math.prod(shape) * ITEM_BYTES[dtype]
        if declared > size:
            raise LayoutError("L22", f"tensor {name!r} of shape {shape} declares more than the file of {size:,} bytes")
        if declared != end - begin:
            raise LayoutError("L20", f"tensor {name!r} of shape {shape} has {end - begin:,} bytes, not {declared:,}")
        if begin != expected:
            fault = "shares bytes with another one" if begin < expected else "leaves bytes before it unused"
            raise LayoutError("L22" if begin < expected else "L20", f"tensor {name!r} {fault}")
        expected = end
        yield Span(name, dtype, 8 + length + begin, end - begin)
    if 8 + length + expected != size:
        raise LayoutError("L20", f"has {size:,} bytes, but its header describes {8 + length + expected:,}")


def _header(content: bytes) -> list[tuple[str, str, tuple[int, ...], tuple[int, int]]]:
    try:
        pairs = json.loads(content, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise LayoutError("L20", f"has a header that is not valid JSON ({error})") from error
    if not isinstance(pairs, list) or len({name for name, _ in pairs}) != len(pairs):
        raise LayoutError("L20", "has a header that names a tensor twice")
    entries = []
    for name, value in pairs:
        if name == "__metadata__":
            continue
        found = dict(value) if isinstance(value, list) and all(isinstance(item, tuple) for item in value) else {}
        dtype, shape, offsets = found.get("dtype"), found.get("shape"), found.get("data_offsets")
        if (
            not isinstance(dtype, str)
            or dtype not in ITEM_BYTES
            or not are_sizes(shape)
            or not are_sizes(offsets)
            or len(offsets) != 2
            or len(shape) > 64
        ):
            raise LayoutError("L20", f"describes the tensor {name!r} in no known way")
        entries.append((name, dtype, tuple(shape), (offsets[0], offsets[1])))
    return entries
