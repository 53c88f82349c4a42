"""Resized images, kept as pixels: what a training that crops from resized images would otherwise decode in each epoch.

The pixels are those that decoding gives, so nothing else about the training changes. They lie in
`<cache folder>/resized/<key>/`:

- `resized.json`: a `ResizedRecord`, written first; its mtime says when it was last used
- `00000.u8` and so on: a part of consecutive images each: for every image its width, height and checksum (16 bytes,
  little-endian), then the pixels of all of them, RGB; a part is there as a whole or not at all

Shape letters: N images of a part, H height, W width, C = 3 colours.
"""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

from bench.data.cache_files import checksum
from bench.data.cache_record import Decoder
from bench.data.dataset import Dataset, read_sample
from bench.data.transforms import decode, resized
from bench.errors import RecordError, StoreError
from bench.files import digest_of, write_atomic
from bench.records.base import FileRecord
from bench.records.names import Sha256
from bench.records.protocol import Geometry

__all__ = [
    "RECORD_FILE",
    "ResizedImages",
    "ResizedRecord",
    "fill_resized",
    "find_resized",
    "images_in",
    "part_path",
]

_IMAGES_A_PART = 1024
_HEADER = np.dtype([("width", "<u4"), ("height", "<u4"), ("checksum", "<u8")])
RECORD_FILE = "resized.json"
_MARGIN_BYTES = 1 << 30
"""What stays free on the disk."""


class ResizedRecord(FileRecord):
    """Which pixels lie in a folder; all of it decides the folder's name."""

    FORMAT_VERSION: ClassVar[int] = 1

    dataset_digest: Sha256
    """The digest of ids, labels and contents of the images."""
    num_samples: Annotated[int, Field(gt=0)]
    """How many images."""
    geometry: Geometry
    """What they are resized to, and by which filter; its crop plays no part."""
    decoder: Decoder
    """What decoded and resized them."""

    @classmethod
    def of(cls, dataset: Dataset, dataset_digest: str, geometry: Geometry) -> Self:
        """The record of what this process would write."""
        return cls(
            format_version=cls.FORMAT_VERSION,
            dataset_digest=dataset_digest,
            num_samples=len(dataset),
            geometry=geometry.model_copy(update={"crop": geometry.resize}),
            decoder=Decoder.here(),
        )

    def folder(self, cache_folder: Path) -> Path:
        """Where the pixels lie."""
        return cache_folder / "resized" / digest_of(self.as_json())[:16]

    @property
    def num_parts(self) -> int:
        """How many files there are in the end."""
        return -(-self.num_samples // _IMAGES_A_PART)


class _Part(NamedTuple):
    """A file of images, opened."""

    file: int
    """Its descriptor."""
    header_N: npt.NDArray[np.void]
    """Width, height and checksum of each image."""
    offsets_N: npt.NDArray[np.int64]
    """Where each image begins, in bytes."""


class ResizedImages:
    """The pixels in a folder; read by any number of threads at once.

    Args:
        folder: Where they lie.
        record: What they are.
    """

    def __init__(self, folder: Path, record: ResizedRecord) -> None:
        self.folder = folder
        self.record = record
        self._parts: dict[int, _Part | None] = {}
        self._lock = threading.Lock()

    def image(self, position: int) -> Image.Image | None:
        """The resized RGB image of a sample; None where it is not there, or damaged."""
        number, row = divmod(position, _IMAGES_A_PART)
        with self._lock:
            if number not in self._parts:
                self._parts[number] = _opened(part_path(self.folder, number), images_in(self.record, number))
            part = self._parts[number]
        if part is None:
            return None
        width, height, expected = (int(value) for value in part.header_N[row])
        pixels = np.frombuffer(os.pread(part.file, width * height * 3, int(part.offsets_N[row])), dtype=np.uint8)
        if len(pixels) != width * height * 3 or checksum(pixels, position) != expected:
            return None
        return Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)

    def close(self) -> None:
        """Closes the files."""
        with self._lock:
            for part in self._parts.values():
                if part is not None:
                    os.close(part.file)
            self._parts.clear()


def find_resized(cache_folder: Path, dataset: Dataset, dataset_digest: str, geometry: Geometry) -> ResizedImages | None:
    """The resized images of a dataset, as far as they are in a cache folder; None where there are none.

    Args:
        cache_folder: The folder of all caches.
        dataset: The images.
        dataset_digest: Their digest, from `bench.data.contents.dataset_digest`.
        geometry: What they are resized to.
    """
    record = ResizedRecord.of(dataset, dataset_digest, geometry)
    folder = record.folder(cache_folder)
    try:
        if ResizedRecord.load(folder / RECORD_FILE) != record:
            return None
    except (RecordError, OSError):
        return None
    with suppress(OSError):  # of another user, say: then its age is not ours to change
        os.utime(folder / RECORD_FILE)
    return ResizedImages(folder, record)


def fill_resized(
    cache_folder: Path,
    dataset: Dataset,
    dataset_digest: str,
    geometry: Geometry,
    *,
    num_threads: int,
    on_progress: Callable[[int], None] | None = None,
) -> ResizedImages:
    """Decodes and resizes all images into a cache folder; parts that are there already are kept.

    Args:
        cache_folder: The folder of all caches.
        dataset: The images.
        dataset_digest: Their digest, from `bench.data.contents.dataset_digest`.
        geometry: What they are resized to.
        num_threads: How many images are decoded at once.
        on_progress: Takes how many more images are done.

    Raises:
        DataError: An image cannot be read or decoded.
        StoreError: The folder cannot be written, or the disk is too small.
    """
    record = ResizedRecord.of(dataset, dataset_digest, geometry)
    folder = record.folder(cache_folder)
    write_atomic(folder / RECORD_FILE, record.to_text())
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="bench-resize")
    try:
        for number in range(record.num_parts):
            path, count = part_path(folder, number), images_in(record, number)
            if (part := _opened(path, count)) is not None:
                os.close(part.file)
            else:
                _write_part(path, dataset, number * _IMAGES_A_PART, count, geometry, pool)
            if on_progress is not None:
                on_progress(count)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return ResizedImages(folder, record)


def part_path(folder: Path, number: int) -> Path:
    """The file of a part."""
    return folder / f"{number:05d}.u8"


def images_in(record: ResizedRecord, number: int) -> int:
    """How many images a part holds."""
    return min(_IMAGES_A_PART, record.num_samples - number * _IMAGES_A_PART)


def _write_part(
    path: Path, dataset: Dataset, start: int, count: int, geometry: Geometry, pool: ThreadPoolExecutor
) -> None:
    def pixels_of(position: int) -> npt.NDArray[np.uint8]:
        sample = dataset.samples[position]
        return np.asarray(resized(decode(read_sample(sample), sample.shown), geometry))

    def write(target: Path) -> None:
        header_N = np.zeros(count, dtype=_HEADER)
        with target.open("wb") as stream:
            stream.write(header_N.tobytes())
            positions = range(start, start + count)
            for row, pixels_HWC in enumerate(pool.map(pixels_of, positions)):
                height, width, _ = pixels_HWC.shape
                header_N[row] = (width, height, checksum(np.ascontiguousarray(pixels_HWC), start + row))
                stream.write(pixels_HWC.tobytes())
            stream.seek(0)
            stream.write(header_N.tobytes())

    needed = count * geometry.resize**2 * 4  # 4 to 3 is the usual shape of a photograph, in three colours
    free = shutil.disk_usage(path.parent).free
    if free < needed + _MARGIN_BYTES:
        raise StoreError(
            f"has {free / 1e9:.1f} GB free, too little for resized images; free some space or use another cache folder",
            path=path.parent,
        )
    write_atomic(path, write)


def _opened(path: Path, count: int) -> _Part | None:
    """A part's file with its header; None where it is not there or has another length than its header says."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    header = os.pread(file, count * _HEADER.itemsize, 0)
    if len(header) == count * _HEADER.itemsize:
        header_N = np.frombuffer(header, dtype=_HEADER)
        sizes_N = header_N["width"].astype(np.int64) * header_N["height"] * 3
        offsets = list(itertools.accumulate(sizes_N.tolist(), initial=len(header)))
        if os.fstat(file).st_size == offsets[-1]:
            return _Part(file, header_N, np.array(offsets[:-1], dtype=np.int64))
    os.close(file)
    return None
