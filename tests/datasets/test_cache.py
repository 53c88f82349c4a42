"""The crop cache changes no pixel, whatever happens to it: order, kills, full disks, damage, other processes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.data import cache_files
from bench.data.cache import CropCache, open_crops
from bench.data.cache_record import DATA_FILE, INDEX_FILE, RECORD_FILE
from bench.data.classes import ClassTable
from bench.data.dataset import Dataset, Sample, open_dataset, read_sample
from bench.data.loader import iter_batches
from bench.data.transforms import ViewKind, decode, uncut_pixels
from bench.errors import DataError
from bench.records.protocol import DatasetSpec, Geometry

GEOMETRY = Geometry(resize=32, crop=28)
DIGEST = "d" * 64
BLOCK_BYTES = 28 * 28 * 3
PASSES = Path(__file__).with_name("crops_passes.py")

Pixels = npt.NDArray[np.uint8]


class Pass(NamedTuple):
    """What a pass over a dataset showed."""

    pixels: Pixels
    notes: list[str]
    num_read: int
    num_stored: int
    folder: Path


def without_cache(dataset: Dataset, views: ViewKind = "single") -> Pixels:
    batches = iter_batches(dataset, GEOMETRY, views=views, batch_size=len(dataset), num_threads=1)
    return np.concatenate([batch.images_NHWC for batch in batches])


def with_cache(
    dataset: Dataset,
    cache_folder: Path,
    *,
    views: ViewKind = "single",
    batch_size: int = 4,
    num_threads: int = 2,
) -> Pass:
    notes: list[str] = []
    crops = open_crops(cache_folder, dataset, DIGEST, GEOMETRY, views, on_note=notes.append)
    assert crops is not None, notes
    with crops:
        batches = iter_batches(
            dataset, GEOMETRY, views=views, batch_size=batch_size, num_threads=num_threads, cache=crops
        )
        pixels = np.concatenate([batch.images_NHWC for batch in batches])
    return Pass(pixels, notes, crops.num_read, crops.num_stored, crops.folder)


@pytest.fixture
def dataset(eleven_images: Dataset) -> Dataset:
    """Eleven images of three classes."""
    return eleven_images


@pytest.fixture
def cache_folder(tmp_path: Path) -> Path:
    """An empty cache folder."""
    return tmp_path / "cache"


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes reading an image file a failure."""

    def refuse(sample: Sample) -> bytes:
        raise AssertionError(f"{sample.id} was read")

    monkeypatch.setattr("bench.data.loader.read_sample", refuse)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    views=st.sampled_from(["single", "ten-crop"]),
    order=st.permutations(range(11)),
    num_before=st.integers(0, 11),
    batch_size=st.integers(1, 13),
    num_threads=st.integers(1, 4),
)
def test_pixels_are_the_same_with_and_without_a_cache(
    views: ViewKind,
    order: list[int],
    num_before: int,
    batch_size: int,
    num_threads: int,
    dataset: Dataset,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whichever blocks were filled before, in whatever order, with any batch size and number of threads."""
    cache_folder = tmp_path_factory.mktemp("cache")
    crops = open_crops(cache_folder, dataset, DIGEST, GEOMETRY, views, on_note=pytest.fail)
    assert crops is not None
    with crops:
        for position in order[:num_before]:
            sample = dataset.samples[position]
            crops.store(position, uncut_pixels(decode(read_sample(sample), sample.id), GEOMETRY, views))

    cold, warm = (
        with_cache(dataset, cache_folder, views=views, batch_size=batch_size, num_threads=num_threads) for _ in "12"
    )

    expected = without_cache(dataset, views)
    assert np.array_equal(cold.pixels, expected)
    assert np.array_equal(warm.pixels, expected)
    assert (cold.num_read, cold.num_stored) == (num_before, 11 - num_before)
    assert (warm.num_read, warm.num_stored, warm.notes) == (11, 0, [])
    shutil.rmtree(cache_folder)


def test_a_warm_cache_decodes_nothing(dataset: Dataset, cache_folder: Path, request: pytest.FixtureRequest) -> None:
    """The image files are not even opened."""
    first = with_cache(dataset, cache_folder)
    request.getfixturevalue("no_decoding")

    assert np.array_equal(with_cache(dataset, cache_folder).pixels, first.pixels)


def test_a_flipped_bit_is_found_told_once_and_mended(dataset: Dataset, cache_folder: Path) -> None:
    """Every read is checked; the image is decoded again, the file is as it was before."""
    folder = with_cache(dataset, cache_folder).folder
    before = (folder / DATA_FILE).read_bytes()
    damaged = bytearray(before)
    damaged[6 * BLOCK_BYTES + 1234] ^= 4
    (folder / DATA_FILE).write_bytes(damaged)

    mending, after = (with_cache(dataset, cache_folder) for _ in "12")

    assert np.array_equal(mending.pixels, without_cache(dataset))
    (note,) = mending.notes
    assert "1 of 11 images failed their checksum, were decoded again and mended" in note
    assert dataset.sample_ids[6] in note
    assert (after.notes, after.num_stored) == ([], 0)
    assert (folder / DATA_FILE).read_bytes() == before


@pytest.mark.parametrize("name", [DATA_FILE, INDEX_FILE])
@pytest.mark.parametrize("length", [0, 3, 5 * BLOCK_BYTES + 7])
def test_a_file_that_was_cut_off_is_made_whole(name: str, length: int, dataset: Dataset, cache_folder: Path) -> None:
    """Blocks beyond the end are decoded again; no read ends the process."""
    folder = with_cache(dataset, cache_folder).folder
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: length if name == DATA_FILE else min(length, 43)])

    again = with_cache(dataset, cache_folder)

    assert np.array_equal(again.pixels, without_cache(dataset))
    assert (folder / name).read_bytes() == whole


def test_a_file_cut_off_while_it_is_in_use_is_no_crash(dataset: Dataset, cache_folder: Path) -> None:
    """A mapped file would end the process with SIGBUS."""
    folder = with_cache(dataset, cache_folder).folder
    notes: list[str] = []
    with opened(dataset, cache_folder, notes) as crops:
        batches = iter_batches(dataset, GEOMETRY, batch_size=1, num_threads=1, cache=crops)
        parts = [next(batches).images_NHWC]
        os.truncate(folder / DATA_FILE, 100)
        parts += [batch.images_NHWC for batch in batches]

    assert np.array_equal(np.concatenate(parts), without_cache(dataset))
    assert len(notes) == 1


def test_a_block_in_the_place_of_another_is_found(dataset: Dataset, cache_folder: Path) -> None:
    """A checksum belongs to its position: whole blocks that changed places do not pass."""
    folder = with_cache(dataset, cache_folder).folder
    for name, size in ((DATA_FILE, BLOCK_BYTES), (INDEX_FILE, 8)):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[size : 2 * size] + content[:size] + content[2 * size :])

    again = with_cache(dataset, cache_folder)

    assert np.array_equal(again.pixels, without_cache(dataset))
    assert "2 of 11 images" in again.notes[0]


@pytest.mark.parametrize("text", ["", "{", '{"format_version": 1}', '{"format_version": 99}'])
def test_a_broken_record_is_written_again(text: str, dataset: Dataset, cache_folder: Path) -> None:
    """The blocks speak for themselves."""
    folder = with_cache(dataset, cache_folder).folder
    whole = json.loads((folder / RECORD_FILE).read_text())
    (folder / RECORD_FILE).write_text(text)

    assert with_cache(dataset, cache_folder).num_read == 11
    assert json.loads((folder / RECORD_FILE).read_text()).keys() == whole.keys()


def opened(dataset: Dataset, cache_folder: Path, notes: list[str]) -> CropCache:
    crops = open_crops(cache_folder, dataset, DIGEST, GEOMETRY, "single", on_note=notes.append)
    assert crops is not None
    return crops


def test_the_key_covers_all_that_can_move_a_pixel(
    dataset: Dataset, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contents, geometry, views, and the versions of the decoder: others have caches of their own."""

    def key(digest: str = DIGEST, geometry: Geometry = GEOMETRY, views: ViewKind = "single") -> str:
        crops = open_crops(cache_folder, dataset, digest, geometry, views, on_note=pytest.fail)
        assert crops is not None
        with crops:
            return crops.record.key

    keys = [
        key(),
        key("e" * 64),
        key(geometry=GEOMETRY.model_copy(update={"interpolation": "bicubic"})),
        key(geometry=GEOMETRY.model_copy(update={"resize": 33})),
        key(views="ten-crop"),
    ]
    assert key() == keys[0]
    monkeypatch.setattr("PIL.__version__", "99.0.0")
    keys.append(key())
    monkeypatch.setattr("PIL.features.version_feature", lambda _: "99.0.0")
    keys.append(key())
    monkeypatch.setattr("platform.machine", lambda: "another")
    keys.append(key())

    assert len(set(keys)) == len(keys)


def test_ten_crops_store_one_square_an_image(dataset: Dataset, cache_folder: Path) -> None:
    """The views are cut when they are read: a tenth of the disk."""
    folder = with_cache(dataset, cache_folder, views="ten-crop").folder

    assert (folder / DATA_FILE).stat().st_size == 11 * 32 * 32 * 3


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("num_writes", [0, 1, 8])
def test_a_disk_that_fills_up_is_told_once_and_the_pass_goes_on(
    code: int, num_writes: int, dataset: Dataset, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pixels are right, what was written is whole, and the next run goes on from there."""
    left = [num_writes]
    original = os.pwrite

    def refuse(descriptor: int, content: memoryview, offset: int) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(code, os.strerror(code))
        return original(descriptor, content, offset)

    with monkeypatch.context() as patched:
        patched.setattr(cache_files.os, "pwrite", refuse)
        full = with_cache(dataset, cache_folder, batch_size=3)
    later = with_cache(dataset, cache_folder)

    assert np.array_equal(full.pixels, without_cache(dataset))
    (note,) = full.notes
    assert ("the disk is full" in note) == (code != errno.EIO)
    assert "the evaluation goes on" in note
    assert full.num_stored <= num_writes // 2
    assert (later.num_read, later.notes) == (full.num_stored, [])


def test_a_disk_that_is_really_full_is_told_once(dataset: Dataset, tmp_path: Path) -> None:
    """The same on a file system of 64 KiB; needs the right to mount one in a name space of its own."""
    code = (
        "import sys, json; from pathlib import Path\n"
        "import bench.data.cache as cache; from bench.data.dataset import open_dataset\n"
        "from bench.data.loader import iter_batches; from bench.records.protocol import DatasetSpec, Geometry\n"
        "cache.MARGIN_BYTES = -1 << 40\n"
        "spec = DatasetSpec(name='imagenet-1k', split='val', num_samples=50_000)\n"
        "dataset, geometry = open_dataset(Path(sys.argv[1]), spec, allow_partial=True), Geometry(resize=64, crop=56)\n"
        "notes = []\n"
        "crops = cache.open_crops(Path(sys.argv[2]), dataset, 'd' * 64, geometry, 'single', on_note=notes.append)\n"
        "options = dict(batch_size=2, num_threads=2)\n"
        "with crops: first = [batch.images_NHWC.tobytes() for batch in "
        "iter_batches(dataset, geometry, cache=crops, **options)]\n"
        "plain = [batch.images_NHWC.tobytes() for batch in iter_batches(dataset, geometry, **options)]\n"
        "print(json.dumps([first == plain, crops.num_stored, notes]))\n"
    )
    mount = f"mount -t tmpfs -o size=64k none '{tmp_path}/small' && exec \"$@\""
    (tmp_path / "small").mkdir()
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("no right to mount a small file system (unshare -rm)")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, "sh", sys.executable, "-c", code, dataset.root, tmp_path / "small"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and "mount" in done.stderr:
        pytest.skip(f"no right to mount a small file system ({done.stderr.strip()})")

    assert done.returncode == 0, done.stderr
    are_equal, num_stored, notes = json.loads(done.stdout)
    assert are_equal
    assert 0 < num_stored < 11
    assert len(notes) == 1
    assert "the disk is full" in notes[0]


def test_too_little_disk_is_told_before_anything_is_decoded(
    dataset: Dataset, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing plus a margin must be free; a cache that is whole needs nothing."""
    usage = shutil.disk_usage(cache_folder.parent)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=260 << 20))
    with_cache(dataset, cache_folder)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1 << 20))
    notes: list[str] = []

    assert open_crops(cache_folder, dataset, "e" * 64, GEOMETRY, "single", on_note=notes.append) is None
    assert "No crop cache: 0.0 GB more are needed" in notes[0]
    assert "--cache-dir" in notes[0]
    assert with_cache(dataset, cache_folder).num_read == 11


def test_a_folder_that_cannot_be_made_is_told(dataset: Dataset, tmp_path: Path) -> None:
    """The run goes on without a cache."""
    (tmp_path / "file").write_text("in the way")
    notes: list[str] = []

    assert open_crops(tmp_path / "file", dataset, DIGEST, GEOMETRY, "single", on_note=notes.append) is None
    assert notes[0].startswith("No crop cache: ")


def test_a_cache_of_someone_else_is_read_and_not_written(
    dataset: Dataset, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shared cache that may only be read is used as far as it goes."""
    folder = with_cache(dataset, cache_folder).folder
    with (folder / INDEX_FILE).open("r+b") as index:
        index.write(bytes(24))

    def refuse(path: Path, num_bytes: int) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(cache_files, "_open_grown", refuse)
    shared = with_cache(dataset, cache_folder)

    assert np.array_equal(shared.pixels, without_cache(dataset))
    assert (shared.num_read, shared.num_stored, shared.notes) == (8, 0, [])


def test_a_disk_that_cannot_be_read_is_told_once(
    dataset: Dataset, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pass goes on from the files."""
    with_cache(dataset, cache_folder)
    original = os.preadv

    def refuse(descriptor: int, views: list[memoryview], offset: int) -> int:
        if len(views[0]) > 11 * 8:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return original(descriptor, views, offset)

    monkeypatch.setattr(cache_files.os, "preadv", refuse)
    broken = with_cache(dataset, cache_folder)

    assert np.array_equal(broken.pixels, without_cache(dataset))
    (note,) = broken.notes
    assert "cannot be read" in note


def test_the_first_bad_file_is_named_where_others_are_cached(dataset: Dataset, cache_folder: Path) -> None:
    """Cached images need no file; the first one in canonical order that needs a bad one is told."""
    folder = with_cache(dataset, cache_folder).folder
    with (folder / INDEX_FILE).open("r+b") as index:
        for position in (8, 5):
            index.seek(position * 8)
            index.write(bytes(8))
    for position in (2, 8, 5):
        dataset.samples[position].path.write_bytes(b"not an image")

    with pytest.raises(DataError) as caught:
        with_cache(dataset, cache_folder, batch_size=11, num_threads=4)

    assert str(caught.value).startswith(f"{dataset.samples[5].path}: is not an image")


@pytest.fixture
def many_images(tmp_path: Path, imagenet: ClassTable, photo_bytes: Callable[..., bytes]) -> Dataset:
    """Two hundred and fifty images, for passes in other processes."""
    folder = tmp_path / "val" / imagenet.wnids[0]
    folder.mkdir(parents=True)
    contents = [photo_bytes(40 + number, 60 - number, seed=number) for number in range(10)]
    for number in range(250):
        (folder / f"{folder.name}_{number}.JPEG").write_bytes(contents[number % 10])
    spec = DatasetSpec(name="imagenet-1k", split="val", num_samples=50_000)
    return open_dataset(tmp_path, spec, allow_partial=True)


def passes(what: str, dataset: Dataset, cache_folder: Path, number: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, PASSES, what, dataset.root, cache_folder, str(number)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_twenty_kills_leave_a_cache_that_is_whole_so_far(many_images: Dataset, cache_folder: Path) -> None:
    """`kill -9` at random moments, each followed by a resume: no block is damaged, none is told to be."""
    found = passes("kills", many_images, cache_folder, 20)

    assert len(set(found["missing"])) > 5, "the kills did not fall within the passes"
    assert found["notes"] == []
    assert found["pixels"] == hashlib.sha256(without_cache(many_images)).hexdigest()
    assert with_cache(many_images, cache_folder).num_read == 250


def test_four_processes_fill_one_cache(many_images: Dataset, cache_folder: Path) -> None:
    """At once, with other batch sizes: equal pixels, and one whole cache."""
    found = passes("together", many_images, cache_folder, 4)

    assert found["states"] == [0, 0, 0, 0]
    assert found["pixels"] == [hashlib.sha256(without_cache(many_images)).hexdigest()] * 4
    after = with_cache(many_images, cache_folder)
    assert (after.num_read, after.notes) == (250, [])
    assert len(list((cache_folder / "crops").iterdir())) == 1


def test_photographs_are_the_same_from_the_cache(real_data: Path, cache_folder: Path) -> None:
    """At the geometry of the common protocols, batch sizes and order as they come."""
    spec = DatasetSpec(name="imagenet-1k", split="val", num_samples=50_000)
    photographs = open_dataset(real_data / "imagenet-sample", spec, allow_partial=True, limit=60)
    geometry = Geometry(resize=256, crop=224)
    expected, cold, warm = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    for batch in iter_batches(photographs, geometry, batch_size=1, num_threads=1):
        expected.update(batch.images_NHWC)
    crops = open_crops(cache_folder, photographs, DIGEST, geometry, "single", on_note=pytest.fail)
    assert crops is not None
    with crops:
        for pixels in (cold, warm):
            for batch in iter_batches(photographs, geometry, batch_size=32, num_threads=4, cache=crops):
                pixels.update(batch.images_NHWC)

    assert crops.num_read == crops.num_stored == 60
    assert cold.hexdigest() == warm.hexdigest() == expected.hexdigest()
