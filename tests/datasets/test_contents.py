"""The digest of a dataset depends on ids, labels and contents alone, and is quick the second time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data import contents
from bench.data.classes import ClassTable
from bench.data.contents import dataset_digest, manifest_path
from bench.data.dataset import Dataset, open_dataset
from bench.errors import DataError
from bench.records.protocol import DatasetSpec

VAL = DatasetSpec(name="imagenet-1k", split="val", num_samples=50_000)
MakeLayout = Callable[[Path, str], Path]


def open_part(root: Path) -> Dataset:
    return open_dataset(root, VAL, allow_partial=True)


def digest(dataset: Dataset, cache_folder: Path | None = None) -> str:
    return dataset_digest(dataset, cache_folder=cache_folder, num_threads=2)


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the samples that are read from now on."""
    read: list[str] = []
    original = contents.read_sample

    def spy(sample: contents.Sample) -> bytes:
        read.append(sample.id)
        return original(sample)

    monkeypatch.setattr(contents, "read_sample", spy)
    return read


def test_equal_content_has_one_digest_in_every_layout(
    layout: str,
    layout_name: str,
    tmp_path: Path,
    make_layout: MakeLayout,
    numbered_files: dict[str, bytes],
    numbered_labels: tuple[int, ...],
    imagenet: ClassTable,
) -> None:
    """The digest is the sha256 of one line a sample: id, WNID and the sha256 of the file."""
    lines = [
        f"{name.removesuffix('.JPEG')}\t{imagenet.wnids[label]}\t{hashlib.sha256(content).hexdigest()}\n"
        for (name, content), label in zip(numbered_files.items(), numbered_labels, strict=True)
    ]

    found = digest(open_part(make_layout(tmp_path, layout)), tmp_path / "cache")

    assert found == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, make_layout: MakeLayout, read_files: list[str]) -> None:
    """The second digest reads nothing, and is the same."""
    dataset = open_part(make_layout(tmp_path, "flat, devkit folder"))

    first = digest(dataset, tmp_path / "cache")
    assert sorted(read_files) == list(dataset.sample_ids)
    read_files.clear()

    assert digest(dataset, tmp_path / "cache") == first
    assert read_files == []


@pytest.mark.parametrize("change", ["size", "mtime"])
def test_a_changed_file_is_read_again(
    change: str, tmp_path: Path, make_layout: MakeLayout, read_files: list[str]
) -> None:
    """A new size or a new time of change: that file, and no other."""
    root = make_layout(tmp_path, "flat, devkit folder")
    first = digest(open_part(root), tmp_path / "cache")
    path = root / "val" / "ILSVRC2012_val_00000003.JPEG"
    content, times = path.read_bytes(), path.stat()
    path.write_bytes(content + b"!" if change == "size" else bytes(reversed(content)))
    nanoseconds = times.st_mtime_ns + (0 if change == "size" else 1)
    os.utime(path, ns=(times.st_atime_ns, nanoseconds))
    read_files.clear()

    assert digest(open_part(root), tmp_path / "cache") != first
    assert read_files == ["ILSVRC2012_val_00000003"]


def test_another_label_is_another_digest(tmp_path: Path, make_layout: MakeLayout, imagenet: ClassTable) -> None:
    """The same files with other classes are another dataset."""
    root = make_layout(tmp_path, "flat, devkit folder")
    first = digest(open_part(root))
    truth = next(root.glob("*/data/*.txt"))
    truth.write_text(truth.read_text().replace("490", "491"))

    assert digest(open_part(root)) != first


def test_without_a_cache_nothing_is_written(tmp_path: Path, make_layout: MakeLayout, read_files: list[str]) -> None:
    """Every file is hashed, every time."""
    dataset = open_part(make_layout(tmp_path / "data", "flat, devkit folder"))

    assert digest(dataset) == digest(dataset)
    assert len(read_files) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_part_keeps_what_is_known_of_the_whole(
    tmp_path: Path, make_layout: MakeLayout, read_files: list[str]
) -> None:
    """A limited run before or after a longer one hashes no file twice."""
    root = make_layout(tmp_path, "tar")
    for limit in (2, 4, 1, 4):
        digest(open_dataset(root, VAL, limit=limit), tmp_path / "cache")

    assert len(read_files) == 4


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really", b"{}"])
def test_a_broken_manifest_is_made_again(content: bytes, tmp_path: Path, make_layout: MakeLayout) -> None:
    """What is no manifest of ours counts as none."""
    dataset = open_part(make_layout(tmp_path, "flat, devkit folder"))
    path = manifest_path(tmp_path / "cache", dataset)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    assert digest(dataset, tmp_path / "cache") == digest(dataset)
    assert path.read_bytes() != content


def test_progress_counts_every_sample_once(tmp_path: Path, make_layout: MakeLayout) -> None:
    """Remembered and hashed samples add up."""
    root = make_layout(tmp_path, "flat, devkit folder")
    digest(open_dataset(root, VAL, limit=1), tmp_path / "cache")
    counts: list[int] = []

    dataset_digest(open_part(root), cache_folder=tmp_path / "cache", num_threads=2, on_progress=counts.append)

    assert counts == [1, 3]


def test_a_file_that_vanishes_is_named(tmp_path: Path, make_layout: MakeLayout) -> None:
    """A file that is deleted between listing and hashing."""
    dataset = open_part(make_layout(tmp_path, "flat, devkit folder"))
    dataset.samples[1].path.unlink()

    with pytest.raises(DataError, match=r"val_00000002.JPEG: cannot be read \(No such file"):
        digest(dataset, tmp_path / "cache")


def test_interrupted_hashing_keeps_what_is_done(
    tmp_path: Path, make_layout: MakeLayout, monkeypatch: pytest.MonkeyPatch, read_files: list[str]
) -> None:
    """After Ctrl-C the next run goes on where this one stopped."""
    monkeypatch.setattr(contents, "_CHUNK_SAMPLES", 1)
    dataset = open_part(make_layout(tmp_path, "flat, devkit folder"))

    def interrupt(count: int) -> None:
        if count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataset_digest(dataset, cache_folder=tmp_path / "cache", num_threads=1, on_progress=interrupt)
    read_files.clear()
    digest(dataset, tmp_path / "cache")

    assert 0 < len(read_files) < 4
