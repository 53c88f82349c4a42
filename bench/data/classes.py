"""Class tables: which output index is which class, by WNID or folder, and which id the development kit gives it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from bench.errors import UsageError, nearest
from bench.files import digest_of

__all__ = ["ClassTable", "class_table", "folder_table", "is_wnid"]

_IMAGENET = Path(__file__).resolve().parent / "imagenet_classes.tsv"
_SHAPES = re.compile(r"shapes([1-9]\d*)")
_SHAPES_RANGE = range(2, 101)
_WNID = re.compile(r"n\d{8}")
_FOLDERS = re.compile(r"folders([1-9]\d*)-[0-9a-f]{8}")
# In the order of Krizhevsky 2009 (www.cs.toronto.edu/~kriz/cifar.html), which is that of the alphabet.
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def is_wnid(text: str) -> bool:
    """Whether `text` has the form of a WordNet id of a noun: `n` and eight digits.

    >>> is_wnid("n01440764"), is_wnid("0")
    (True, False)
    """
    return _WNID.fullmatch(text) is not None


@dataclass(frozen=True)
class ClassTable:
    """The classes of a dataset; position in the three tuples is the class index that models answer with."""

    name: str
    """`imagenet-1k`, `cifar10`, `shapesN` for a synthetic set of N classes, or `foldersN-<digest>`."""
    wnids: tuple[str, ...]
    """WordNet ids, in alphabetical order; of datasets without such ids the names of the class folders."""
    names: tuple[str, ...]
    """What people read; never a key, names may repeat."""
    ilsvrc_ids: tuple[int, ...]
    """The development kit's id of each class, 1 to the number of classes, in no order; in their order where there is
    no kit."""

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.wnids)

    def index_of_wnid(self, wnid: str) -> int | None:
        """The class index of a WordNet id; None when it is not one of these classes."""
        return self._index_by_wnid.get(wnid)

    def index_of_ilsvrc_id(self, ilsvrc_id: int) -> int | None:
        """The class index of a development kit's id, 1-based; None when it is not one of these classes."""
        return self._index_by_ilsvrc_id.get(ilsvrc_id)

    @cached_property
    def _index_by_wnid(self) -> dict[str, int]:
        return {wnid: index for index, wnid in enumerate(self.wnids)}

    @cached_property
    def _index_by_ilsvrc_id(self) -> dict[int, int]:
        return {ilsvrc_id: index for index, ilsvrc_id in enumerate(self.ilsvrc_ids)}


@lru_cache(maxsize=8)
def class_table(name: str) -> ClassTable:
    """The class table `imagenet-1k`, `cifar10`, or `shapesN` with N from 2 to 100.

    Of `foldersN-<digest>`, whose classes only the data know, it gives the number of classes and no names.

    Raises:
        UsageError: There is no such table.
    """
    if name == "imagenet-1k":
        return _imagenet()
    match = _SHAPES.fullmatch(name)
    if match and int(match[1]) in _SHAPES_RANGE:
        from bench.data.shapes import shapes_table

        wnids, names, ilsvrc_ids = shapes_table(int(match[1]))
        return ClassTable(name=name, wnids=tuple(wnids), names=tuple(names), ilsvrc_ids=tuple(ilsvrc_ids))
    if name == "cifar10":
        return _without_kit(name, _CIFAR10)
    if match := _FOLDERS.fullmatch(name):
        return _without_kit(name, tuple(f"class {index}" for index in range(int(match[1]))))
    known = ["cifar10", "imagenet-1k", "shapes2", "shapes10", "shapes100"]
    raise UsageError(f"there is no dataset {name!r}: {nearest(name, known)} (shapesN with N from 2 to 100)")


def folder_table(folders: Iterable[str]) -> ClassTable:
    """The class table of a dataset whose classes are its folders, sorted as text (as torchvision's ImageFolder does).

    >>> folder_table(["dog", "cat"]).name
    'folders2-07bdda65'
    """
    names = tuple(sorted(folders))
    return _without_kit(f"folders{len(names)}-{digest_of(list(names))[:8]}", names)


def _without_kit(name: str, names: tuple[str, ...]) -> ClassTable:
    """The table of a dataset that is no ILSVRC."""
    return ClassTable(name=name, wnids=names, names=names, ilsvrc_ids=tuple(range(1, len(names) + 1)))


def _imagenet() -> ClassTable:
    lines = [line for line in _IMAGENET.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    rows = [line.split("\t") for line in lines]
    return ClassTable(
        name="imagenet-1k",
        wnids=tuple(wnid for _, wnid, _, _ in rows),
        names=tuple(name for _, _, _, name in rows),
        ilsvrc_ids=tuple(int(ilsvrc_id) for _, _, ilsvrc_id, _ in rows),
    )
