"""The site before last of a large site, kept so that the next one is built from it: most of its files are still right.

Its files are other names of the files of the site, so it takes no room but for what changed. It lies in a cache folder,
may be removed at any time, and is never read: a file in it counts only where it is the very file of the last site.
"""

from __future__ import annotations

import os
from collections.abc import Container
from pathlib import Path

import xxhash

from bench.leaderboard.swap import link_or_copy, own_names

__all__ = ["mirror", "remove_others", "spare_for"]


def spare_for(manifests: Path, out: Path) -> Path | None:
    """Where the spare of a site lies; None where it could not change places with the site.

    Args:
        manifests: A cache folder.
        out: The site's folder, absolute.
    """
    spare = manifests / f"{xxhash.xxh3_64_hexdigest(os.fsencode(out))}.spare"
    probe, target = spare.with_suffix(".probe"), out.parent / f".{out.name}.bench-probe"
    try:
        probe.mkdir(parents=True, exist_ok=True)
        probe.rename(target)  # fails from one file system, or one mount of it, to another
        target.rmdir()
    except OSError:
        return None
    return spare


def mirror(site: Path, spare: Path) -> None:
    """Gives every file of a site a second name below `spare`, whose content before is replaced."""
    spare.mkdir(exist_ok=True)
    for name in own_names(site):
        top = site / name
        if top.is_dir():
            for folder, _, files in os.walk(top):
                target = spare / os.path.relpath(folder, site)
                target.mkdir(parents=True, exist_ok=True)
                for file in files:
                    _renew(os.path.join(folder, file), str(target / file))  # noqa: PTH118 - twenty thousand times
        elif top.is_file():
            _renew(str(top), str(spare / name))


def _renew(source: str, target: str) -> None:
    try:
        link_or_copy(source, target)
    except FileExistsError:
        os.unlink(target)  # noqa: PTH108 - twenty thousand times
        link_or_copy(source, target)


def remove_others(folder: Path, wanted: Container[str]) -> None:
    """Removes all files but the wanted ones, and folders that are then empty.

    Args:
        folder: Whose files.
        wanted: Paths relative to the folder, with slashes.
    """
    for parent, names, files in os.walk(folder, topdown=False):
        inside = os.path.relpath(parent, folder)
        prefix = "" if inside == "." else f"{inside}/"
        for name in files:
            if prefix + name not in wanted:
                os.unlink(f"{parent}/{name}")  # noqa: PTH108 - a name from the walk
        for name in names:
            path = Path(parent, name)
            if path.is_symlink():
                path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()
