"""Ground truth of images that lie in one folder or tar: from image number or image name to class index."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from bench.data.classes import ClassTable, is_wnid
from bench.data.layouts import ImageFile, Place, image_number, is_there, locate
from bench.errors import DataError

__all__ = ["DEVKIT_NAMES", "GroundTruth", "find_labels", "label_folders", "read_devkit"]

DEVKIT_NAMES = (
    "ILSVRC2012_validation_ground_truth.txt",
    "ILSVRC2015_clsloc_validation_ground_truth.txt",
)
"""The kits' files: a class id (1-based, the kit's own order) a line, in the order of the images' numbers."""
_DEVKIT_ARCHIVE = "ILSVRC2012_devkit_t12.tar.gz"
_KAGGLE_NAMES = ("LOC_val_solution.csv", "LOC_val_solution.csv.gz")

LabelOf = Callable[[ImageFile], int]


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The labels of a development kit."""

    path: Path
    """The file that they come from."""
    labels_N: npt.NDArray[np.int64]
    """Class index of image number 1, 2, ..., N: not the kit's ids."""

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """The ids of the images that the lines are about, in the same order."""
        return tuple(f"ILSVRC2012_val_{number:08d}" for number in range(1, len(self.labels_N) + 1))


def read_devkit(path: Path, classes: ClassTable) -> GroundTruth:
    """The labels in a kit's `*_validation_ground_truth.txt`.

    Raises:
        DataError: The file cannot be read, or a line is no class id of this dataset.
    """
    return GroundTruth(path, _indices(_read(path, path.read_bytes), path, classes))


def find_labels(place: Place, classes: ClassTable) -> LabelOf:
    """A function that gives the class index of an image in a flat folder or a tar, from the ground truth beside it.

    The label never depends on the position of an image in a listing, so partial sets stay right.

    Raises:
        DataError: No ground truth is found, or it does not fit the class table. The function raises it for images
            that the ground truth does not know.
    """
    if place.layout == "webdataset":
        return partial(_beside_the_image, classes)
    folders = _search_folders(place)
    sources = [(name, _from_devkit) for name in DEVKIT_NAMES] + [(_DEVKIT_ARCHIVE, _from_archive)]
    kaggle = [(name, _from_kaggle) for name in _KAGGLE_NAMES]
    for name, read in [*kaggle, *sources] if place.layout == "kaggle" else [*sources, *kaggle]:
        for folder in folders:
            if is_there(folder / name, Path.is_file):
                return read(folder / name, classes)
    raise DataError(
        f"has no folders per class, and no ground truth lies beside it: looked for {', '.join(DEVKIT_NAMES)} (also in "
        f"a devkit's data/), {_DEVKIT_ARCHIVE} and {_KAGGLE_NAMES[0]} in {place.root}; put one of them there",
        path=place.path,
    )


def label_folders(root: Path, split: str) -> tuple[Path, ...]:
    """The folders in which labels of a split may lie: what holds its images, and all that is searched for labels.

    Args:
        root: What was given as the dataset: a folder, or a tar.
        split: The split.
    """
    top = root if is_there(root, Path.is_dir) else root.parent
    try:
        place = locate(root, split)
    except DataError:  # images in no layout, such as those of a hidden set
        return top, top.resolve().parent
    return tuple(dict.fromkeys((top, place.path if place.path != root else top, *_search_folders(place))))


def _beside_the_image(classes: ClassTable, image: ImageFile) -> int:
    """The class index of an image in a shard: a number counts from 0 in the order of the class table."""
    text = image.label
    index = int(text) if text is not None and text.isascii() and text.isdigit() else None
    if index is None and text is not None:
        index = classes.index_of_wnid(text)
    if index is None or index >= classes.num_classes:
        found = "no class beside it" if text is None else f"the class {text[:40]!r} beside it"
        raise DataError(
            f"has {found}, expected a .cls file, or a .json file with label or wnid, with an index from 0 to "
            f"{classes.num_classes - 1:,} or a WNID of {classes.name}",
            path=f"{image.path}:{image.stem}",
        )
    return index


def _search_folders(place: Place) -> list[Path]:
    """Where ground truth may lie: in the folder that was given and below it, else above or beside the images.

    Outside the given folder only a folder that is named as a devkit is entered: a neighbour may be another dataset.
    """
    root = place.root if is_there(place.root, Path.is_dir) else place.root.parent
    inside = [folder for folder in _subfolders(root) if not is_wnid(folder.name)]
    found = [root, *(folder for sub in inside for folder in (sub, sub / "data")), place.path.parent]
    if place.layout == "kaggle":  # LOC_val_solution.csv lies beside ILSVRC/, four levels above the images
        found += list(place.path.resolve().parents)[:4]
    elif place.path == place.root:
        beside = [folder for folder in _subfolders(root.resolve().parent) if "devkit" in folder.name.lower()]
        found += [root.resolve().parent, *(folder for sub in beside for folder in (sub, sub / "data"))]
    return found


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:  # an unreadable folder holds no ground truth that could be read
        return []


def _from_devkit(path: Path, classes: ClassTable) -> LabelOf:
    return _by_number(read_devkit(path, classes))


def _from_archive(path: Path, classes: ClassTable) -> LabelOf:
    def content() -> bytes:
        with tarfile.open(path) as archive:
            for member in archive:
                if PurePosixPath(member.name).name in DEVKIT_NAMES and (stream := archive.extractfile(member)):
                    return stream.read()
        raise DataError(f"holds no {DEVKIT_NAMES[0]}", path=path)

    return _by_number(GroundTruth(path, _indices(_read(path, content), path, classes)))


def _from_kaggle(path: Path, classes: ClassTable) -> LabelOf:
    content = _read(path, lambda: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    labels = _read_solution(content, path, classes)

    def label_of(image: ImageFile) -> int:
        if image.stem not in labels:
            raise DataError(f"is not among the {len(labels):,} images of {path}", path=image.path)
        return labels[image.stem]

    return label_of


def _read_solution(content: bytes, path: Path, classes: ClassTable) -> Mapping[str, int]:
    """From image id to class index, of `ImageId,PredictionString` with boxes: `n03995372 85 1 499 272 ...`."""
    labels: dict[str, int] = {}
    reader = csv.DictReader(io.StringIO(content.decode("utf-8", errors="replace")))
    for row in reader:
        wnids = (row.get("PredictionString") or "").split()[::5]
        index = classes.index_of_wnid(wnids[0]) if len(set(wnids)) == 1 else None
        if index is None or not row.get("ImageId"):
            found = ", ".join(f"{key}={value!r}" for key, value in row.items())
            raise DataError(
                f"line {reader.line_num} ({found[:80]}) does not name one class of {classes.name}", path=path
            )
        labels[row["ImageId"]] = index
    return labels


def _by_number(truth: GroundTruth) -> LabelOf:
    labels = truth.labels_N.tolist()

    def label_of(image: ImageFile) -> int:
        number = image_number(image.stem)
        if number is None:
            raise DataError(
                "has no number in its name (ILSVRC2012_val_00000001.JPEG), so the ground truth cannot be looked up",
                path=image.path if image.num_bytes is None else f"{image.path}:{image.stem}",
            )
        if not 1 <= number <= len(labels):
            raise DataError(f"{image.stem} is not among the {len(labels):,} lines", path=truth.path)
        return int(labels[number - 1])

    return label_of


def _indices(content: bytes, path: Path, classes: ClassTable) -> npt.NDArray[np.int64]:
    indices = []
    for line_number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
        text = line.strip()
        index = classes.index_of_ilsvrc_id(int(text)) if text.isascii() and text.isdigit() else None
        if index is None:
            raise DataError(
                f"line {line_number} is {line[:40]!r}, expected a class id of {classes.name} "
                f"from 1 to {classes.num_classes:,}",
                path=path,
            )
        indices.append(index)
    if not indices:
        raise DataError("is empty, expected a class id a line", path=path)
    return np.array(indices, dtype=np.int64)


def _read(path: Path, read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(f"cannot be read ({error})", path=path) from error
