"""The keys of `[model]`: which ones a model source takes, and which ones name files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import SubmissionError, nearest
from bench.files import canonical_json
from bench.records.submission import Submission
from bench.registry import LazyTable

if TYPE_CHECKING:
    from bench.models.source import ModelSource

__all__ = ["check_keys", "is_file_name", "named_files"]


def check_keys(manifest: Submission, path: Path, sources: LazyTable[ModelSource]) -> None:
    """Makes sure that the keys of `[model]` are those that its source understands.

    Args:
        manifest: The manifest.
        path: Its file, for messages.
        sources: The table of model sources.

    Raises:
        SubmissionError: Names the key that is unknown to the source, missing, or does not fit another one.
    """
    spec = manifest.model
    if spec.source not in sources:
        raise SubmissionError(
            f"there is no model source {spec.source!r}: {nearest(spec.source, sources)}",
            path=path,
            key="model.source",
        )
    source = sources[spec.source]
    taken = ", ".join(sorted(source.takes))
    for key in sorted(spec.model_fields_set - source.takes - {"source"}):
        raise SubmissionError(
            f"means nothing to source {spec.source!r}, which takes {taken}", path=path, key=f"model.{key}"
        )
    for key in sorted(source.needs):
        if getattr(spec, key) is None:
            raise SubmissionError(f"is missing; source {spec.source!r} needs it", path=path, key=f"model.{key}")
    try:
        canonical_json(spec.kwargs)
    except ValueError as error:
        raise SubmissionError(
            "holds NaN or infinity, which no digest can cover", path=path, key="model.kwargs"
        ) from error
    link = spec.weights or ""
    if "://" in link and not link.startswith("https://"):
        raise SubmissionError(f"{link!r} is no https link; only https is downloaded", path=path, key="model.weights")
    if link.startswith("https://") and spec.sha256 is None:
        raise SubmissionError(
            "is missing; downloaded weights need the sha256 of the file", path=path, key="model.sha256"
        )
    if spec.sha256 is not None and spec.weights is None and spec.file is None:
        raise SubmissionError("there is no file or weights that it could belong to", path=path, key="model.sha256")
    if spec.sha256 is not None and spec.source == "torchvision" and not is_file_name(link) and "://" not in link:
        raise SubmissionError(
            f"weights {link!r} are a name of torchvision's weights enum, whose files torchvision checks itself; "
            "remove the key",
            path=path,
            key="model.sha256",
        )


def is_file_name(weights: str) -> bool:
    """Whether `weights` names a file rather than a member of torchvision's weights enum (which has no dot)."""
    return "." in weights or "/" in weights


def named_files(manifest: Submission) -> dict[str, str]:
    """The keys of `[model]` that name a file in the folder, with the file."""
    spec = manifest.model
    named = {"file": spec.file} if spec.file is not None else {}
    local = spec.weights is not None and "://" not in spec.weights
    if spec.weights is not None and local and (spec.source != "torchvision" or is_file_name(spec.weights)):
        named["weights"] = spec.weights
    return named
