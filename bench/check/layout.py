"""Which tensors a weights file declares and where their bytes lie, read from its headers alone.

No tensor is loaded, nothing is unpickled, and what is read stays small whatever a header claims.
"""

from __future__ import annotations

from pathlib import Path

from bench.check.layout_archive import archive_spans
from bench.check.layout_safetensors import safetensors_spans
from bench.check.span import LayoutError, Span

__all__ = ["declared_tensors"]


def declared_tensors(path: Path) -> list[Span]:
    """The spans of a weights file.

    Raises:
        LayoutError: The file breaks L20, L21 or L22.
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(9)
        if start[:2] == b"PK":
            if path.suffix == ".safetensors":
                raise LayoutError("L20", "is an archive of torch.save under the name of a safetensors file; rename it")
            return list(archive_spans(stream, size))
        if start[8:9] == b"{":
            return list(safetensors_spans(stream, size))
    if start[:1] == b"\x80":
        raise LayoutError("L20", "is a bare pickle, which can hold code")
    raise LayoutError("L20", "is neither safetensors nor an archive of torch.save")
