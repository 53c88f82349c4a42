"""Correctness bits: which images a run got right, 12.5 KB at 50,000 images, so that paired tests need only a clone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.errors import RecordError

__all__ = ["Correctness"]


class Correctness(NamedTuple):
    """Whether each image is right, in the canonical order of the sample ids, shape (N,)."""

    top1_N: npt.NDArray[np.bool_]
    """The first answer is right."""
    top5_N: npt.NDArray[np.bool_]
    """One of the first five answers is right."""

    def to_bytes(self) -> bytes:
        """The content of a `.bits` file: the top-1 bits, then the top-5 bits, each padded to whole bytes with zeros.

        Bit 7 of the first byte is the first sample.
        """
        return np.packbits(self.top1_N).tobytes() + np.packbits(self.top5_N).tobytes()

    @classmethod
    def from_bytes(cls, content: bytes, num_samples: int) -> Correctness:
        """The bits of a file that `to_bytes` made.

        Raises:
            RecordError: The content has not the length that `num_samples` images need.
        """
        half = (num_samples + 7) // 8
        if len(content) != 2 * half:
            raise RecordError(f"has {len(content)} bytes, {num_samples:,} images need {2 * half}")
        top1_N, top5_N = (
            np.unpackbits(np.frombuffer(part, np.uint8), count=num_samples).astype(bool)
            for part in (content[:half], content[half:])
        )
        return cls(top1_N, top5_N)
