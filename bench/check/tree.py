"""Rules for a submission's folder: what may lie in it (L10 to L13). Reads names and modes, and the first bytes."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.check.rule import Finding, finding

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_ENTRIES", "Tree", "look_at_tree", "walk"]

MAX_ENTRIES = 10_000
MAX_DEPTH = 32
MAX_BYTES = 16 << 30

_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)
_MAGIC = {
    b"\x7fELF": "a compiled program or library",
    b"MZ": "a Windows program",
    b"\xcf\xfa\xed\xfe": "a compiled program or library",
    b"\xca\xfe\xba\xbe": "a compiled program or library",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a rar archive",
}
_BINARY_SUFFIXES = frozenset({".so", ".dll", ".dylib", ".exe", ".o", ".a", ".pyd", ".whl", ".tar", ".egg"})
_CACHES = frozenset({"__pycache__", ".git", ".hg", ".svn", ".gitmodules", ".gitattributes", ".github", ".githooks"})
_CACHE_SUFFIXES = frozenset({".pyc", ".pyo"})


class Tree(NamedTuple):
    """What lies in a folder, as far as the limits allow."""

    files: list[tuple[str, os.stat_result]]
    """Everything that is no folder, by its path in the folder with `/`, sorted."""
    folders: list[str]
    """The folders, in the same form."""
    unreadable: list[tuple[str, str]]
    """What could not be listed, with the reason."""
    cut: str | None
    """Which limit ended the walk, or None."""


def walk(folder: Path) -> Tree:
    """Everything below a folder without following links, at most `MAX_ENTRIES` entries in `MAX_DEPTH` levels.

    Time and memory stay bounded by these limits however large the folder is.
    """
    files: list[tuple[str, os.stat_result]] = []
    folders: list[str] = []
    unreadable: list[tuple[str, str]] = []
    pending, count = [("", 0)], 0
    while pending:
        relative, depth = pending.pop()
        if depth > MAX_DEPTH:
            return Tree(sorted(files), sorted(folders), unreadable, f"more than {MAX_DEPTH} levels of folders")
        try:
            entries = os.scandir(folder / relative)
        except OSError as error:
            unreadable.append((relative or ".", error.strerror or str(error)))
            continue
        with entries:
            for entry in entries:
                count += 1
                if count > MAX_ENTRIES:
                    return Tree(sorted(files), sorted(folders), unreadable, f"more than {MAX_ENTRIES:,} entries")
                name = f"{relative}/{entry.name}" if relative else entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(name)
                    # What is inside is not looked at: `L13` names the folder.
                    if entry.name not in _CACHES:
                        pending.append((name, depth + 1))
                else:
                    files.append((name, entry.stat(follow_symlinks=False)))
    return Tree(sorted(files), sorted(folders), unreadable, None)


def look_at_tree(folder: Path, tree: Tree, named: frozenset[str]) -> Iterator[Finding]:
    """Breaches of L10 to L13.

    Args:
        folder: The submission's folder.
        tree: What `walk` found in it.
        named: The files that the manifest names, which may be archives.
    """
    for name, reason in tree.unreadable:
        yield finding("L10", f"cannot be read ({reason}); change its permissions", folder / name)
    for name, status in tree.files:
        yield from _kind(folder / name, status)
    for name in [*tree.folders, *(name for name, _ in tree.files)]:
        yield from _name(folder, name)
    yield from _collisions(folder, [*tree.folders, *(name for name, _ in tree.files)])
    if tree.cut is not None:
        yield finding("L11", f"holds {tree.cut}", folder)
    if (size := sum(status.st_size for _, status in tree.files)) > MAX_BYTES:
        yield finding("L11", f"holds {size:,} bytes, at most {MAX_BYTES:,} are taken", folder)
    for name in [*tree.folders, *(name for name, _ in tree.files)]:
        part = name.rpartition("/")[2]
        if part in _CACHES or Path(part).suffix in _CACHE_SUFFIXES:
            yield finding("L13", "is a cache or belongs to a repository; remove it", folder / name)
    for name, status in tree.files:
        if name not in named and stat.S_ISREG(status.st_mode):
            yield from _content(folder / name)


def _kind(path: Path, status: os.stat_result) -> Iterator[Finding]:
    for is_kind, words in _KINDS:
        if is_kind(status.st_mode):
            yield finding("L10", f"is {words}; only plain files and folders are taken", path)
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        yield finding(
            "L10", f"is a hard link: the file has {status.st_nlink} names, one of them may lie elsewhere; copy it", path
        )


def _name(folder: Path, name: str) -> Iterator[Finding]:
    part = name.rpartition("/")[2]
    bad = [character for character in part if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"}]
    if bad:
        yield finding("L10", f"has the character U+{ord(bad[0]):04X} in its name; rename it", folder / name)
    elif "\\" in part or ":" in part:
        yield finding("L10", "has '\\' or ':' in its name, which is a path elsewhere; rename it", folder / name)


def _collisions(folder: Path, names: list[str]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(unicodedata.normalize("NFKC", name).casefold(), name)
        if other != name:
            yield finding(
                "L10", f"is the same file as {other!r} where case or Unicode form do not count", folder / name
            )


def _content(path: Path) -> Iterator[Finding]:
    if path.suffix.lower() in _BINARY_SUFFIXES:
        yield finding("L12", f"is a binary or an archive ({path.suffix}) that the manifest does not name", path)
        return
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except OSError:
        return  # `L10` names what cannot be read where that matters: hashing it fails
    for magic, words in _MAGIC.items():
        if start.startswith(magic):
            yield finding("L12", f"is {words} that the manifest does not name", path)
