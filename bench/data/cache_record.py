"""What a crop cache holds and where it lies: its record, its key, its three files.

A crop cache is the folder `<cache folder>/crops/<key>/`:

- `crops.json`: a `CropsRecord`, written first; its mtime says when the cache was last used
- `crops.u8`: for each image the uint8 square that all its views are cut from, one after another; sparse until filled
- `blocks.idx`: for each image the checksum of its square, 8 bytes, little-endian; 0 where the square is not there yet
"""

from __future__ import annotations

import platform
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from bench.data.dataset import Dataset
from bench.data.transforms import ViewKind, uncut_side
from bench.files import digest_of
from bench.records.base import FileRecord, Record
from bench.records.names import Sha256
from bench.records.protocol import Geometry

__all__ = ["CHECKSUM_BYTES", "DATA_FILE", "INDEX_FILE", "RECORD_FILE", "CropsRecord", "Decoder", "crops_folder"]

RECORD_FILE, DATA_FILE, INDEX_FILE = "crops.json", "crops.u8", "blocks.idx"
CHECKSUM_BYTES = 8
_KEY_DIGITS = 16


class Decoder(Record):
    """What turned files into pixels: other versions may differ by a level or two, so they have other caches."""

    name: Literal["pillow"] = "pillow"
    """The library."""
    version: str
    """Its version."""
    jpeg_library: str
    """The JPEG library that it was built with."""
    machine: str
    """The processor's architecture: compilers may round a resize filter's coefficients otherwise on another one."""

    @classmethod
    def here(cls) -> Self:
        """The decoder of this process."""
        import PIL
        from PIL import features

        turbo = features.version_feature("libjpeg_turbo")
        return cls(
            version=PIL.__version__,
            jpeg_library=f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version_codec('jpg')}",
            machine=platform.machine(),
        )


class CropsRecord(FileRecord):
    """Which pixels a crop cache holds. All but the names and the date decide its key."""

    FORMAT_VERSION: ClassVar[int] = 1

    dataset: str
    """The dataset's name."""
    split: str
    """Which part of it."""
    dataset_digest: Sha256
    """The digest of ids, labels and contents of its images."""
    num_samples: Annotated[int, Field(gt=0)]
    """How many images."""
    geometry: Geometry
    """Resize, crop and filter."""
    views: Literal["single", "ten-crop"]
    """Which views are cut from the squares."""
    side: Annotated[int, Field(gt=0)]
    """The side of one square, in pixels."""
    decoder: Decoder
    """What decoded the images."""
    created_at: str
    """When the cache was begun, UTC."""

    @classmethod
    def of(cls, dataset: Dataset, dataset_digest: str, geometry: Geometry, views: ViewKind, now: datetime) -> Self:
        """The record of the crop cache that this process would make.

        Raises:
            DataError: The views cannot be cut with this geometry.
        """
        return cls(
            format_version=cls.FORMAT_VERSION,
            dataset=dataset.name,
            split=dataset.split,
            dataset_digest=dataset_digest,
            num_samples=len(dataset),
            geometry=geometry,
            views=views,
            side=uncut_side(geometry, views),
            decoder=Decoder.here(),
            created_at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        )

    @property
    def key(self) -> str:
        """16 hex digits that differ where the pixels or their order may differ."""
        content = {key: value for key, value in self.as_json().items() if key not in _NOT_IN_KEY}
        return digest_of(content)[:_KEY_DIGITS]

    @property
    def block_bytes(self) -> int:
        """The size of one square, in bytes."""
        return self.side * self.side * 3

    @property
    def data_bytes(self) -> int:
        """The size of the whole cache once it is filled, in bytes."""
        return self.num_samples * (self.block_bytes + CHECKSUM_BYTES)


_NOT_IN_KEY = frozenset({"dataset", "split", "created_at"})


def crops_folder(cache_folder: Path) -> Path:
    """The folder of all crop caches."""
    return cache_folder / "crops"
