"""Where the data that ships with the package lies: in a wheel inside the package, in a checkout at the top level."""

from __future__ import annotations

from pathlib import Path

__all__ = ["resource_folder"]

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
