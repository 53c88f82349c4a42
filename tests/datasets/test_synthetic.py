"""The synthetic ILSVRC: classes, pictures, and what lies on disk."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bench.data import synthetic
from bench.data.classes import class_table, is_wnid
from bench.data.contents import dataset_digest
from bench.data.dataset import Dataset, open_dataset
from bench.data.dice import Dice
from bench.data.drawing import _sine, draw
from bench.data.groundtruth import read_devkit
from bench.data.shapes import FORMS, PATTERNS, UNIT, shape_of, shapes_table
from bench.data.synthetic import STAMP, write_synthetic
from bench.errors import DataError, StoreError, UsageError
from bench.records.protocol import DatasetSpec

TRAIN = DatasetSpec(name="shapes3", split="train", num_samples=12)
VAL = DatasetSpec(name="shapes3", split="val", num_samples=9)

GOLDEN = "626b5a56dd1fb73d46d70e7b71450fca89b48e35c1bcd913df9acaa4531ccda8"
"""sha256 over sizes, boxes and pixels of twenty pictures; raise `_DRAWING_VERSION` when it has to change."""


def make(root: Path, *, seed: int = 0, num_workers: int = 2) -> Path:
    """Three classes with four training and three validation images each."""
    write_synthetic(root, num_classes=3, train_per_class=4, val_per_class=3, seed=seed, num_workers=num_workers)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic dataset."""
    return make(tmp_path_factory.mktemp("synthetic") / "shapes3")


def digest(root: Path, spec: DatasetSpec = VAL) -> str:
    return dataset_digest(open_dataset(root, spec), cache_folder=None, num_threads=1)


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@given(st.integers(2, 100))
def test_class_tables_are_sound_at_every_size(num_classes: int) -> None:
    """WNIDs in order, ids a permutation in which no class keeps its place, names that are all different."""
    wnids, names, ilsvrc_ids = shapes_table(num_classes)

    assert wnids == sorted(set(wnids))
    assert all(is_wnid(wnid) and wnid.startswith("n9900") for wnid in wnids)
    assert len(set(names)) == num_classes
    assert sorted(ilsvrc_ids) == list(range(1, num_classes + 1))
    assert all(ilsvrc_id - 1 != index for index, ilsvrc_id in enumerate(ilsvrc_ids))


def test_a_class_table_of_an_impossible_size_is_refused() -> None:
    """There are ten forms and ten patterns."""
    assert len({shape_of(index) for index in range(100)}) == len(FORMS) * len(PATTERNS) == 100
    for num_classes in (1, 101):
        with pytest.raises(ValueError, match="expected 2 to 100"):
            shapes_table(num_classes)


def test_no_class_is_one_of_imagenet() -> None:
    """The invented WNIDs collide with nothing."""
    assert not set(class_table("shapes100").wnids) & set(class_table("imagenet-1k").wnids)


def test_pictures_are_the_same_on_every_machine() -> None:
    """Pixels before JPEG hold for every platform and every version of numpy and Pillow."""
    found = hashlib.sha256()
    for index in range(0, 100, 5):
        image_HWC, box = draw(shape_of(index), Dice(f"golden/{index}"))
        found.update(repr((image_HWC.shape, tuple(box))).encode())
        found.update(image_HWC.tobytes())

    assert found.hexdigest() == GOLDEN


@given(st.integers(-720, 720))
def test_sines_of_integers_are_right_to_a_fifth_of_a_percent(degrees: int) -> None:
    """Bhaskara's formula against the platform's own sine."""
    assert abs(_sine(degrees) / 4096 - math.sin(math.radians(degrees))) < 0.002


@given(st.sampled_from(sorted(FORMS)))
def test_forms_are_closed_and_one_radius_large(name: str) -> None:
    """Inside near the middle of their mass, outside everywhere beyond one and a half radii, and never empty."""
    axis = np.arange(-3 * UNIT, 3 * UNIT, 32, dtype=np.int32)
    u, v = np.broadcast_arrays(axis[None, :], axis[:, None])
    distance = FORMS[name](u, v)
    radius = np.hypot(u.astype(float), v.astype(float))

    assert (distance[radius > 1.5 * UNIT] > 0).all()
    assert 0.15 < (distance < 0).sum() * 32 * 32 / (math.pi * UNIT * UNIT) < 1.01


@given(st.sampled_from(sorted(PATTERNS)))
def test_patterns_are_two_colours_or_plain(name: str) -> None:
    """Both colours take a good part of the object, except in the plain one."""
    axis = np.arange(-UNIT, UNIT, 16, dtype=np.int32)
    choice = PATTERNS[name](*np.broadcast_arrays(axis[None, :], axis[:, None]))

    assert choice.shape == (len(axis), len(axis))
    assert set(np.unique(choice)) == ({0} if name == "plain" else {0, 1})
    assert name == "plain" or 0.1 < choice.mean() < 0.9


def test_dice_belong_to_their_name() -> None:
    """Equal names give equal streams, others other streams, within their ranges."""
    assert [Dice("a").below(1000) for _ in range(3)] == [Dice("a").below(1000)] * 3
    assert Dice("a").below(1 << 60) != Dice("b").below(1 << 60)
    dice = Dice("range")
    assert {dice.between(3, 5) for _ in range(100)} == {3, 4, 5}
    assert all(0 <= dice.fraction() < 1 for _ in range(100))
    assert sorted(dice.order(50)) == list(range(50))
    assert dice.bytes(3, 5).shape == (3, 5)


def test_both_splits_are_complete_datasets(root: Path) -> None:
    """Every class has its images, and a protocol takes them as they are."""
    for spec in (TRAIN, VAL):
        dataset = open_dataset(root, spec)
        assert dataset.complete
        assert dataset.layout == "wnid-folders"
        assert set(Counter(dataset.labels_N.tolist()).values()) == {spec.num_samples // 3}


def test_the_development_kit_agrees_with_the_folders(root: Path, tmp_path: Path) -> None:
    """The same images laid flat, with labels from the kit, are the same dataset with the same digest."""
    (tmp_path / "val").mkdir()
    for path in (root / "val").rglob("*.JPEG"):
        (tmp_path / "val" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "ILSVRC2012_devkit_t12").symlink_to(root / "ILSVRC2012_devkit_t12")
    flat = open_dataset(tmp_path, VAL)

    assert flat.layout == "flat"
    assert dataset_digest(flat, cache_folder=None, num_threads=1) == digest(root)


def test_validation_numbers_are_in_no_order_of_classes(root: Path) -> None:
    """As in the real one: neither the labels nor the ids are sorted."""
    classes = class_table("shapes3")
    kit = root / "ILSVRC2012_devkit_t12/data"
    labels = read_devkit(kit / "ILSVRC2012_validation_ground_truth.txt", classes).labels_N.tolist()
    lines = [line.split() for line in (kit / "map_clsloc.txt").read_text().splitlines()]

    assert labels not in (sorted(labels), sorted(labels, reverse=True))
    assert [int(number) for _, number, _ in lines] == [1, 2, 3]
    assert {wnid: int(number) for wnid, number, _ in lines} == dict(zip(classes.wnids, classes.ilsvrc_ids, strict=True))


def test_every_image_has_a_box_inside_it(root: Path) -> None:
    """The XML has PASCAL VOC's shape, the WNID of the folder and the size of the file."""
    images = [path for split in ("train", "val") for path in (root / split).rglob("*.JPEG")]
    assert len(images) == 21
    for path in images:
        split, wnid = path.relative_to(root).parts[:2]
        folder = root / "Annotations" / split / (wnid if split == "train" else "")
        tree = ET.parse(folder / f"{path.stem}.xml").getroot()  # noqa: S314 - written a moment ago
        found = {key: int(tree.findtext(f"object/bndbox/{key}")) for key in ("xmin", "ymin", "xmax", "ymax")}
        with Image.open(path) as image:
            size = image.size

        assert tree.findtext("filename") == path.stem
        assert tree.findtext("object/name") == wnid
        assert (int(tree.findtext("size/width")), int(tree.findtext("size/height"))) == size
        assert 0 <= found["xmin"] < found["xmax"] < size[0]
        assert 0 <= found["ymin"] < found["ymax"] < size[1]


def test_the_box_is_where_the_object_is() -> None:
    """Pixels that change with the colours of the object alone are those of the box."""
    from bench.data.drawing import _Pose, _stamp

    for form in FORMS:
        canvas_CHW = np.zeros((3, 120, 160), dtype=np.int16)
        colours = np.full((3, 2), 255, dtype=np.int16)
        box = _stamp(canvas_CHW, _Pose(80, 60, 30, 25), shape_of(list(FORMS).index(form)), colours)
        rows, columns = np.nonzero(canvas_CHW[0] > 60)
        assert abs(box.xmin - columns.min()) <= 1
        assert abs(box.xmax - columns.max()) <= 1
        assert abs(box.ymin - rows.min()) <= 1
        assert abs(box.ymax - rows.max()) <= 1


def test_image_lists_name_every_image_once(root: Path) -> None:
    """With a running index behind it, which is no class."""
    train = (root / "ImageSets/CLS-LOC/train_cls.txt").read_text().splitlines()
    val = (root / "ImageSets/CLS-LOC/val.txt").read_text().splitlines()

    assert [line.split()[1] for line in train] == [str(number) for number in range(1, 13)]
    assert all((root / "train" / f"{line.split()[0]}.JPEG").is_file() for line in train)
    assert [line.split()[0] for line in val] == [f"ILSVRC2012_val_{number:08d}" for number in range(1, 10)]


def test_the_bytes_depend_on_the_seed_and_not_on_the_workers(root: Path, tmp_path: Path) -> None:
    """Same seed, same files, whatever the number of threads; another seed, another dataset."""
    assert contents(make(tmp_path / "a", num_workers=1)) == contents(root)
    assert digest(make(tmp_path / "b", seed=1)) != digest(root)


def test_pictures_are_of_photo_like_sizes() -> None:
    """About 500 x 375 on average, most of them landscape, some portrait."""
    sizes = [draw(shape_of(0), Dice(f"size/{number}")).image_HWC.shape for number in range(150)]
    height, width, _ = np.mean(sizes, axis=0)

    assert 430 < width < 530
    assert 330 < height < 430
    assert 0.1 < np.mean([h > w for h, w, _ in sizes]) < 0.5


def test_an_equal_dataset_is_not_drawn_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is recognised by its stamp, in no time."""
    monkeypatch.setattr(synthetic, "_write_all", None)

    assert not write_synthetic(root, num_classes=3, train_per_class=4, val_per_class=3, seed=0)


def test_another_dataset_is_not_overwritten(root: Path) -> None:
    """The message says in what it differs."""
    with pytest.raises(DataError, match="seed 0 instead of 5"):
        make(root, seed=5)
    assert open_dataset(root, VAL).complete


def test_a_folder_with_other_content_is_refused(tmp_path: Path) -> None:
    """Nothing of it is touched."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.JPEG").write_bytes(b"cat")
    (tmp_path / "file").write_text("")

    with pytest.raises(DataError, match="not empty and holds no synthetic dataset"):
        make(tmp_path / "photos")
    with pytest.raises(DataError, match="is a file"):
        make(tmp_path / "file")
    assert contents(tmp_path) == {"photos/cat.JPEG": b"cat", "file": b""}


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    """As `mkdir` leaves it."""
    assert (make(tmp_path) / STAMP).is_file()


@pytest.mark.parametrize(
    "numbers", [{"num_classes": 1}, {"train_per_class": 0}, {"val_per_class": 0}, {"num_workers": 0}]
)
def test_impossible_numbers_are_usage_errors(tmp_path: Path, numbers: dict[str, int]) -> None:
    """And leave nothing behind."""
    with pytest.raises(UsageError, match="were asked for"):
        write_synthetic(tmp_path / "new", **numbers)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, and the folder is as if nothing had been begun."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(synthetic, "_write_images", full)
    with pytest.raises(StoreError, match="the disk is full"):
        make(tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_a_killed_run_is_done_again(root: Path, tmp_path: Path) -> None:
    """Killed without warning, nothing half-written is taken for the dataset, and the next run draws it."""
    code = "import sys; from pathlib import Path; from bench.data.synthetic import write_synthetic;"
    code += "write_synthetic(Path(sys.argv[1]), num_classes=3, train_per_class=900, val_per_class=3)"
    target = tmp_path / "shapes3"
    child = subprocess.Popen([sys.executable, "-c", code, str(target)])
    begun = tmp_path / ".shapes3.drawing"
    for _ in range(1000):
        if len(list(begun.rglob("*.JPEG"))) > 3:
            break
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()

    assert begun.exists()
    assert not target.exists()
    assert contents(make(target)) == contents(root)
    assert list(tmp_path.iterdir()) == [target]


def test_samples_are_the_images_of_their_class(root: Path) -> None:
    """A picture drawn again from its name is the picture in the file, up to JPEG."""
    dataset: Dataset = open_dataset(root, TRAIN)
    sample = dataset.samples[5]
    number = int(sample.id.rpartition("_")[2])
    wnid = dataset.classes.wnids[sample.label]
    drawn = draw(shape_of(sample.label), Dice(f"0/train/{wnid}/{number}")).image_HWC
    with Image.open(sample.path) as image:
        stored_HWC = np.asarray(image.convert("RGB"))

    assert stored_HWC.shape == drawn.shape
    assert np.abs(stored_HWC.astype(int) - drawn).mean() < 12
