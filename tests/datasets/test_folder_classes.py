"""Datasets whose classes are their folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data.classes import class_table, folder_table
from bench.data.contents import dataset_digest
from bench.data.dataset import open_dataset
from bench.errors import DataError
from bench.records.protocol import DatasetSpec

TRAIN = DatasetSpec(name="folders", split="train", num_samples=0)
VAL = DatasetSpec(name="folders", split="val", num_samples=0)


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes files `<split>/<class>/<number>.png` of a few bytes."""

    def make(**splits: list[str]) -> Path:
        for split, names in splits.items():
            for name in names:
                folder = tmp_path / split / name
                folder.mkdir(parents=True)
                for number in range(2):
                    (folder / f"{number}.png").write_bytes(f"{name}{number}".encode())
        return tmp_path

    return make


def test_classes_are_the_folders_in_the_order_of_text(make_tree: Callable[..., Path]) -> None:
    """Numbers too: 10 stands before 2, as in torchvision's ImageFolder."""
    dataset = open_dataset(make_tree(train=["zebra", "2", "10"]), TRAIN)

    assert dataset.classes.wnids == ("10", "2", "zebra")
    assert [sample.id for sample in dataset.samples] == ["10/0", "10/1", "2/0", "2/1", "zebra/0", "zebra/1"]
    assert dataset.labels_N.tolist() == [0, 0, 1, 1, 2, 2]
    assert dataset.complete


def test_the_training_folders_decide_for_validation(make_tree: Callable[..., Path]) -> None:
    """A class without validation images is missed, and does not shift the others."""
    root = make_tree(train=["ant", "bee", "cow"], val=["ant", "cow"])

    with pytest.raises(DataError, match=r"misses 1 of the 3 classes of folders3-\w+, first bee"):
        open_dataset(root, VAL)
    dataset = open_dataset(root, VAL, allow_partial=True)
    assert dataset.labels_N.tolist() == [0, 0, 2, 2]
    assert dataset.classes == open_dataset(root, TRAIN).classes


def test_a_validation_folder_that_was_not_trained_is_named(make_tree: Callable[..., Path]) -> None:
    """With what it may be meant to be."""
    with pytest.raises(DataError, match="cows: is none of the 2 classes, did you mean cow"):
        open_dataset(make_tree(train=["ant", "cow"], val=["ant", "cows"]), VAL)


def test_other_classes_are_another_table_and_another_dataset(make_tree: Callable[..., Path], tmp_path: Path) -> None:
    """The table's name and the dataset's digest hold the names of the folders, not only how many they are."""
    assert folder_table(["a", "b"]) == folder_table(["b", "a"])
    assert folder_table(["a", "b"]).name != folder_table(["a", "c"]).name
    root = make_tree(train=["ant", "bee"])
    before = dataset_digest(open_dataset(root, TRAIN), cache_folder=None, num_threads=1)
    (root / "train" / "bee").rename(root / "train" / "cow")

    assert dataset_digest(open_dataset(root, TRAIN), cache_folder=None, num_threads=1) != before


def test_without_folders_there_are_no_classes(make_tree: Callable[..., Path], tmp_path: Path) -> None:
    """Flat images and a single folder are refused."""
    root = make_tree(train=["ant"])
    with pytest.raises(DataError, match="holds 1 class folders, expected two or more"):
        open_dataset(root, TRAIN)
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG").write_bytes(b"")
    with pytest.raises(DataError, match="has no folder a class"):
        open_dataset(root, VAL)


def test_the_name_of_a_folder_table_tells_the_number_of_classes() -> None:
    """For what needs no more, such as the throughput of a network that was trained on it."""
    table = folder_table(["ant", "bee", "cow"])

    assert class_table(table.name).num_classes == 3
    assert class_table(table.name).name == table.name


def test_cifar10_is_known_by_its_folders(make_tree: Callable[..., Path]) -> None:
    """In the published order, which is that of the alphabet; the number of images is the published one."""
    table = class_table("cifar10")
    assert list(table.wnids) == sorted(table.wnids)
    root = make_tree(train=list(table.wnids))

    assert open_dataset(root, DatasetSpec(name="cifar10", split="train", num_samples=20)).labels_N.tolist() == [
        index for index in range(10) for _ in range(2)
    ]
    with pytest.raises(DataError, match="holds 20 train images, the protocol needs 50,000"):
        open_dataset(root, DatasetSpec(name="cifar10", split="train", num_samples=50_000))
