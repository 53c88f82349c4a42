"""Random integers that belong to a name: the same on every machine, in every process, in any order of use."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt

__all__ = ["Dice"]


class Dice:
    """A stream of random integers that belongs to a name.

    PCG64 (O'Neill 2014) seeded with the sha256 of the name; numpy keeps its raw stream the same in all versions
    (NEP 19), which it does not promise for the distributions.

    Args:
        name: For example `0/train/n99000001/17`: seed, purpose and what the chance is about.
    """

    def __init__(self, name: str) -> None:
        digest = hashlib.sha256(name.encode(errors="surrogateescape")).digest()
        self._stream = np.random.PCG64(int.from_bytes(digest, "little"))

    def below(self, end: int) -> int:
        """An integer from 0 to end - 1."""
        return int(self._stream.random_raw()) % end

    def between(self, first: int, last: int) -> int:
        """An integer from first to last, both included."""
        return first + self.below(last - first + 1)

    def fraction(self) -> float:
        """A float from 0, included, to 1, excluded, with 53 random bits."""
        return self.below(1 << 53) / (1 << 53)

    def normal(self) -> float:
        """A float of mean 0 and standard deviation 1, normally distributed (Box, Muller 1958)."""
        radius = math.sqrt(-2 * math.log(1 - self.fraction()))
        return radius * math.cos(2 * math.pi * self.fraction())

    def bytes(self, *shape: int) -> npt.NDArray[np.uint8]:
        """An array of random bytes, uint8 of the given shape."""
        count = int(np.prod(shape))
        words = np.asarray(self._stream.random_raw((count + 7) // 8), dtype="<u8")
        return words.view(np.uint8)[:count].reshape(shape)

    def order(self, count: int) -> npt.NDArray[np.int64]:
        """The numbers from 0 to count - 1, shuffled, int64 (count,)."""
        return np.argsort(np.asarray(self._stream.random_raw(count)), kind="stable")
