"""The folder of a site: written whole beside the old one and swapped in, compared, never taken from somebody else.

The file `.bench-site` marks a folder as a site. What else lies at its top (`.git`, `CNAME`) is kept and not compared.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import xxhash

from bench.errors import StoreError, UsageError

__all__ = ["MARKER", "Page", "compare_site", "write_site"]

MARKER = ".bench-site"
_MARKER_TEXT = "Made by bench publish; the next run replaces the pages in this folder.\n"
_OWN = frozenset({MARKER, "index.html", "index.json", "results.csv", "assets", "boards", "submissions"})
"""What a site has at its top; everything else there belongs to somebody else."""


class Page(NamedTuple):
    """One file of a site, made when it is needed."""

    path: str
    """Where it lies, relative to the site, with slashes."""
    inputs: str
    """A digest of everything that its content is made from, beside bench's own code and templates."""
    make: Callable[[], bytes]
    """Makes the content; called at most once."""

    @classmethod
    def of(cls, path: str, content: bytes | str) -> Page:
        """A file whose content is at hand."""
        held = content.encode() if isinstance(content, str) else content
        return cls(path, xxhash.xxh3_128_hexdigest(held), lambda: held)

    @classmethod
    def lazy(cls, path: str, inputs: object, make: Callable[[], bytes | str]) -> Page:
        """A file whose content is made only where its inputs changed.

        Args:
            path: Where it lies.
            inputs: What the content is made from; equal inputs have equal `repr` in every process.
            make: Makes the content.
        """

        def encoded() -> bytes:
            content = make()
            return content.encode() if isinstance(content, str) else content

        return cls(path, xxhash.xxh3_128_hexdigest(repr(inputs).encode()), encoded)


def write_site(pages: Iterable[Page], out: Path) -> int:
    """Writes a site into a new folder beside `out` and swaps it in; a reader sees the old one or the new one.

    Args:
        pages: The files; `.bench-site` is added.
        out: The site's folder.

    Returns:
        How many files the site has.

    Raises:
        UsageError: `out` is a file, or a folder with content that bench did not make.
        StoreError: The disk is full, or the folder cannot be written.
    """
    out = out.resolve()
    _check_is_ours(out)
    fresh, old = (out.parent / f".{out.name}.{word}" for word in ("bench-new", "bench-old"))
    with _readable_errors(out), _alone_in(out.parent):
        _finish_swap(out, old)  # of a run that was killed between two renames
        if fresh.exists():
            shutil.rmtree(fresh)
        try:
            num_files = _write_pages(pages, fresh)
            if out.exists():
                out.rename(old)
            fresh.rename(out)
            _finish_swap(out, old)
        finally:
            if fresh.exists():
                shutil.rmtree(fresh)
    return num_files


def _write_pages(pages: Iterable[Page], folder: Path) -> int:
    made: set[str] = set()
    folder.mkdir()
    (folder / MARKER).write_text(_MARKER_TEXT, encoding="utf-8")
    num_files = 1
    for page in pages:
        parent = os.path.dirname(page.path)  # noqa: PTH120 - thirty thousand times
        if parent not in made:
            (folder / parent).mkdir(parents=True, exist_ok=True)
            made.add(parent)
        _write_new(f"{folder}/{page.path}", page.make())
        num_files += 1
    return num_files


def _write_new(path: str, content: bytes) -> None:
    """Writes a file that does not exist; plain system calls, which halve the time for small files."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)


def _finish_swap(out: Path, old: Path) -> None:
    """Brings what is not ours from the old folder into the new one and removes the old one."""
    if not old.exists():
        return
    if not out.exists():
        old.rename(out)  # killed before the new folder was in place: the old site is the site
        return
    for entry in _foreign(old):
        if not (out / entry.name).exists():
            entry.rename(out / entry.name)
    shutil.rmtree(old)


def _foreign(folder: Path) -> list[Path]:
    return [entry for entry in sorted(folder.iterdir()) if entry.name not in _OWN]


def _check_is_ours(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{str(out)!r} is a file; name a folder for the site")
    entries = {entry.name for entry in out.iterdir() if not entry.name.startswith(".")}
    if entries and not (out / MARKER).is_file():
        raise UsageError(
            f"{str(out)!r} holds files that bench publish did not make; name another folder, or an empty one"
        )


def compare_site(pages: Iterable[Page], folder: Path) -> list[str]:
    """What differs between a site as it would be written and a folder, a line a file, sorted.

    Raises:
        UsageError: There is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {str(folder)!r} to compare with; publish without --check writes it")
    wanted, differing = set(), []
    for page in pages:
        wanted.add(page.path)
        path = folder / page.path
        if not path.is_file():
            differing.append(f"{page.path} (missing)")
        elif path.read_bytes() != page.make():
            differing.append(f"{page.path} (differs)")
    differing += [f"{name} (not part of the site)" for name in _own_files(folder) if name not in wanted]
    return sorted(differing)


def _own_files(folder: Path) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.name not in _OWN or entry.name == MARKER:
            continue
        files = (path for path in entry.rglob("*") if path.is_file()) if entry.is_dir() else (entry,)
        yield from (path.relative_to(folder).as_posix() for path in files)


@contextmanager
def _alone_in(parent: Path) -> Iterator[None]:
    """Waits until no other process of this machine writes a site into a folder; the kernel ends the right to it."""
    parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _readable_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "the disk is full; the site that was there is unchanged"
        else:
            reason = f"cannot be written ({error.strerror or error})"
        raise StoreError(reason, path=out) from error
