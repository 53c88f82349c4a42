"""What a child's Python needs to see of the host: its interpreter, its packages, and the package bench alone."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import NamedTuple

from bench.sandbox.bubblewrap import Bind

__all__ = ["RUNNER", "PythonView", "is_readable_by_all", "python_view"]

RUNNER = "/runner"
"""Where the sandbox sees the folder that holds the package bench, and nothing else of its repository."""
_PACKAGE = Path(__file__).resolve().parent.parent
_NEEDED = ("torch", "torchvision", "timm", "numpy", "pydantic", "safetensors", "huggingface_hub", "PIL")


class PythonView(NamedTuple):
    """How a child finds its Python."""

    binds: tuple[Bind, ...]
    links: tuple[tuple[str, str], ...]
    """Symbolic links on the way to the interpreter, (text, place): what lies beside them is not shown."""
    paths: tuple[str, ...]
    """What is added to `sys.path`, bench first."""
    needed: tuple[str, ...]
    """Places without which it does not start."""


def python_view(covered: tuple[str, ...] = ("/usr",)) -> PythonView:
    """What must be bound for this very Python and its packages to work.

    Args:
        covered: Folders that are there already, bound or as links.
    """
    seen = [Path(folder) for folder in covered]
    binds: list[Bind] = []

    def add(target: Path) -> None:
        # Where /bin is a link to /usr/bin, Python may take the root for its prefix; all it needs is in /usr.
        if target != Path("/") and not any(target.is_relative_to(folder) for folder in seen):
            seen.append(target)
            binds.append(Bind(str(target.resolve()), str(target)))

    *on_the_way, last = _chain(sys.executable)
    library = Path(os.__file__).parent
    # Outer folders first, so that what they cover is not bound again.
    prefixes = {Path(sys.prefix), Path(sys.base_prefix)}
    if any((last.parent.parent / name / library.name).is_dir() for name in {"lib", sys.platlibdir}):
        prefixes.add(last.parent.parent)
    for prefix in sorted(prefixes, key=lambda path: len(path.parts)):
        add(prefix)
    add(last)
    sites = [
        Path(place).parent
        for name in _NEEDED
        if (spec := importlib.util.find_spec(name)) is not None
        for place in spec.submodule_search_locations or ()
    ]
    site_folders = [site for site in dict.fromkeys(sites) if not any(site.is_relative_to(folder) for folder in seen)]
    for site in site_folders:
        add(site)
    # Of a link in the middle of the way only itself: it may lie in somebody's home.
    links = [
        (os.readlink(place), str(place))  # noqa: PTH115 - the text of the link, as it is
        for place in on_the_way
        if not any(place.is_relative_to(folder) for folder in seen)
    ]
    binds.append(Bind(str(_PACKAGE), f"{RUNNER}/bench"))
    return PythonView(
        binds=tuple(binds),
        links=tuple(links),
        paths=(RUNNER, *map(str, site_folders)),
        needed=tuple(map(str, (*on_the_way, last, library, *dict.fromkeys(sites)))),
    )


def _chain(executable: str) -> list[Path]:
    """An executable, and the files that its link leads to one after the other; the last one is no link."""
    chain = [Path(executable)]
    while chain[-1].is_symlink() and len(chain) <= 40:  # as many links as Linux follows
        chain.append(Path(os.path.normpath(chain[-1].parent / chain[-1].readlink())))
    return chain


def is_readable_by_all() -> bool:
    """Whether a user without rights of its own can read the interpreter and the packages."""
    files = [Path(sys.executable).resolve(), _PACKAGE / "__init__.py"]
    for name in _NEEDED:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            files.append(Path(spec.origin))
    return all(_opens_to_all(file) for file in files)


def _opens_to_all(file: Path) -> bool:
    # Only the nearest two folders: those above are passed by when the outer folder is bound.
    return bool(file.stat().st_mode & 0o004) and all(folder.stat().st_mode & 0o001 for folder in (file.parent,))
