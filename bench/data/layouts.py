"""Layouts: where people keep ILSVRC images below a folder, found without opening an image.

    wnid-folders   <split>/<WNID>/*.JPEG
    flat           <split>/ILSVRC2012_val_00000001.JPEG, classes in the development kit's ground truth
    kaggle         ILSVRC/Data/CLS-LOC/<split>, classes in folders (train) or in LOC_val_solution.csv (val)
    tar            ILSVRC2012_img_val.tar, read in place
    class-tars     ILSVRC2012_img_train.tar, or <split>/<WNID>.tar, read in place
    webdataset     <split>/*.tar, or *<split>*.tar beside each other, with a class index or WNID beside each image

The folder that is given may hold the split's folder or be it.
`bench.data.listing` lists what lies there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from bench.data.classes import is_wnid
from bench.errors import DataError

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageFile",
    "Layout",
    "Listing",
    "Place",
    "image_number",
    "is_there",
    "locate",
    "scan",
]

Layout = Literal["wnid-folders", "flat", "kaggle", "tar", "class-tars", "webdataset"]

IMAGE_SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})
"""What timm's readers take as well, compared in lower case; a `.JPEG` may still hold a PNG."""
_KAGGLE_FOLDERS = ("ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC")
_TAR_NAMES = {"train": "ILSVRC2012_img_train.tar", "val": "ILSVRC2012_img_val.tar"}
_ILSVRC_TAR = "ILSVRC2012_"
"""How the names of the published tars begin; other tars may be shards."""
_NUMBERED = re.compile(r"\w+_val_(\d{8})", re.ASCII)
"""Numbered names of validation images; test images have them too, but no published ground truth."""
_SPLITS = ("train", "val", "test")


class ImageFile(NamedTuple):
    """One image of a split: a file, or a slice of a tar."""

    stem: str
    """The name without folder and extension."""
    folder: str | None
    """The name of the folder that it lies in, for layouts with a folder per class."""
    path: Path
    """The image file, or the tar."""
    offset: int
    """Where the image begins in `path`, in bytes."""
    num_bytes: int | None
    """How long it is; None for a whole file."""
    label: str | None = None
    """What is said of its class beside it (WebDataset): an index or a WNID."""


@dataclass(frozen=True)
class Place:
    """Where the images of one split lie."""

    layout: Layout
    """Which layout it is."""
    path: Path
    """The split's folder, or the tar."""
    root: Path
    """What the user gave."""
    has_class_folders: bool
    """Each class has a folder or a tar, named by its WNID."""
    tars: tuple[Path, ...] = ()
    """The tars that hold the images, sorted."""


@dataclass(frozen=True)
class Listing:
    """What lies there."""

    place: Place
    """Where."""
    images: tuple[ImageFile, ...]
    """All image files, in no order."""
    folders: tuple[str, ...]
    """The names of all class folders, empty ones too, sorted."""
    strays: tuple[Path, ...]
    """What is neither an image nor a class folder and is in the way, sorted."""


def image_number(stem: str) -> int | None:
    """The number in a validation image's name such as `ILSVRC2012_val_00000001`, 1-based; None for any other name.

    >>> image_number("ILSVRC2012_val_00000017"), image_number("n01440764_10026")
    (17, None)
    """
    match = _NUMBERED.fullmatch(stem)
    return int(match[1]) if match else None


def locate(root: Path, split: str) -> Place:
    """Where the images of a split lie below `root`.

    Raises:
        DataError: There is nothing at `root`, it cannot be read, or no layout is recognised.
    """
    if root.suffix == ".tar" and is_there(root, Path.is_file):
        return _tar_place(root, root)
    if not is_there(root, Path.is_dir):
        reason = "is not a folder" if is_there(root, Path.exists) else "there is no such folder"
        raise DataError(f"{reason}; give the folder that holds {split}/", path=root)
    for folder in _candidates(root, split):
        if is_there(folder, Path.is_dir) and (place := _recognise(folder, root, split)):
            return place
    if (name := _TAR_NAMES.get(split)) and is_there(root / name, Path.is_file):
        return _tar_place(root / name, root)
    raise DataError(_nothing_found(root, split), path=root)


def _tar_place(path: Path, root: Path) -> Place:
    is_of_tars = path.name == _TAR_NAMES["train"] or is_wnid(path.stem)
    return Place("class-tars" if is_of_tars else "tar", path, root, has_class_folders=is_of_tars, tars=(path,))


def is_there(path: Path, kind: Callable[[Path], bool]) -> bool:
    """Whether there is a file or folder; what may not be looked at counts as absent."""
    try:
        return kind(path)
    except OSError:  # Path.is_dir and its like let "permission denied" through before Python 3.14
        return False


def _candidates(root: Path, split: str) -> list[Path]:
    """The folders that may be the split's own, the likeliest first."""
    inside = [root / split, *(root / folder / split for folder in _KAGGLE_FOLDERS)]
    is_other_split = root.name in _SPLITS and root.name != split
    return inside if is_other_split else [*inside, root]


def _recognise(folder: Path, root: Path, split: str) -> Place | None:
    """What layout a folder has; None when it is not the split's folder."""
    has_folders = has_wnids = has_numbered = False
    for entry in scan(folder):
        if entry.is_dir():
            has_folders = True
            has_wnids = has_wnids or is_wnid(entry.name)
        elif split == "val" and not has_numbered:
            has_numbered = image_number(Path(entry.name).stem) is not None
        if has_wnids:
            break
    in_kaggle = folder.parent.name == "CLS-LOC"
    # A folder named after the split that holds folders is a tree, if perhaps a wrong one; another folder is only
    # taken for a tree when a WNID shows.
    if has_wnids or (has_folders and not has_numbered and folder.name == split):
        return Place("kaggle" if in_kaggle else "wnid-folders", folder, root, has_class_folders=True)
    if has_numbered:
        return Place("kaggle" if in_kaggle else "flat", folder, root, has_class_folders=False)
    return _recognise_tars(folder, root, split)


def _recognise_tars(folder: Path, root: Path, split: str) -> Place | None:
    """Tars of a class each, or shards; those in a folder that is not the split's own have to name the split."""
    names = sorted(entry.name for entry in scan(folder) if entry.name.endswith(".tar") and not entry.is_dir())
    of_classes = [folder / name for name in names if is_wnid(name.removesuffix(".tar"))]
    if of_classes and folder.name == split:
        return Place("class-tars", folder, root, has_class_folders=True, tars=tuple(of_classes))
    shards = [folder / name for name in names if not name.startswith((_ILSVRC_TAR, "."))]
    if folder.name != split:
        shards = [path for path in shards if split in path.name]
    return Place("webdataset", folder, root, has_class_folders=False, tars=tuple(shards)) if shards else None


def _nothing_found(root: Path, split: str) -> str:
    found = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in scan(root))
    shown = ", ".join(found[:8]) + (f" and {len(found) - 8:,} more" if len(found) > 8 else "")
    wanted = [f"{split}/<WNID>/*.JPEG", f"ILSVRC/Data/CLS-LOC/{split}/"]
    if split == "val":
        wanted.append("val/ILSVRC2012_val_*.JPEG with the devkit's ground truth")
    wanted += [name for of_split, name in _TAR_NAMES.items() if of_split == split]
    wanted.append(f"WebDataset shards {split}/*.tar or *{split}*.tar")
    return f"holds no {split} images; looked for {', '.join(wanted)}; found {shown or 'an empty folder'}"


def scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What lies in a folder, in no order.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error}); check its permissions", path=folder) from error
