"""Weights that lie in caches of this machine, so that a child without a network finds them.

A submission with code of its own gets nothing from the caches of torch and the Hugging Face hub, but the one file that
its manifest names by link and sha256. Models of a zoo, whose code is the library's, see its cache, read-only.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from bench.models.source import LoadedSubmission
from bench.sandbox.bubblewrap import Bind

__all__ = ["CachedWeights", "cached_weights"]

_INSIDE = "/weights"


class CachedWeights(NamedTuple):
    """Where a child finds weights."""

    binds: tuple[Bind, ...]
    inside: str
    """The cache folder, in the sandbox."""
    variables_inside: dict[str, str]
    """Environment variables, in the sandbox."""
    variables: dict[str, str]
    """The same without a sandbox."""
    is_readable: bool
    """A user without rights of its own can read all of it."""


def cached_weights(submission: LoadedSubmission, cache_folder: Path, *, with_weights: bool = True) -> CachedWeights:
    """The caches that a submission's child may read; weights behind a link are downloaded first, and not opened.

    Args:
        submission: Whose child it is.
        cache_folder: Where downloaded weights are kept.
        with_weights: False gives it no caches, and downloads nothing.

    Raises:
        WeightsError: The download fails.
    """
    if not with_weights:
        return CachedWeights((), _INSIDE, {}, {}, is_readable=True)
    model = submission.manifest.model
    binds: list[Bind] = []
    if model.weights is not None and model.weights.startswith("https://"):
        from bench.models.weights import weights_file

        path = weights_file(submission, cache_folder)
        assert path is not None  # noqa: S101 - it has a link
        binds.append(Bind(str(path), f"{_INSIDE}/weights/{path.name}"))
    if submission.source.runs_code:
        return CachedWeights(tuple(binds), _INSIDE, {}, {}, _are_readable(binds))
    hub, torch_home = _hub_folder(), _torch_home()
    # Models only: the hub's cache may also hold datasets, with their labels.
    name = re.sub(r"[^\w.-]", "?", model.name or "")
    named = sorted(hub.glob(f"models--*--{name}*")) or sorted(hub.glob("models--*"))
    binds += [Bind(str(folder), f"{_INSIDE}/hub/{folder.name}") for folder in named]
    if (checkpoints := torch_home / "hub" / "checkpoints").is_dir():
        binds.append(Bind(str(checkpoints), f"{_INSIDE}/torch/hub/checkpoints"))
    return CachedWeights(
        tuple(binds),
        _INSIDE,
        {"HF_HUB_CACHE": f"{_INSIDE}/hub", "TORCH_HOME": f"{_INSIDE}/torch"},
        {"HF_HUB_CACHE": str(hub), "TORCH_HOME": str(torch_home)},
        _are_readable(binds),
    )


def _are_readable(binds: list[Bind]) -> bool:
    """Whether everybody may read the files; some libraries write theirs for their user alone."""
    tops = [Path(bind.source) for bind in binds]
    files = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*")) if path.is_file()]
    return all(path.stat().st_mode & 0o004 for path in files)


def _cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _hub_folder() -> Path:
    """As huggingface_hub finds it; its own constant would import the library."""
    home = Path(os.environ.get("HF_HOME") or _cache_home() / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or home / "hub")


def _torch_home() -> Path:
    return Path(os.environ.get("TORCH_HOME") or _cache_home() / "torch")
