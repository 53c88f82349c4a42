"""The images of a hidden set: files without labels in one folder, joined with the labels that were opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.data.classes import class_table
from bench.data.dataset import Dataset, Sample
from bench.data.layouts import IMAGE_SUFFIXES
from bench.errors import DataError
from bench.records.protocol import DatasetSpec

__all__ = ["open_hidden"]


def open_hidden(root: Path, spec: DatasetSpec, labels: Mapping[str, str]) -> Dataset:
    """The images of a hidden set, each with its label.

    Args:
        root: The folder that holds the images, or holds a folder of them named as the split.
        spec: Which dataset and split, and how many images it has.
        labels: From sample id (the file's name without its ending) to WNID.

    Raises:
        DataError: The images and the labels are not about the same sample ids, or are not as many as they must be.
    """
    folder = root / spec.split if (root / spec.split).is_dir() else root
    try:
        images = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES]
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})", path=folder) from error
    paths = {path.stem: path for path in images}
    if len(paths) < len(images):
        raise DataError("holds two images whose names differ only in their endings; remove one", path=folder)
    for first, second, noun in ((labels, paths, "no image"), (paths, labels, "no label")):
        if missing := sorted(set(first) - set(second)):
            raise DataError(
                f"{len(missing):,} sample ids have {noun}, first {missing[0]!r}; give the folder of the hidden set",
                path=folder,
            )
    if len(paths) != spec.num_samples:
        raise DataError(f"holds {len(paths):,} images, the protocol needs {spec.num_samples:,}", path=folder)
    classes = class_table(spec.name)
    samples = []
    for sample_id, path in sorted(paths.items()):
        index = classes.index_of_wnid(labels[sample_id])
        if index is None:
            raise DataError(f"the label of {sample_id!r} is no class of {classes.name}", path=folder)
        samples.append(Sample(sample_id, index, path, 0, None))
    return Dataset(
        name=spec.name,
        split=spec.split,
        root=root,
        layout="flat",
        classes=classes,
        samples=tuple(samples),
        complete=True,
    )
