"""Model source `torchvision`: a classification model with a member of its weights enum, or with other weights."""

from __future__ import annotations

import math
import urllib.error
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import ModelError, SubmissionError, WeightsError, nearest
from bench.models.build import BuiltModel, merged_input
from bench.models.keys import is_file_name
from bench.models.source import LoadedSubmission, ModelSource
from bench.records.submission import InputSpec

if TYPE_CHECKING:
    import torch

__all__ = ["SOURCE", "input_of"]

_REFUSED_KWARGS = frozenset({"progress", "weights", "weights_backbone"})
# What torchvision's constructors change when they get a member of the weights enum: the published weights of these
# two expect inputs scaled as in the original papers, and GoogLeNet drops its auxiliary classifiers.
_AS_WITH_WEIGHTS = {
    "googlenet": {"transform_input": True, "aux_logits": False, "init_weights": False},
    "inception_v3": {"transform_input": True, "init_weights": False},
}


def input_of(preset: Any) -> InputSpec:
    """What torchvision's preset `ImageClassification` does, as an input.

    The preset belongs to the weights and not to the architecture, and its resized side follows from no crop_pct, so
    it is written into `resize`.

    Args:
        preset: What `weights.transforms()` returned.
    """
    (crop,), (resize,) = preset.crop_size, preset.resize_size
    return InputSpec(
        img_size=crop,
        crop_pct=min(crop / resize, 1.0),
        resize=resize,
        interpolation=preset.interpolation.value,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


def _build(submission: LoadedSubmission, cache_folder: Path, with_weights: bool) -> BuiltModel:
    from bench.models.weights import load_into, weights_file

    model = submission.manifest.model
    if refused := sorted(_REFUSED_KWARGS & model.kwargs.keys()):
        raise SubmissionError(
            "is not taken; use `weights`", path=submission.manifest_path, key=f"model.kwargs.{refused[0]}"
        )
    _check_name(submission, model.name or "")
    if model.weights is not None and not is_file_name(model.weights):
        member = _member(submission, model.name or "", model.weights)
        network = _created(submission, member if with_weights else None, _AS_WITH_WEIGHTS.get(model.name or "", {}))
        return BuiltModel(module=network, input=merged_input(submission.manifest.input, input_of(member.transforms())))
    if with_weights and model.weights is None:
        raise WeightsError(
            "is missing: with random weights the model can be trained but not evaluated; name a member of the weights "
            "enum, a file, or an https link",
            path=submission.manifest_path,
            key="model.weights",
        )
    network = _created(submission, None, {})
    weights = weights_file(submission, cache_folder) if with_weights else None
    notes = load_into(network, weights) if weights is not None else ()
    return BuiltModel(module=network, input=submission.manifest.input or InputSpec(), notes=notes)


SOURCE = ModelSource(
    takes=frozenset({"name", "kwargs", "weights", "sha256"}),
    needs=frozenset({"name"}),
    runs_code=False,
    build=_build,
)


def _check_name(submission: LoadedSubmission, name: str) -> None:
    import torchvision

    # Only the module itself: its submodules hold detection, segmentation and video models.
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise SubmissionError(
            f"torchvision {torchvision.__version__} has no classification model {name!r}: {nearest(name, known)}",
            path=submission.manifest_path,
            key="model.name",
        )


def _member(submission: LoadedSubmission, name: str, weights: str) -> Any:
    """The member of the model's weights enum.

    Raises:
        WeightsError: There is no such member, or its classifier was never trained (VGG-16's features).
    """
    import torchvision

    enum = torchvision.models.get_model_weights(name)
    if weights not in enum.__members__:
        raise WeightsError(
            f"torchvision {torchvision.__version__} has no weights {weights!r} of {name}: "
            f"{nearest(weights, enum.__members__)}",
            path=submission.manifest_path,
            key="model.weights",
        )
    member = enum[weights]
    scores = member.meta.get("_metrics", {}).get("ImageNet-1K", {})
    if math.isnan(scores.get("acc@1", math.nan)):
        raise WeightsError(
            f"{weights!r} are features without a trained classifier; choose other weights",
            path=submission.manifest_path,
            key="model.weights",
        )
    return member


def _created(submission: LoadedSubmission, member: Any, as_with_weights: dict[str, bool]) -> torch.nn.Module:
    import torchvision

    model = submission.manifest.model
    kwargs = model.kwargs if member is not None else as_with_weights | model.kwargs
    try:
        with warnings.catch_warnings():
            # GoogLeNet and Inception announce another initialisation each time they start from random weights.
            warnings.filterwarnings("ignore", message=".*default weight initialization.*", category=FutureWarning)
            network: torch.nn.Module = torchvision.models.get_model(model.name, weights=member, **kwargs)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise WeightsError(
            f"cannot be downloaded from {member.url} ({getattr(error, 'reason', None) or error}); connect to the "
            "network once, or name a file in `weights`",
            path=submission.manifest_path,
            key="model.weights",
        ) from error
    except Exception as error:  # kwargs reach any constructor, which may raise anything
        raise ModelError(
            f"torchvision.models.{model.name} raised {type(error).__name__}: {error}",
            path=submission.manifest_path,
            key="model.kwargs",
        ) from error
    return network
