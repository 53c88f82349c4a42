"""The class table is the one that timm and torchvision answer in."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from bench.data.classes import ClassTable, class_table
from bench.errors import UsageError

GOLDEN = {490: 65, 361: 970, 171: 230, 822: 809, 297: 516, 482: 57, 13: 334, 704: 415, 599: 674, 164: 332}
"""The kit's ids of the first ten validation images and the class indices that they stand for."""


def test_wnids_are_those_of_timm_in_the_same_order(imagenet: ClassTable) -> None:
    """A timm model's output i is our class i."""
    timm = importlib.util.find_spec("timm")
    assert timm is not None
    assert timm.origin is not None
    synsets = Path(timm.origin).parent / "data" / "_info" / "imagenet_synsets.txt"

    assert list(imagenet.wnids) == synsets.read_text(encoding="utf-8").split()
    assert list(imagenet.wnids) == sorted(imagenet.wnids)


def test_names_are_those_of_torchvision(imagenet: ClassTable) -> None:
    """A torchvision model's category i is our class i."""
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    assert list(imagenet.names) == list(_IMAGENET_CATEGORIES)


def test_devkit_ids_map_to_the_known_indices(imagenet: ClassTable) -> None:
    """The first ten validation labels, as kit ids, are these class indices."""
    assert {known: imagenet.index_of_ilsvrc_id(known) for known in GOLDEN} == GOLDEN
    assert sorted(imagenet.ilsvrc_ids) == list(range(1, 1001))


def test_no_class_has_its_kit_id_at_its_own_place(imagenet: ClassTable) -> None:
    """Taking id minus one for the index is wrong for every class."""
    assert not [index for index, known in enumerate(imagenet.ilsvrc_ids) if index == known - 1]


def test_ids_agree_with_the_development_kit(imagenet: ClassTable, real_data: Path) -> None:
    """Each WNID has the id that the kit's map gives it."""
    rows = [line.split() for line in (real_data / "ilsvrc2015" / "map_clsloc.txt").read_text().splitlines()]

    assert {wnid: int(known) for wnid, known, _ in rows} == dict(zip(imagenet.wnids, imagenet.ilsvrc_ids, strict=True))


def test_what_is_not_in_the_table_has_no_index(imagenet: ClassTable) -> None:
    """Unknown WNIDs and ids are None, never a wrong class."""
    assert imagenet.index_of_wnid("n00000000") is None
    assert imagenet.index_of_ilsvrc_id(0) is None
    assert imagenet.index_of_ilsvrc_id(1001) is None


@pytest.mark.parametrize("name", ["imagenet", "shapes1", "shapes101", "shapes", "shapes010"])
def test_an_unknown_dataset_names_the_known_ones(name: str) -> None:
    """The error offers what exists."""
    with pytest.raises(UsageError, match=r"there is no dataset.*imagenet-1k|there is no dataset.*shapes10"):
        class_table(name)
