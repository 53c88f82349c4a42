"""Weights that lie in caches of this machine, so that a child without a network finds them.

A submission with code of its own gets nothing from the caches of torch and the Hugging Face hub, but the one file that
its manifest names by link and sha256. Models of a zoo, whose code is the library's, see its cache, read-only.
"""

from __future__ import annotations

import os
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


def cached_weights(submission: LoadedSubmission, cache_folder: Path) -> CachedWeights:
    """The caches that a submission's child may read; weights behind a link are downloaded first, and not opened.

    Raises:
        WeightsError: The download fails.
    """
    model = submission.manifest.model
    binds: list[Bind] = []
    if model.weights is not None and model.weights.startswith("https://"):
        from bench.models.weights import weights_file

        path = weights_file(submission, cache_folder)
        assert path is not None  # noqa: S101 - it has a link
        binds.append(Bind(str(path), f"{_INSIDE}/weights/{path.name}"))
    if submission.source.runs_code:
        return CachedWeights(tuple(binds), _INSIDE, {}, {})
    hub, torch_home = _hub_folder(), _torch_home()
    # Models only: the hub's cache may also hold datasets, with their labels.
    binds += [Bind(str(folder), f"{_INSIDE}/hub/{folder.name}") for folder in sorted(hub.glob("models--*"))]
    if (checkpoints := torch_home / "hub" / "checkpoints").is_dir():
        binds.append(Bind(str(checkpoints), f"{_INSIDE}/torch/hub/checkpoints"))
    return CachedWeights(
        tuple(binds),
        _INSIDE,
        {"HF_HUB_CACHE": f"{_INSIDE}/hub", "TORCH_HOME": f"{_INSIDE}/torch"},
        {"HF_HUB_CACHE": str(hub), "TORCH_HOME": str(torch_home)},
    )


def _cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _hub_folder() -> Path:
    """As huggingface_hub finds it; its own constant would import the library."""
    home = Path(os.environ.get("HF_HOME") or _cache_home() / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or home / "hub")


def _torch_home() -> Path:
    return Path(os.environ.get("TORCH_HOME") or _cache_home() / "torch")
