"""Training images in tars of tars and in WebDataset shards: listed once, read from anywhere."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.data import tar_index
from bench.data.classes import ClassTable
from bench.data.contents import dataset_digest
from bench.data.dataset import Dataset, open_dataset, read_sample
from bench.data.shards import write_shards
from bench.data.synthetic import write_synthetic
from bench.data.verify import verify
from bench.errors import DataError
from bench.records.protocol import DatasetSpec

TRAIN = DatasetSpec(name="imagenet-1k", split="train", num_samples=1_281_167)
SHAPES = DatasetSpec(name="shapes2", split="train", num_samples=12)


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def training_tar(tmp_path: Path, imagenet: ClassTable, photo_bytes: Callable[..., bytes]) -> Path:
    """`ILSVRC2012_img_train.tar` with three classes of two images each."""
    inner = {}
    for wnid in imagenet.wnids[:3]:
        images = {f"{wnid}_{number}.JPEG": photo_bytes(seed=number, width=50 + number) for number in (7, 12)}
        inner[f"{wnid}.tar"] = write_tar(tmp_path / "parts" / f"{wnid}.tar", images).read_bytes()
    return write_tar(tmp_path / "data" / "ILSVRC2012_img_train.tar", inner)


@pytest.fixture(scope="session")
def shapes2(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Twelve drawn training images of two classes."""
    root = tmp_path_factory.mktemp("tars") / "shapes2"
    write_synthetic(root, num_classes=2, train_per_class=6, val_per_class=1, num_workers=2)
    return open_dataset(root, SHAPES)


def digest(dataset: Dataset) -> str:
    return dataset_digest(dataset, cache_folder=None, num_threads=1)


def open_part(root: Path, **options: Path) -> Dataset:
    return open_dataset(root, TRAIN, allow_partial=True, **options)


def test_the_training_tar_is_read_in_place(training_tar: Path, imagenet: ClassTable, tmp_path: Path) -> None:
    """With the samples and the digest of the folders that it unpacks to; the tar or its folder may be given."""
    for part in (tmp_path / "parts").iterdir():
        with tarfile.open(part) as archive:
            archive.extractall(tmp_path / "unpacked" / "train" / part.stem, filter="data")
    folders = open_part(tmp_path / "unpacked")

    for root in (training_tar, training_tar.parent):
        dataset = open_part(root)
        assert dataset.layout == "class-tars"
        assert dataset.sample_ids == folders.sample_ids
        assert dataset.labels_N.tolist() == [0, 0, 1, 1, 2, 2]
        assert [read_sample(a) == read_sample(b) for a, b in zip(dataset.samples, folders.samples, strict=True)]
        assert digest(dataset) == digest(folders)


def test_a_tar_of_no_known_class_is_named(training_tar: Path, photo_bytes: Callable[..., bytes]) -> None:
    """As a folder would be."""
    inner = write_tar(training_tar.parent / "x.tar", {"a.JPEG": photo_bytes()}).read_bytes()
    write_tar(training_tar, {"n00000001.tar": inner})

    with pytest.raises(DataError, match="n00000001: is not one of the 1,000 classes"):
        open_part(training_tar)


@pytest.mark.parametrize("keep", [0.4, 0.9])
def test_a_training_tar_that_was_not_downloaded_whole_is_named(training_tar: Path, keep: float) -> None:
    """When it is opened, or at the image that is not all there."""
    content = training_tar.read_bytes()
    last = content.rindex(b"_12.JPEG") + 512  # within the last image but one or the last
    training_tar.write_bytes(content[: int(last * keep)])

    def read_all() -> None:
        for sample in open_part(training_tar).samples:
            read_sample(sample)

    with pytest.raises(DataError, match=r"ILSVRC2012_img_train\.tar.*(download it again)"):
        read_all()


def test_an_inner_tar_does_not_run_into_the_next(training_tar: Path, imagenet: ClassTable) -> None:
    """An inner tar without its end is a fault, not a way to the images behind it."""
    inner = training_tar.parent.parent / "parts" / f"{imagenet.wnids[0]}.tar"
    whole = inner.read_bytes()
    write_tar(training_tar, {f"{imagenet.wnids[0]}.tar": whole[:1500]})

    with pytest.raises(DataError, match=r"ends within|unexpected end"):
        open_part(training_tar)


def test_headers_are_read_once(training_tar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the tar changes; a broken index is made again."""
    first = open_part(training_tar, index_folder=tmp_path / "cache")
    (index,) = (tmp_path / "cache" / "indexes").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(tar_index.tarfile, "open", None)
        again = open_part(training_tar, index_folder=tmp_path / "cache")
    assert again.samples == first.samples

    for broken in (b"", b"{}", b'{"state": 1, "columns": []}'):
        index.write_bytes(broken)
        assert open_part(training_tar, index_folder=tmp_path / "cache").samples == first.samples

    write_tar(training_tar, {"n01440764.tar": (tmp_path / "parts" / "n01440764.tar").read_bytes()})
    assert len(open_part(training_tar, index_folder=tmp_path / "cache")) == 2


def test_an_image_in_a_shard_without_a_class_is_named(tmp_path: Path, photo_bytes: Callable[..., bytes]) -> None:
    """With what is expected beside it."""
    path = write_tar(tmp_path / "train" / "a-000.tar", {"n01440764_1.jpg": photo_bytes(), "n01440764_1.json": b"[1]"})

    with pytest.raises(DataError, match=rf"{path.name}:n01440764_1: has no class beside it, expected a \.cls file"):
        open_part(tmp_path)


@pytest.mark.parametrize("text", [b"1000", b"-1", b"n00000000", b"1.5", b"\xff", b"{}"])
def test_a_class_that_is_none_is_told(text: bytes, tmp_path: Path, photo_bytes: Callable[..., bytes]) -> None:
    """A number beyond the classes, or a word that is no WNID."""
    write_tar(tmp_path / "train" / "a-000.tar", {"x.jpg": photo_bytes(), "x.cls": text})

    with pytest.raises(DataError, match=r"x: has the class .* beside it, expected .* from 0 to 999 or a WNID"):
        open_part(tmp_path)


def test_a_pickled_class_is_never_loaded(tmp_path: Path, photo_bytes: Callable[..., bytes]) -> None:
    """Other kinds of labels than text and JSON count as absent."""
    write_tar(tmp_path / "train" / "a-000.tar", {"x.jpg": photo_bytes(), "x.pyd": b"\x80\x04K\x01."})

    with pytest.raises(DataError, match="has no class beside it"):
        open_part(tmp_path)


def test_training_images_in_shards_have_the_ids_of_folders(tmp_path: Path, photo_bytes: Callable[..., bytes]) -> None:
    """The WNID of the class, and the name; a path in the shard does not matter."""
    files = {"deep/n01443537_2.jpg": photo_bytes(), "deep/n01443537_2.cls": b"1"}
    write_tar(tmp_path / "train" / "a-000.tar", files)

    assert [(sample.id, sample.label) for sample in open_part(tmp_path).samples] == [("n01443537/n01443537_2", 1)]


def test_a_dataset_in_shards_is_the_same_dataset(shapes2: Dataset, tmp_path: Path) -> None:
    """Written and read again: same samples, same bytes, same digest; each shard holds its number of shuffled images."""
    done: list[int] = []
    paths = write_shards(shapes2, tmp_path, images_a_shard=5, on_progress=done.append)
    again = open_dataset(tmp_path, SHAPES)

    assert [path.name for path in paths] == [f"shapes2-train-0000{number}.tar" for number in range(3)]
    assert sum(done) == 12
    assert again.layout == "webdataset"
    assert again.complete
    assert again.sample_ids == shapes2.sample_ids
    assert [sample.label for sample in again.samples] == [sample.label for sample in shapes2.samples]
    assert digest(again) == digest(shapes2)
    with tarfile.open(paths[0]) as archive:
        names = archive.getnames()
    assert len(names) == 10
    assert len({name.partition("_")[0] for name in names}) == 2  # classes are mixed


def test_verify_looks_at_the_splits_that_are_there(shapes2: Dataset, training_tar: Path, tmp_path: Path) -> None:
    """Of shards their names say it, of the published tar its own name."""

    def splits(root: Path) -> list[str]:
        report = verify(root, splits=None, spec=None, num_threads=1, on_split=lambda _name, _count: lambda _done: None)
        return [split.split for split in report.splits]

    assert splits(training_tar) == splits(training_tar.parent) == ["train"]
    for split in ("train", "val"):
        for path in write_shards(replace(shapes2, split=split), tmp_path / "apart", images_a_shard=6):
            (tmp_path / "beside").mkdir(exist_ok=True)
            (tmp_path / "beside" / path.name).write_bytes(path.read_bytes())

    assert splits(tmp_path / "beside") == splits(tmp_path / "apart") == ["train", "val"]
    assert splits(tmp_path / "apart" / "train") == ["train"]
    assert splits(tmp_path / "apart" / "val") == ["val"]


def test_equal_input_gives_equal_shards(shapes2: Dataset, tmp_path: Path) -> None:
    """No time and no user in them; another seed, another order."""
    contents = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        paths = write_shards(shapes2, tmp_path / name, images_a_shard=100, seed=seed)
        contents.append(paths[0].read_bytes())

    assert contents[0] == contents[1] != contents[2]


def test_shards_are_not_written_over(shapes2: Dataset, tmp_path: Path) -> None:
    """A folder that holds something is left alone."""
    write_shards(shapes2, tmp_path, images_a_shard=100)

    with pytest.raises(DataError, match="train: holds files already"):
        write_shards(shapes2, tmp_path, images_a_shard=100)


def test_a_name_that_no_key_can_have_is_told(shapes2: Dataset, tmp_path: Path) -> None:
    """Before anything is written."""
    source = shapes2.samples[0].path
    dotted = tmp_path / "data" / "train" / source.parent.name / "a.b.JPEG"
    dotted.parent.mkdir(parents=True)
    dotted.write_bytes(source.read_bytes())
    dataset = open_dataset(tmp_path / "data", SHAPES, allow_partial=True)

    with pytest.raises(DataError, match=r"a\.b\.JPEG: has a dot in its name"):
        write_shards(dataset, tmp_path / "out", images_a_shard=100)
    assert not (tmp_path / "out").exists()


def test_an_index_holds_no_more_than_json(training_tar: Path, tmp_path: Path) -> None:
    """It can be looked at, and nothing in it can run."""
    open_part(training_tar, index_folder=tmp_path / "cache")
    (index,) = (tmp_path / "cache" / "indexes").iterdir()

    assert set(json.loads(index.read_text())) == {"state", "columns"}


def test_classes_that_are_folders_cannot_be_sharded(shapes2: Dataset, tmp_path: Path) -> None:
    """A number beside an image would say nothing without the folders."""
    folders = open_dataset(shapes2.root, DatasetSpec(name="folders", split="train", num_samples=0))

    with pytest.raises(DataError, match="has its folders as classes"):
        write_shards(folders, tmp_path, images_a_shard=6)
