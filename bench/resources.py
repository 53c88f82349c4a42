"""Where files lie: the data that ships (in a wheel inside the package, in a checkout at the top level), and caches."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["default_cache_folder", "resource_folder"]

_PACKAGE = Path(__file__).resolve().parent
_IN_CHECKOUT = {
    "templates": "templates",
    "submissions": "submissions",
    "boards": "leaderboards/boards",
}


def resource_folder(name: str) -> Path:
    """The folder `templates`, `submissions` (the reference entries) or `boards` (the boards that ship)."""
    in_wheel = _PACKAGE / "_resources" / name
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent / _IN_CHECKOUT[name]


def default_cache_folder() -> Path:
    """`BENCH_CACHE_DIR`, or the platform's folder for caches."""
    import platformdirs

    return Path(os.environ.get("BENCH_CACHE_DIR") or platformdirs.user_cache_path("ilsvrc-bench"))
