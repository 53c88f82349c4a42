"""Resized images that are kept as pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data import resized as module
from bench.data.dataset import Dataset, read_sample
from bench.data.resized import fill_resized, find_resized
from bench.data.resized_folder import list_resized
from bench.data.transforms import decode, resized
from bench.errors import DataError, StoreError
from bench.records.protocol import Geometry

GEOMETRY = Geometry(resize=32, crop=24)
DIGEST = "ab" * 32


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four images a part, so that eleven are three parts."""
    monkeypatch.setattr(module, "_IMAGES_A_PART", 4)


def fill(dataset: Dataset, folder: Path) -> module.ResizedImages:
    return fill_resized(folder, dataset, DIGEST, GEOMETRY, num_threads=2)


def decoded(dataset: Dataset, position: int) -> np.ndarray:
    sample = dataset.samples[position]
    return np.asarray(resized(decode(read_sample(sample), sample.shown), GEOMETRY))


def test_the_pixels_are_those_of_decoding(eleven_images: Dataset, tmp_path: Path) -> None:
    """For every image, of every shape; and the folder is found again by the same dataset and geometry alone."""
    fill(eleven_images, tmp_path / "cache")
    found = find_resized(tmp_path / "cache", eleven_images, DIGEST, GEOMETRY)

    assert found is not None
    for position in range(11):
        image = found.image(position)
        assert image is not None
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), decoded(eleven_images, position))
    found.close()
    assert find_resized(tmp_path / "cache", eleven_images, "cd" * 32, GEOMETRY) is None
    assert find_resized(tmp_path / "cache", eleven_images, DIGEST, Geometry(resize=33, crop=24)) is None
    other_crop = find_resized(tmp_path / "cache", eleven_images, DIGEST, Geometry(resize=32, crop=20))
    assert other_crop is not None


def test_parts_that_are_there_are_kept(eleven_images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was interrupted goes on after the last whole part; what was cut off is made again."""
    folder = fill(eleven_images, tmp_path).folder
    (folder / "00001.u8").unlink()
    (folder / "00002.u8").write_bytes((folder / "00002.u8").read_bytes()[:-1])
    assert [(found.num_filled, found.record.num_samples) for found in list_resized(tmp_path)] == [(7, 11)]

    read: list[str] = []
    true_read = module.read_sample
    monkeypatch.setattr(module, "read_sample", lambda sample: read.append(sample.id) or true_read(sample))
    done: list[int] = []
    again = fill_resized(tmp_path, eleven_images, DIGEST, GEOMETRY, num_threads=2, on_progress=done.append)

    assert sorted(read) == list(eleven_images.sample_ids[4:])
    assert sum(done) == 11
    assert all(again.image(position) is not None for position in range(11))


@pytest.mark.parametrize("damage", ["pixel", "swapped", "missing", "cut off"])
def test_damaged_pixels_are_never_used(eleven_images: Dataset, tmp_path: Path, damage: str) -> None:
    """An image whose pixels are not those that were written counts as not there."""
    folder = fill(eleven_images, tmp_path).folder
    first, second = folder / "00000.u8", folder / "00001.u8"
    content = bytearray(first.read_bytes())
    if damage == "pixel":
        content[4 * 16 + 5] ^= 1
        first.write_bytes(content)
    elif damage == "swapped":
        first.write_bytes(second.read_bytes())
    elif damage == "missing":
        first.unlink()
    else:
        first.write_bytes(content[:-1])
    found = find_resized(tmp_path, eleven_images, DIGEST, GEOMETRY)

    assert found is not None
    assert found.image(0) is None
    assert found.image(8) is not None


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format_version": 9}'])
def test_a_broken_record_is_no_record(content: bytes, eleven_images: Dataset, tmp_path: Path) -> None:
    """The images are decoded then, and filling writes it again."""
    folder = fill(eleven_images, tmp_path).folder
    (folder / "resized.json").write_bytes(content)

    assert find_resized(tmp_path, eleven_images, DIGEST, GEOMETRY) is None
    assert list_resized(tmp_path) == []
    assert fill(eleven_images, tmp_path).folder == folder
    assert find_resized(tmp_path, eleven_images, DIGEST, GEOMETRY) is not None


def test_a_bad_image_leaves_no_half_part(eleven_images: Dataset, tmp_path: Path) -> None:
    """The error names it."""
    eleven_images.samples[5].path.write_bytes(b"no image")

    with pytest.raises(DataError, match=eleven_images.samples[5].path.name):
        fill(eleven_images, tmp_path / "cache")
    names = sorted(path.name for path in next((tmp_path / "cache" / "resized").iterdir()).iterdir())
    assert names == ["00000.u8", "resized.json"]


def test_a_disk_that_is_too_small_is_told_before_it_is_full(
    eleven_images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is free."""
    monkeypatch.setattr(module, "_MARGIN_BYTES", 1 << 60)

    with pytest.raises(StoreError, match="GB free, too little for resized images"):
        fill(eleven_images, tmp_path)
