"""Where a site lies: a new one takes its place at once, whoever was killed on the way, and others keep what is theirs.

The file `.bench-site` in a site names what bench made at its top; all else there belongs to somebody else.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from bench.leaderboard.sharing import leave_to_another_process

__all__ = [
    "MARKER",
    "Place",
    "alone_in",
    "exchange",
    "foreign",
    "is_folder",
    "link_or_copy",
    "marker_text",
    "own_names",
]

MARKER = ".bench-site"
_NOTE = "Made by bench publish, as is all that is listed here; the next run replaces it."
_OWN_BEFORE = frozenset({MARKER, "index.html", "index.json", "results.csv", "assets", "boards", "submissions"})
"""What a site had at its top when the marker did not list it."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_CANNOT = frozenset({errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP})
"""What a kernel or a file system answers that has no exchange, and a sandbox that does not allow it."""
_NO_LINKS = frozenset({errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP})


@lru_cache(maxsize=1)
def _renameat2() -> Callable[..., int] | None:
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    return function


def exchange(one: Path, other: Path) -> bool:
    """Lets two folders change places at once, so that each path always leads to a whole one of the two.

    Returns:
        False where that cannot be done here; nothing has changed then.

    Raises:
        OSError: One of them cannot be renamed.
    """
    function = _renameat2()
    if function is None:
        return False
    if function(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def link_or_copy(source: str, target: str) -> bool:
    """Gives a file a second name, or copies it with its times where the file system has no links.

    Returns:
        Whether both names now lead to one file.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copy2(source, target, follow_symlinks=False)
        return False
    return True


@contextmanager
def alone_in(parent: Path) -> Iterator[None]:
    """Waits until no other process of this machine writes a site into a folder; the kernel ends the right to it."""
    parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Place:
    """A site's folder and the three beside it through which a new site comes in.

    Args:
        out: The site's folder.
        spare: Where an older site is kept, to build the new one from; None where none is.
    """

    def __init__(self, out: Path, spare: Path | None = None) -> None:
        self.out = out
        self._beside, self._ready, self._old = (
            out.parent / f".{out.name}.bench-{word}" for word in ("new", "next", "old")
        )
        self._spare = spare
        self.fresh = spare or self._beside
        """Where a new site is built; `_ready` holds a whole one."""

    def recover(self) -> None:
        """Mends what a run left that was killed: half a site, a whole one, or a site that was to be replaced."""
        if self._beside.exists():
            shutil.rmtree(self._beside)
        if self._spare is not None and self._spare.exists():
            self._adopt(self._spare)
        if self._old.exists():
            if self.out.exists():
                self._retire(self._old, files=True)
            else:
                self._old.rename(self.out)  # killed between two renames: the old site is the site
        if self._ready.exists():
            self._retire(self._ready)

    def swap(self, *, in_background: bool = False) -> None:
        """Puts the new site in place and removes the old one; a reader of `out` finds one of them, whole.

        Args:
            in_background: Do not wait until the files of the old one are removed; for thousands of them.
        """
        if self._spare is not None and self.out.exists() and exchange(self._spare, self.out):
            self._adopt(self._spare)
            return
        self.fresh.rename(self._ready)
        if not self.out.exists():
            self._ready.rename(self.out)
        elif exchange(self._ready, self.out):
            self._retire(self._ready, in_background=in_background)
        else:
            self.out.rename(self._old)
            self._ready.rename(self.out)
            self._retire(self._old, in_background=in_background)

    def _retire(self, old: Path, *, files: bool = False, in_background: bool = False) -> None:
        """Brings what is not ours from an old site into the new one; removes the old."""
        self._adopt(old, files=files)
        if in_background:
            # The lock of `alone_in` is held there too, so the next writer waits; what a kill leaves it removes.
            leave_to_another_process(partial(shutil.rmtree, old, ignore_errors=True))
        else:
            shutil.rmtree(old)

    def discard(self) -> None:
        """Removes a half-built site; what was begun in the spare is no site, and is mended by the next one."""
        if self._spare is None and self.fresh.exists():
            shutil.rmtree(self.fresh)

    def _adopt(self, old: Path, *, files: bool = False) -> None:
        """Brings what is not ours from an old site into the new one, which has its files already."""
        for entry in foreign(old) if self.out.exists() else ():
            if (files or is_folder(entry)) and not os.path.lexists(self.out / entry.name):
                entry.rename(self.out / entry.name)


def is_folder(path: Path) -> bool:
    """Whether a path is a folder and no link to one."""
    return path.is_dir() and not path.is_symlink()


def marker_text(own: Iterable[str]) -> str:
    """The content of the marker of a site with these names at its top."""
    return json.dumps({"format_version": 1, "note": _NOTE, "own": sorted(own)}, indent=1) + "\n"


def own_names(folder: Path) -> frozenset[str]:
    """What bench made at the top of a folder, by its marker; nothing where there is none."""
    try:
        record: Any = json.loads((folder / MARKER).read_bytes())
        return frozenset(map(str, record["own"]))
    except FileNotFoundError:
        return frozenset()
    except (ValueError, TypeError, KeyError):
        return _OWN_BEFORE  # a marker of a version that wrote a sentence


def foreign(folder: Path) -> list[Path]:
    """What lies at the top of a folder and is not ours."""
    own = own_names(folder)
    return [entry for entry in sorted(folder.iterdir()) if entry.name not in own]
