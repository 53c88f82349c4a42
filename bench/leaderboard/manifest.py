"""What a published file was made from, so that the next publication keeps it where nothing of that changed.

A manifest lies in a cache folder and not in the site, which holds nothing but what follows from the results. It says
of each file the digest of its inputs and what the file system said when it was written. Without a manifest, with
another version of bench, or where somebody touched the file, the file is made again: a manifest can only save time.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, Self

import xxhash

from bench.errors import StoreError
from bench.files import write_atomic
from bench.resources import resource_folder

__all__ = ["Entry", "Manifest", "Signature", "code_digest"]

_FORMAT_VERSION = 4
_RENDERERS = ("jinja2", "markupsafe", "numpy", "pandas", "matplotlib")
"""Packages whose version may move a byte of a page."""


class Signature(NamedTuple):
    """What changes when somebody writes to a file or puts another one in its place."""

    num_bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """The signature of a file."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


class Entry(NamedTuple):
    """What is known of one file."""

    inputs: str
    """The digest of what it was made from, but for its part."""
    part: str
    """The digest of what its part was made from; empty where it has none."""
    signature: Signature


class Manifest:
    """The files of one site.

    Args:
        entries: From path to what is known of the file, as the parts of an `Entry` in a row.
    """

    def __init__(self, entries: dict[str, Any] | None = None) -> None:
        self._entries = {} if entries is None else entries

    def __setitem__(self, path: str, entry: Entry) -> None:
        # Plain tuples travel between processes, and to JSON, much faster than named ones.
        self._entries[path] = (entry.inputs, entry.part, *entry.signature)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def update(self, other: Manifest) -> None:
        """Takes over the entries of another manifest."""
        self._entries.update(other._entries)

    def keep(self, known: Manifest, path: str, entry: Entry) -> bool:
        """Takes an entry over from another manifest where it is this one; returns whether it was."""
        found = known._entries.get(path)
        if found is None or (*found,) != (entry.inputs, entry.part, *entry.signature):
            return False
        self._entries[path] = found
        return True

    def get(self, path: str) -> Entry | None:
        """What is known of a file."""
        entry = self._entries.get(path)
        return None if entry is None else Entry(entry[0], entry[1], Signature(*entry[2:]))

    @classmethod
    def load(cls, folder: Path, site: Path, records: Mapping[str, str]) -> Self:
        """The manifest of a site, or an empty one where there is none that can be read and holds.

        Args:
            folder: Where manifests lie.
            site: The site's folder.
            records: From the name of every record to a digest of its bytes. A page's inputs name records and not their
                content, so that a record that was edited in place makes every page anew.
        """
        try:
            record: Any = json.loads(_path(folder, site).read_bytes())
            if [record[key] for key in ("format_version", "site", "code")] != [
                _FORMAT_VERSION,
                str(site),
                code_digest(),
            ]:
                return cls()
            before = record["records"]
            if any(before.get(name, digest) != digest for name, digest in records.items()):
                return cls()
            return cls(dict(record["files"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def save(self, folder: Path, site: Path, records: Mapping[str, str]) -> None:
        """Keeps the manifest of a site; a cache that cannot be written costs time, and nothing else."""
        record = {
            "format_version": _FORMAT_VERSION,
            "site": str(site),
            "code": code_digest(),
            "records": dict(records),
            "files": self._entries,
        }
        try:
            write_atomic(_path(folder, site), json.dumps(record, separators=(",", ":")))
        except StoreError:
            return


def _path(folder: Path, site: Path) -> Path:
    return folder / f"{xxhash.xxh3_64_hexdigest(os.fsencode(site))}.json"


@lru_cache(maxsize=1)
def code_digest() -> str:
    """A digest of the code, the templates and the packages that make pages; with another one all are made again.

    Kept for the life of the process; a server that watches the templates clears it.
    """
    digest = xxhash.xxh3_128(repr((sys.version_info[:3], _versions())).encode())
    package = Path(__file__).resolve().parents[1]
    for folder in (package, resource_folder("templates")):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.relative_to(folder).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _versions() -> list[str]:
    versions = []
    for name in _RENDERERS:
        try:
            versions.append(metadata.version(name))
        except metadata.PackageNotFoundError:
            versions.append("")
    return versions
