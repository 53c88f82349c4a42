"""How a child's own failure reads: its words made harmless, its paths as the user knows them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import bench.errors
from bench.errors import BenchError, ChannelError, SubmissionError
from bench.sandbox.printed import harmless

__all__ = ["failure_of", "outside_paths"]

# What a child may say of its own failure. All are failures: it gains nothing by a wrong one.
_ERRORS = ("SubmissionError", "WeightsError", "ModelError", "OutputError", "NonFiniteError", "DeviceError",
           "RecordError", "UsageError", "StoreError")  # fmt: skip


def failure_of(told: Mapping[str, Any], shown: Callable[[str], str]) -> BenchError:
    """The error that a child tells of itself, its texts made harmless line by line.

    Args:
        told: What it said: `kind`, `message`, `path` and `key`.
        shown: From a path inside to the path that the user knows.
    """
    kind = told.get("kind")
    if kind not in _ERRORS:
        return ChannelError(f"its process failed with {harmless(kind, 80)}")
    first, *others = str(told.get("message", "")).splitlines()[:10] or [""]
    message = "\n".join([harmless(first), *(f"  {harmless(line).strip()}" for line in others)])
    path, key = told.get("path"), told.get("key")
    error: BenchError = getattr(bench.errors, kind)(
        shown(message),
        path=None if path is None else shown(harmless(path)),
        key=None if key is None else harmless(key, 80),
    )
    if isinstance(error, SubmissionError) or kind == "DeviceError":
        return error
    return SubmissionError(error.message, path=error.path, key=error.key)


def outside_paths(inside: str | None, folder: Path | None) -> Callable[[str], str]:
    """Turns the paths of a text from those inside into those that the user knows.

    Args:
        inside: Where the submission lies inside; None for nowhere.
        folder: Where it lies outside.
    """
    if inside is None:
        return lambda text: text
    # Whole components of an absolute path: neither the end of /tmp/submission nor the start of /submission.toml.
    place = re.compile(rf"(?<![\w./-]){re.escape(inside)}(?![\w-]|\.\w)")
    return lambda text: place.sub(lambda _: str(folder), text)
