"""Rules for weights (L20 to L23), without loading them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.check.layout import declared_tensors
from bench.check.rule import Finding, finding
from bench.check.span import LayoutError, Span

__all__ = ["look_at_weights"]

_CHUNK = 4 << 20
# Bits of the exponent: all of them set means infinity or NaN.
_EXPONENTS: dict[str, tuple[np.dtype[Any], int]] = {
    "F16": (np.dtype("<u2"), 0x7C00),
    "BF16": (np.dtype("<u2"), 0x7F80),
    "F32": (np.dtype("<u4"), 0x7F800000),
    "F64": (np.dtype("<u8"), 0x7FF0000000000000),
}


def look_at_weights(path: Path) -> Iterator[Finding]:
    """Breaches of L20 to L23 in a weights file; the first one ends the look.

    Args:
        path: A safetensors file or an archive of torch.save.
    """
    try:
        spans = declared_tensors(path)
        if not spans:
            yield finding("L20", "holds no tensors", path)
        if (name := _non_finite(path, spans)) is not None:
            yield finding("L23", f"tensor {name!r} holds NaN or infinity", path)
    except LayoutError as fault:
        yield finding(fault.rule, str(fault), path)
    except OSError as error:
        yield finding("L20", f"cannot be read ({error.strerror or error})", path)


def _non_finite(path: Path, spans: list[Span]) -> str | None:
    """The first tensor whose bytes hold a number that is not finite, or None; reads in blocks of 4 MiB."""
    with path.open("rb") as stream:
        for (start, dtype), same in itertools.groupby(spans, key=lambda span: (span.start, span.dtype)):
            span = next(same)  # tensors that share a storage are read once
            if dtype not in _EXPONENTS:
                continue
            kind, exponent = _EXPONENTS[dtype]
            stream.seek(start)
            left = span.num_bytes
            while left:
                block = stream.read(min(left, _CHUNK))
                if len(block) % kind.itemsize or not block:
                    raise LayoutError("L20", f"ends within the tensor {span.name!r}")
                bits_N = np.frombuffer(block, kind)
                if bool(((bits_N & exponent) == exponent).any()):
                    return span.name
                left -= len(block)
    return None
