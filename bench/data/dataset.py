"""A dataset: the images of one split in canonical order, each with its class, checked before anything is decoded.

Shape letters: N samples.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.data.classes import ClassTable, class_table, is_wnid
from bench.data.folder_classes import ANY_FOLDERS, folder_classes
from bench.data.groundtruth import find_labels
from bench.data.layouts import ImageFile, Layout, Listing, image_number, locate
from bench.data.listing import list_images
from bench.errors import DataError, UsageError, nearest
from bench.records.protocol import DatasetSpec

__all__ = ["Dataset", "Sample", "check_folders", "open_dataset", "read_sample", "samples_of"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and its class."""

    id: str
    """`ILSVRC2012_val_00000001` for numbered names, so that all layouts agree; else `<WNID>/<stem>`."""
    label: int
    """The class index."""
    path: Path
    """The image file, or the tar that holds it."""
    offset: int
    """Where the image begins in `path`, in bytes."""
    num_bytes: int | None
    """How long it is; None for a whole file."""

    @property
    def shown(self) -> str:
        """How messages name it."""
        return str(self.path) if self.num_bytes is None else f"{self.path}:{self.id}"


@dataclass(frozen=True, eq=False)
class Dataset:
    """The images of one split, sorted by id."""

    name: str
    """The class table's name."""
    split: str
    """Which part of the dataset."""
    root: Path
    """The folder that was given."""
    layout: Layout
    """How the images lie there."""
    classes: ClassTable
    """The classes."""
    samples: tuple[Sample, ...]
    """The images, sorted by id."""
    complete: bool
    """All images and all classes of the split are there."""

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def sample_ids(self) -> tuple[str, ...]:
        """The ids, sorted, each once."""
        return tuple(sample.id for sample in self.samples)

    @cached_property
    def labels_N(self) -> npt.NDArray[np.int64]:
        """Class index per sample, int64, not writable."""
        labels_N = np.fromiter((sample.label for sample in self.samples), dtype=np.int64, count=len(self.samples))
        labels_N.flags.writeable = False
        return labels_N


def open_dataset(
    root: Path,
    spec: DatasetSpec,
    *,
    allow_partial: bool = False,
    limit: int | None = None,
    index_folder: Path | None = None,
) -> Dataset:
    """The images of a split below `root`, in whichever layout they lie there.

    Args:
        root: The folder that holds the split, or is it; or one of the published tars.
        spec: Which dataset and split, and how many images it has.
        allow_partial: Take what is there: classes and images may be missing, stray files are passed over.
        limit: Keep the first so many in canonical order; the rest need not be there.
        index_folder: Where indexes of tars are kept; None reads their headers each time.

    Raises:
        DataError: Nothing is recognised, a folder is no class, a file is in the way, an image has no known class, or
            (without `allow_partial` and `limit`) classes or images are missing.
        UsageError: There is no such dataset, or `limit` is not positive.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit is {limit}, expected 1 or more images")
    known = None if spec.name == ANY_FOLDERS else class_table(spec.name)
    listing = list_images(locate(root, spec.split), index_folder=index_folder)
    classes = known or folder_classes(listing)
    check_folders(listing, classes)
    samples = samples_of(listing, classes)
    is_partial = allow_partial or limit is not None
    if not is_partial:
        _check_no_strays(listing)
        _check_classes(samples, listing, classes)
        _check_count(samples, listing, spec)
    if not samples:
        raise DataError(f"holds no image of the {spec.split} split", path=listing.place.path)
    present = len({sample.label for sample in samples})
    kept = samples if limit is None else samples[:limit]
    return Dataset(
        name=spec.name,
        split=spec.split,
        root=root,
        layout=listing.place.layout,
        classes=classes,
        samples=kept,
        complete=len(kept) == (spec.num_samples or len(samples)) == len(samples) and present == classes.num_classes,
    )


def read_sample(sample: Sample) -> bytes:
    """The bytes of an image file, undecoded.

    Raises:
        DataError: The file cannot be read, or the tar ends within it.
    """
    try:
        if sample.num_bytes is None:
            return sample.path.read_bytes()
        with sample.path.open("rb", buffering=0) as stream:
            content = os.pread(stream.fileno(), sample.num_bytes, sample.offset)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})", path=sample.shown) from error
    if len(content) != sample.num_bytes:
        raise DataError("is cut off: the tar ends within it; download it again", path=sample.shown)
    return content


def samples_of(listing: Listing, classes: ClassTable) -> tuple[Sample, ...]:
    """The samples of a listing of which all folders are known classes, sorted by id.

    Raises:
        DataError: An image has no known class, or two images have one id.
    """
    if listing.place.has_class_folders:
        folder_labels = {name: classes.index_of_wnid(name) for name in listing.folders}
        samples = [_sample(image, folder_labels[image.folder or ""], image.folder) for image in listing.images]
    else:
        label_of = find_labels(listing.place, classes)
        labels = [label_of(image) for image in listing.images]
        is_sharded = listing.place.layout == "webdataset"
        samples = [
            _sample(image, label, classes.wnids[label] if is_sharded else None)
            for image, label in zip(listing.images, labels, strict=True)
        ]
    samples.sort(key=_id_of)
    for first, second in itertools.pairwise(samples):
        if first.id == second.id:
            raise DataError(f"is the image {first.id!r}, and so is {second.shown}; remove one", path=first.shown)
    return tuple(samples)


def check_folders(listing: Listing, classes: ClassTable) -> None:
    """Makes sure that each class folder is a class of the table.

    Raises:
        DataError: Names the first folder that is not.
    """
    unknown = [name for name in listing.folders if classes.index_of_wnid(name) is None]
    if not unknown:
        return
    path = listing.place.path / unknown[0]
    others = f" ({len(unknown) - 1:,} more folders like it)" if len(unknown) > 1 else ""
    if is_wnid(unknown[0]):
        reason = (
            f"is not one of the {classes.num_classes:,} classes of {classes.name}{others}; is this another dataset?"
        )
    elif is_wnid(classes.wnids[0]):
        reason = f"is not named by a WNID such as {classes.wnids[0]}{others}; rename or remove it"
    else:
        reason = f"is none of the {classes.num_classes:,} classes, {nearest(unknown[0], classes.wnids)}{others}"
    raise DataError(reason, path=path)


def _sample(image: ImageFile, label: int | None, folder: str | None) -> Sample:
    assert label is not None, "check_folders comes first"  # noqa: S101 - our own invariant
    is_numbered = folder is None or image_number(image.stem) is not None
    sample_id = image.stem if is_numbered else f"{folder}/{image.stem}"
    return Sample(sample_id, label, image.path, image.offset, image.num_bytes)


def _id_of(sample: Sample) -> str:
    return sample.id


def _check_no_strays(listing: Listing) -> None:
    if listing.strays:
        others = f" ({len(listing.strays) - 1:,} more like it)" if len(listing.strays) > 1 else ""
        raise DataError(
            f"is no image of a known class{others}; remove it, or pass --allow-partial to pass over it",
            path=listing.strays[0],
        )


def _check_classes(samples: Iterable[Sample], listing: Listing, classes: ClassTable) -> None:
    present = {sample.label for sample in samples}
    missing = [index for index in range(classes.num_classes) if index not in present]
    if missing:
        first = ", ".join(f"{classes.wnids[index]} ({classes.names[index]})" for index in missing[:3])
        raise DataError(
            f"misses {len(missing):,} of the {classes.num_classes:,} classes of {classes.name}, first {first}; "
            "complete it, or evaluate what is there with bench evaluate --allow-partial, never ranked",
            path=listing.place.path,
        )


def _check_count(samples: tuple[Sample, ...], listing: Listing, spec: DatasetSpec) -> None:
    if spec.num_samples and len(samples) != spec.num_samples:
        raise DataError(
            f"holds {len(samples):,} {spec.split} images, the protocol needs {spec.num_samples:,}; "
            "complete it, or evaluate what is there with bench evaluate --allow-partial, never ranked",
            path=listing.place.path,
        )
