"""Where the chance of an augmentation comes from.

timm and torchvision draw from generators that the whole process shares, so what an image gets depends on which thread
came first. Here the libraries' steps are followed one by one, and each image brings its own source: a `Dice`. In the
tests the sources are the libraries' own generators, and the pixels must come out as theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

__all__ = ["Chance"]


class Chance(Protocol):
    """A source of random numbers."""

    def below(self, end: int) -> int:
        """An integer from 0 to end - 1."""
        ...

    def fraction(self) -> float:
        """A float from 0, included, to 1, excluded."""
        ...

    def normal(self) -> float:
        """A float of mean 0 and standard deviation 1, normally distributed."""
        ...

    def order(self, count: int) -> Iterable[int]:
        """The numbers from 0 to count - 1, shuffled."""
        ...
