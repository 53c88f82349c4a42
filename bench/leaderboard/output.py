"""The folder of a site: written whole beside the old one and swapped in, compared, never taken from somebody else.

The file `.bench-site` marks a folder as a site and names what bench made at its top. What else lies there (`.git`,
`CNAME`) is kept and not compared. A file whose inputs or content did not change is not written again: the new folder
gets the old file by a hard link, or has it already where it is built in the spare of a large site. Nothing is ever
written into a folder that readers see.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from bench.errors import StoreError, UsageError
from bench.leaderboard.manifest import Entry, Manifest, Signature
from bench.leaderboard.page import Page, Part
from bench.leaderboard.sharing import can_share, in_another_process, leave_to_another_process
from bench.leaderboard.spare import mirror, remove_others, spare_for
from bench.leaderboard.swap import MARKER, Place, alone_in, foreign, is_folder, link_or_copy, marker_text, own_names

__all__ = ["MARKER", "Page", "Part", "Written", "compare_site", "write_site"]


class Written(NamedTuple):
    """What became of the files of a site."""

    num_files: int
    num_written: int
    """How many are new or have another content than before; the others are the files of the site before."""


def write_site(
    pages: Iterable[Page],
    out: Path,
    *,
    others: Iterable[Page] | None = None,
    manifests: Path | None = None,
    records: Mapping[str, str] | None = None,
) -> Written:
    """Writes a site into a new folder beside `out` and swaps it in; a reader sees the old one or the new one.

    Args:
        pages: The files; `.bench-site` is added.
        out: The site's folder.
        others: More files, which a second process makes at the same time where there can be one.
        manifests: The folder that keeps what each site was made from; without one every page is made anew.
        records: From the name of every record that inputs name to a digest of its bytes.

    Raises:
        UsageError: `out` is a file, or a folder with content that bench did not make.
        StoreError: The disk is full, or the folder cannot be written.
    """
    out = out.resolve()
    _check_is_ours(out)
    with _readable_errors(out), alone_in(out.parent):
        spare = None if manifests is None or others is None else spare_for(manifests, out)
        place = Place(out, spare)
        place.recover()
        try:
            known = Manifest() if manifests is None else Manifest.load(manifests, out, records or {})
            builder = _Builder(out, place.fresh, known)
            if others is not None and can_share():
                with in_another_process(partial(builder.add_all, others)) as built:
                    builder.add_all(pages)
                    builder.merge(built())
            else:
                builder.add_all(chain(pages, others or ()))
            builder.finish()
            if manifests is not None:
                builder.manifest.save(manifests, out, records or {})
            place.swap(in_background=others is not None and can_share())
        finally:
            place.discard()
        if spare is not None and not spare.exists():
            if can_share():
                # The lock is held there too, so the next writer waits.
                leave_to_another_process(partial(mirror, out, spare))
            else:
                mirror(out, spare)
    return Written(len(builder.manifest), builder.num_written)


class _Builder:
    """A new site that takes from the old one what is still right."""

    def __init__(self, old: Path, fresh: Path, known: Manifest) -> None:
        self.manifest = Manifest()
        self.num_written = 0
        self._old, self._fresh, self._known = old, fresh, known
        self._folders = {""}
        if fresh.exists() and not len(known):
            shutil.rmtree(fresh)  # of another version, whose files may stand where there are folders now
        fresh.mkdir(parents=True, exist_ok=True)

    def add_all(self, pages: Iterable[Page]) -> tuple[Manifest, int]:
        """Adds files; returns what a second process tells the first one."""
        for page in pages:
            self._add(page)
        return self.manifest, self.num_written

    def merge(self, built: tuple[Manifest, int]) -> None:
        """Takes over what a second process added."""
        manifest, num_written = built
        self.manifest.update(manifest)
        self.num_written += num_written

    def finish(self) -> None:
        """Adds the marker, and the files that others put beside the pages."""
        own = {MARKER, *(path.partition("/")[0] for path in self.manifest)}
        remove_others(self._fresh, {*self.manifest, MARKER})
        for entry in foreign(self._old) if self._old.exists() else ():
            if entry.name in own:
                message = f"{str(entry)!r} was not made by bench publish, and the site needs its name; move it away"
                raise UsageError(message)
            if not is_folder(entry):
                link_or_copy(str(entry), str(self._fresh / entry.name))
        self._add(Page.of(MARKER, marker_text(own)))

    def _add(self, page: Page) -> None:
        parent = page.path.rpartition("/")[0]
        if parent not in self._folders:
            (self._fresh / parent).mkdir(parents=True, exist_ok=True)
            self._folders.add(parent)
        before, target = f"{self._old}/{page.path}", f"{self._fresh}/{page.path}"
        part = "" if page.part is None else page.part.inputs
        if (lying := _signature(target)) is not None:
            if self.manifest.keep(self._known, page.path, Entry(page.inputs, part, lying)):  # in the spare already
                return
            os.unlink(target)  # noqa: PTH108 - thirty thousand times
        known, signature = self._known.get(page.path), _signature(before)
        if signature is None or known != Entry(page.inputs, part, signature):
            is_whole = known is None or (known.inputs, known.signature) != (page.inputs, signature)
            content = None if is_whole or page.part is None else page.part.into(_read(before))
            content = page.make() if content is None else content
            if signature is None or signature.num_bytes != len(content) or _read(before) != content:
                self.num_written += 1
                signature = _write_new(target, content)
                before = ""
        if before and not link_or_copy(before, target):
            signature = _signature(target)
        if signature is not None:
            self.manifest[page.path] = Entry(page.inputs, part, signature)


def _signature(path: str) -> Signature | None:
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Signature.of(status) if stat.S_ISREG(status.st_mode) else None


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:  # noqa: PTH123 - thirty thousand times
        return stream.read()


def _write_new(path: str, content: bytes) -> Signature:
    """Writes a file that does not exist; plain system calls, which halve the time for small files."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        return Signature.of(os.fstat(descriptor))
    finally:
        os.close(descriptor)


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

    Every page is made and every byte compared; no manifest is trusted.

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
    own = own_names(folder) | {path.partition("/")[0] for path in wanted}
    differing += [f"{name} (not part of the site)" for name in _files(folder, own) if name not in wanted]
    return sorted(differing)


def _files(folder: Path, own: frozenset[str] | set[str]) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.name not in own or entry.name == MARKER:
            continue
        files = (path for path in entry.rglob("*") if path.is_file()) if entry.is_dir() else (entry,)
        yield from (path.relative_to(folder).as_posix() for path in files)


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
