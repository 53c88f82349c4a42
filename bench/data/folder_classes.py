"""The classes of a dataset that no table knows: its folders.

The training folders decide. A validation set that lacks a class would otherwise shift the indices of those behind it.
"""

from __future__ import annotations

from pathlib import Path

from bench.data.classes import ClassTable, folder_table
from bench.data.layouts import Listing, is_there
from bench.errors import DataError

__all__ = ["ANY_FOLDERS", "folder_classes"]

ANY_FOLDERS = "folders"
"""The dataset's name in protocols that take any folder of classes."""


def folder_classes(listing: Listing) -> ClassTable:
    """The classes of a split: the folders of `train/` where it lies beside the split, else the split's own.

    Raises:
        DataError: The images do not lie in a folder a class, or there are fewer than two classes.
    """
    place = listing.place
    if not place.has_class_folders:
        raise DataError("has no folder a class, so the classes cannot be known; sort the images", path=place.path)
    training = place.path.parent / "train"
    is_beside = place.path.name != training.name and is_there(training, Path.is_dir)
    folders = _folders_in(training) if is_beside else listing.folders
    if len(folders) < 2:
        raise DataError(f"holds {len(folders)} class folders, expected two or more", path=place.path)
    return folder_table(folders)


def _folders_in(path: Path) -> tuple[str, ...]:
    """The names of the folders in a folder, without looking at the images."""
    try:
        return tuple(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error}); check its permissions", path=path) from error
