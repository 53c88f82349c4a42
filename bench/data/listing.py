"""What lies at a place: all image files, class folders and stray files, without opening an image.

Nothing is judged here: unknown folders and stray files are listed, and `bench.data.dataset` decides.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path, PurePosixPath

from bench.data.layouts import IMAGE_SUFFIXES, ImageFile, Listing, Place, scan
from bench.data.tar_index import Member, class_tar_members, shard_members
from bench.errors import DataError

__all__ = ["list_images"]


def list_images(place: Place, *, index_folder: Path | None = None) -> Listing:
    """All images of a place, whatever classes they belong to.

    Args:
        place: Where.
        index_folder: Where indexes of tars are kept; None reads their headers each time.

    Raises:
        DataError: A folder or a tar cannot be read.
    """
    if place.layout == "tar":
        return _list_tar(place)
    if place.layout == "class-tars":
        return _list_class_tars(place, index_folder)
    if place.layout == "webdataset":
        return _list_shards(place, index_folder)
    return _list_tree(place) if place.has_class_folders else _list_flat(place)


def _is_image_name(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - 1.3 million names


def _is_in_the_way(name: str, *, among_images: bool) -> bool:
    """Whether a file that is no image should worry someone.

    Hidden files count when they look like images (`._x.JPEG`, which other loaders count as images), any other
    file only in a folder that is there for images alone.
    """
    if name.startswith("."):
        return _is_image_name(name.lstrip("._"))
    return among_images


def _list_tree(place: Place) -> Listing:
    images: list[ImageFile] = []
    folders: list[str] = []
    strays: list[Path] = []
    for entry in scan(place.path):
        if entry.is_dir():
            if not entry.name.startswith("."):
                folders.append(entry.name)
        elif _is_image_name(entry.name) or _is_in_the_way(entry.name, among_images=place.path != place.root):
            strays.append(place.path / entry.name)
    for name in sorted(folders):
        folder = place.path / name
        for entry in scan(folder):
            if _is_image_name(entry.name) and not entry.is_dir():
                images.append(ImageFile(entry.name.rpartition(".")[0], name, folder / entry.name, 0, None))
            elif entry.is_dir() or _is_in_the_way(entry.name, among_images=True):
                strays.append(folder / entry.name)
    return Listing(place, tuple(images), tuple(sorted(folders)), tuple(sorted(strays)))


def _list_flat(place: Place) -> Listing:
    images: list[ImageFile] = []
    strays: list[Path] = []
    alone = place.path != place.root
    for entry in scan(place.path):
        if entry.is_dir():
            if alone and not entry.name.startswith("."):
                strays.append(place.path / entry.name)
        elif _is_image_name(entry.name):
            images.append(ImageFile(entry.name.rpartition(".")[0], None, place.path / entry.name, 0, None))
        elif _is_in_the_way(entry.name, among_images=alone):
            strays.append(place.path / entry.name)
    return Listing(place, tuple(images), (), tuple(sorted(strays)))


def _list_tar(place: Place) -> Listing:
    images: list[ImageFile] = []
    strays: list[Path] = []
    try:
        with tarfile.open(place.path, "r:") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if member.isfile() and _is_image_name(name):
                    stem = name.rpartition(".")[0]
                    images.append(ImageFile(stem, None, place.path, member.offset_data, member.size))
                elif not member.isdir() and _is_in_the_way(name, among_images=True):
                    strays.append(place.path / member.name)
    except (tarfile.TarError, OSError) as error:
        raise DataError(f"is not a whole, uncompressed tar ({error}); download it again", path=place.path) from error
    return Listing(place, tuple(images), (), tuple(sorted(strays)))


def _list_class_tars(place: Place, index_folder: Path | None) -> Listing:
    images: list[ImageFile] = []
    folders: set[str] = set()
    strays: list[Path] = []
    for path in place.tars:
        for member in class_tar_members(path, index_folder=index_folder):
            parts = PurePosixPath(member.name).parts
            inner = next((part for part in parts[:-1] if part.endswith(".tar")), path.name)
            folder = inner.removesuffix(".tar")
            folders.add(folder)
            _take(member, path, parts[-1], folder, images, strays)
    return Listing(place, tuple(images), tuple(sorted(folders)), tuple(sorted(strays)))


def _list_shards(place: Place, index_folder: Path | None) -> Listing:
    images: list[ImageFile] = []
    for path in place.tars:
        for member in shard_members(path, index_folder=index_folder):
            # A sample's other files, such as captions, are no business of ours.
            _take(member, path, PurePosixPath(member.name).name, None, images, [])
    return Listing(place, tuple(images), (), ())


def _take(
    member: Member, path: Path, name: str, folder: str | None, images: list[ImageFile], strays: list[Path]
) -> None:
    """Puts a tar's member where it belongs."""
    if _is_image_name(name):
        stem = name.rpartition(".")[0]
        images.append(ImageFile(stem, folder, path, member.offset, member.num_bytes, member.label))
    elif _is_in_the_way(name, among_images=True):
        strays.append(path / member.name)
