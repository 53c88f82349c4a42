"""What tars hold, found by reading their headers once: tars of a class each, and the shards of a WebDataset.

The index of a tar is kept beside the cache and taken as long as size and modification time of the tar stay equal: the
headers of ILSVRC2012_img_train.tar lie all over its 138 GB. Images are then read from any place in any order.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from bench.errors import DataError
from bench.files import digest_of, write_atomic

__all__ = ["Member", "class_tar_members", "shard_members"]

_FORMAT = 1
_LABEL_SUFFIXES = ("cls", "json")
_LONGEST_LABEL_BYTES = 1 << 20


class Member(NamedTuple):
    """A file in a tar."""

    name: str
    """Its path in the tar; in a tar of tars `<inner tar>/<path in it>`."""
    offset: int
    """Where it begins in the (outer) tar, in bytes."""
    num_bytes: int
    """How long it is."""
    label: str | None
    """Of an image in a shard: what the file of the same name with the ending `cls`, or `label` or `wnid` in that with
    `json`, says of its class."""


def class_tar_members(path: Path, *, index_folder: Path | None = None) -> tuple[Member, ...]:
    """The files in `<WNID>.tar`, or in the tars of such names within a tar, as in ILSVRC2012_img_train.tar.

    Args:
        path: The tar.
        index_folder: Where indexes are kept; None reads the headers each time.

    Raises:
        DataError: It is no whole, uncompressed tar, or cannot be read.
    """
    return _indexed(path, "classes", _in_class_tar, index_folder)


def shard_members(path: Path, *, index_folder: Path | None = None) -> tuple[Member, ...]:
    """The files of a WebDataset shard that are no labels, each with the label that belongs to its key.

    A key is a path up to the first dot of the file's name (https://github.com/webdataset/webdataset); the files of a
    sample share it. Nothing is unpickled: a label is a number in text, or a word in JSON.

    Args:
        path: The tar.
        index_folder: Where indexes are kept; None reads the headers each time.

    Raises:
        DataError: It is no whole, uncompressed tar, or cannot be read.
    """
    return _indexed(path, "shard", _in_shard, index_folder)


def _indexed(
    path: Path, kind: str, scan: Callable[[Path], Iterator[Member]], index_folder: Path | None
) -> tuple[Member, ...]:
    try:
        stat = path.stat()
        state = {"format": _FORMAT, "kind": kind, "num_bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}
        place = None if index_folder is None else _index_path(path, kind, index_folder)
        if place is not None and (known := _read_index(place, state)) is not None:
            return known
        members = tuple(scan(path))
    except (tarfile.TarError, OSError) as error:
        raise DataError(f"is not a whole, uncompressed tar ({error}); download it again", path=path) from error
    if place is not None:
        write_atomic(place, json.dumps({"state": state, "columns": list(zip(*members, strict=True))}))
    return members


def _index_path(path: Path, kind: str, index_folder: Path) -> Path:
    return index_folder / "indexes" / f"{path.stem}-{digest_of([str(path.resolve()), kind])[:16]}.json"


def _read_index(place: Path, state: dict[str, object]) -> tuple[Member, ...] | None:
    """The members that were found in a tar of this state; None where it has changed or nothing is known."""
    try:
        content = json.loads(place.read_bytes())
        if content["state"] != state:
            return None
        return tuple(Member(*row) for row in zip(*content["columns"], strict=True))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _in_class_tar(path: Path) -> Iterator[Member]:
    with path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        for member in archive:
            if not member.isfile():
                continue
            if PurePosixPath(member.name).suffix != ".tar":
                yield Member(member.name, member.offset_data, member.size, None)
                continue
            stream.seek(member.offset_data)
            yield from _in_inner_tar(stream, member)


def _in_inner_tar(stream: BinaryIO, outer: tarfile.TarInfo) -> Iterator[Member]:
    end = outer.offset_data + outer.size
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        for member in archive:
            if member.offset_data + member.size > end:
                raise tarfile.ReadError(f"{outer.name} ends within {member.name}")
            if member.isfile():
                yield Member(f"{outer.name}/{member.name}", member.offset_data, member.size, None)


def _in_shard(path: Path) -> Iterator[Member]:
    labels: dict[str, dict[str, str | None]] = {}
    files: list[tuple[str, tarfile.TarInfo]] = []
    with tarfile.open(path, mode="r:") as archive:
        for member in archive:
            if not member.isfile():
                continue
            key, suffix = _key_of(member.name)
            if suffix not in _LABEL_SUFFIXES:
                files.append((key, member))
            elif member.size <= _LONGEST_LABEL_BYTES and (content := archive.extractfile(member)) is not None:
                labels.setdefault(key, {})[suffix] = _label_in(content.read(), suffix)
    for key, member in files:
        known = labels.get(key, {})
        label = next((known[suffix] for suffix in _LABEL_SUFFIXES if known.get(suffix) is not None), None)
        yield Member(member.name, member.offset_data, member.size, label)


def _key_of(name: str) -> tuple[str, str]:
    """The key of a file in a shard, and its ending in lower case."""
    path = PurePosixPath(name)
    stem, _, suffix = path.name.partition(".")
    return str(path.with_name(stem)) if stem else name, suffix.lower()


def _label_in(content: bytes, suffix: str) -> str | None:
    text = content.decode("utf-8", errors="replace").strip()
    if suffix == "cls":
        return text
    try:
        fields = json.loads(text)
    except ValueError:
        return None
    found = fields.get("label", fields.get("wnid")) if isinstance(fields, dict) else None
    return str(found) if isinstance(found, str | int) else None
