"""Writes a dataset as WebDataset shards: few large files, for storage that is slow to open a million small ones.

The images' bytes are kept as they are, so the digest of the dataset stays what it was.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from bench.data.dataset import Dataset, Sample, read_sample
from bench.data.dice import Dice
from bench.data.folder_classes import ANY_FOLDERS
from bench.errors import DataError
from bench.files import write_atomic

__all__ = ["write_shards"]


def write_shards(
    dataset: Dataset,
    folder: Path,
    *,
    images_a_shard: int,
    seed: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> list[Path]:
    """Writes `<folder>/<split>/<dataset>-<split>-00000.tar` and so on, the images shuffled; equal input, equal bytes.

    Each image has its class index beside it, in a file of the same name with the ending `cls`.

    Args:
        dataset: The images.
        folder: Where the shards go.
        images_a_shard: How many images each holds; the last one the rest.
        seed: Of the order.
        on_progress: Takes how many more images are written.

    Returns:
        The shards, in order.

    Raises:
        DataError: There are shards already, an image cannot be read, its name does not fit a shard, or its class has no
            number but in this dataset.
        StoreError: The disk is full, or the folder cannot be written.
    """
    if dataset.name == ANY_FOLDERS:
        raise DataError("has its folders as classes, which shards do not keep", path=dataset.root)
    place = folder / dataset.split
    if place.is_dir() and any(place.iterdir()):
        raise DataError("holds files already; give an empty or a new folder", path=place)
    names = _names(dataset)
    order = Dice(f"{seed}/shards").order(len(dataset)).tolist()
    paths = []
    for number, start in enumerate(range(0, len(order), images_a_shard)):
        positions = order[start : start + images_a_shard]
        path = place / f"{dataset.name}-{dataset.split}-{number:05d}.tar"

        def write(target: Path, positions: Sequence[int] = positions) -> None:
            with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
                for position in positions:
                    sample = dataset.samples[position]
                    _add(archive, names[position], read_sample(sample))
                    key = names[position].partition(".")[0]
                    _add(archive, f"{key}.cls", str(sample.label).encode())
                    if on_progress is not None:
                        on_progress(1)

        write_atomic(path, write)
        paths.append(path)
    return paths


def _names(dataset: Dataset) -> list[str]:
    """The name of each image in a shard; what comes before the first dot ties it to its label."""
    taken: dict[str, Sample] = {}
    names = []
    for sample in dataset.samples:
        stem = PurePosixPath(sample.id).name
        if "." in stem:
            raise DataError("has a dot in its name, which would end its key in a shard; rename it", path=sample.shown)
        if (other := taken.setdefault(stem, sample)) is not sample:
            raise DataError(f"has the name of {other.shown}, and a shard has no folders; rename one", path=sample.shown)
        suffix = sample.path.suffix.lower() if sample.num_bytes is None else ".jpeg"
        names.append(stem + suffix)
    return names


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
