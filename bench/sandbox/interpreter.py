"""What a child's Python needs to see of the host: its interpreter, its packages, and the package bench alone."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
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
    paths: tuple[str, ...]
    """What is added to `sys.path`, bench first."""


def python_view(covered: tuple[str, ...] = ("/usr",)) -> PythonView:
    """What must be bound for this very Python and its packages to work.

    Args:
        covered: Folders that are bound already.
    """
    seen = [Path(folder) for folder in covered]
    binds: list[Bind] = []

    def add(source: Path, target: Path) -> None:
        if not any(target.is_relative_to(folder) for folder in seen):
            seen.append(target)
            binds.append(Bind(str(source), str(target)))

    # Outer folders first, so that what they cover is not bound again.
    prefixes = {Path(sys.prefix), Path(sys.base_prefix), *_prefixes_of(sys.executable)}
    for prefix in sorted(prefixes, key=lambda path: len(path.parts)):
        add(prefix.resolve(), prefix)
    site_folders: list[Path] = []
    for name in _NEEDED:
        spec = importlib.util.find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            site = Path(place).parent
            if not any(site.is_relative_to(folder) for folder in seen):
                add(site.resolve(), site)
                site_folders.append(site)
    binds.append(Bind(str(_PACKAGE), f"{RUNNER}/bench"))
    return PythonView(tuple(binds), (RUNNER, *map(str, site_folders)))


def _prefixes_of(executable: str) -> Iterator[Path]:
    """The installation folders that the links from an executable lead through: `<prefix>/bin/python3`."""
    path = Path(executable)
    for _ in range(40):  # as many links as Linux follows
        yield path.parent.parent
        if not path.is_symlink():
            return
        path = Path(os.path.normpath(path.parent / path.readlink()))


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
