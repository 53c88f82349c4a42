"""From a submission to a model that can be called: on the CPU, in float32, in evaluation mode."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import ModelError, SubmissionError
from bench.records.submission import InputSpec

if TYPE_CHECKING:
    import torch

    from bench.models.source import LoadedSubmission

__all__ = ["BuiltModel", "build_model", "merged_input"]


@dataclass(frozen=True, kw_only=True)
class BuiltModel:
    """A model and what it wants to see."""

    module: torch.nn.Module
    """Maps normalised float32 images (N, 3, H, W) to logits (N, num_outputs)."""
    input: InputSpec
    """Its own geometry and its normalisation."""
    notes: tuple[str, ...] = ()
    """What a reader should know about how it was built."""


def build_model(
    submission: LoadedSubmission, *, cache_folder: Path, with_weights: bool = True, seed: int = 0
) -> BuiltModel:
    """The model of a submission, on the CPU, in float32, in evaluation mode, without gradients.

    Args:
        submission: What `open_submission` returned.
        cache_folder: Where downloaded weights are kept.
        with_weights: False leaves the weights as the factory or the zoo initialises them.
        seed: The seed of weights that are drawn.

    Raises:
        SubmissionError: The source has no model to run, or its keys do not fit.
        WeightsError: Weights are missing, altered, unsafe, or do not fit the model.
        ModelError: The factory or the zoo raises, or returns no module.
    """
    import torch

    build = submission.source.build
    if build is None:
        raise SubmissionError(
            f"source {submission.manifest.model.source!r} holds answers and no model; `bench score` or "
            "`bench evaluate` reads them",
            path=submission.manifest_path,
            key="model.source",
        )
    # Weights that a factory draws must be the same each time, and the caller's generator stays untouched.
    # What a submission prints is no result of ours, so it goes to stderr.
    with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(sys.stderr):
        torch.manual_seed(seed)
        built = build(submission, cache_folder, with_weights)
    try:
        built.module.to(device="cpu", dtype=torch.float32).requires_grad_(False)
    except (NotImplementedError, RuntimeError) as error:  # parameters without data, on the device "meta"
        raise ModelError(f"the model cannot be moved to the CPU: {error}", path=submission.manifest_path) from error
    # An exported program has its mode frozen in; torch refuses to set it.
    if not getattr(built.module, "mode_is_frozen", False):
        built.module.eval()
    return built


def merged_input(written: InputSpec | None, of_zoo: InputSpec) -> InputSpec:
    """The input of a zoo's model: what the manifest says, and the zoo's own value where it says nothing.

    A size or crop_pct that the manifest sets replaces a resized side that the zoo knows.
    """
    if written is None:
        return of_zoo
    known = of_zoo.model_dump()
    if written.model_fields_set & {"img_size", "crop_pct"}:
        known["resize"] = None
    return InputSpec(**(known | written.model_dump(include=written.model_fields_set)))
