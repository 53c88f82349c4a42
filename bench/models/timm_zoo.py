"""Model source `timm`: an architecture of timm with its own weights, or with weights of the submission."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import ModelError, SubmissionError, WeightsError, nearest
from bench.models.build import BuiltModel, merged_input
from bench.models.source import LoadedSubmission, ModelSource
from bench.records.submission import InputSpec

if TYPE_CHECKING:
    import torch

__all__ = ["SOURCE", "input_of"]

# These would make timm load a checkpoint on its own, which may hold code.
_REFUSED_KWARGS = frozenset(
    {"cache_dir", "checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict"}
)


def input_of(module: torch.nn.Module) -> InputSpec:
    """What a timm model wants to see, resolved as timm's `validate.py` does: the test size where there is one.

    The resized side is floor(img_size / crop_pct); VOLO's crop_pct of 1.15 makes it smaller than the crop.

    Raises:
        ModelError: The input is not a square RGB image.
    """
    import timm.data

    config = timm.data.resolve_model_data_config(module, use_test_size=True)
    channels, height, width = config["input_size"]
    if channels != 3 or height != width:
        raise ModelError(f"wants inputs of {channels} x {height} x {width}; only square RGB images are evaluated")
    crop_pct = float(config["crop_pct"])
    return InputSpec(
        img_size=height,
        crop_pct=min(crop_pct, 1.0),
        crop_mode=config["crop_mode"],
        interpolation=config["interpolation"],
        resize=math.floor(height / crop_pct) if crop_pct > 1 else None,
        mean=_colour(config["mean"]),
        std=_colour(config["std"]),
    )


def _build(submission: LoadedSubmission, cache_folder: Path, with_weights: bool) -> BuiltModel:
    from bench.models.weights import load_into, weights_file

    model = submission.manifest.model
    name = model.name or ""
    if refused := sorted(_REFUSED_KWARGS & model.kwargs.keys()):
        raise SubmissionError(
            "is not taken: weights come from `weights`, or from timm when that is left out",
            path=submission.manifest_path,
            key=f"model.kwargs.{refused[0]}",
        )
    _check_name(submission, name, pretrained=with_weights and model.weights is None)
    weights = weights_file(submission, cache_folder) if with_weights else None
    network = _created(submission, name, model.kwargs, pretrained=with_weights and weights is None)
    notes = load_into(network, weights) if weights is not None else ()
    return BuiltModel(module=network, input=merged_input(submission.manifest.input, input_of(network)), notes=notes)


SOURCE = ModelSource(
    takes=frozenset({"name", "kwargs", "weights", "sha256"}),
    needs=frozenset({"name"}),
    runs_code=False,
    build=_build,
)


def _check_name(submission: LoadedSubmission, name: str, *, pretrained: bool) -> None:
    """Makes sure that the installed timm knows the architecture and the tag, and has weights where they are wanted."""
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise SubmissionError(
            f"timm {timm.__version__} has no model {architecture!r}: {nearest(architecture, timm.list_models())}",
            path=submission.manifest_path,
            key="model.name",
        )
    if not (pretrained or tag):
        return
    known = timm.list_pretrained(f"{architecture}.*") or [
        found for found in timm.list_pretrained() if found.partition(".")[0] == architecture
    ]
    if (tag and name not in known) or not known:
        raise SubmissionError(
            f"timm {timm.__version__} has no weights {name!r}: {nearest(name, known)}",
            path=submission.manifest_path,
            key="model.name",
        )


def _created(submission: LoadedSubmission, name: str, kwargs: dict[str, Any], *, pretrained: bool) -> torch.nn.Module:
    import timm

    try:
        network: torch.nn.Module = timm.create_model(name, pretrained=pretrained, **kwargs)
    except Exception as error:  # the hub's client raises a dozen unrelated types, and kwargs reach any constructor
        first = (str(error).strip().splitlines() or [""])[0]
        if pretrained and _is_download_error(error):
            raise WeightsError(
                f"the weights of {name!r} cannot be downloaded ({type(error).__name__}: {first}); connect to the "
                "network once, or name a file in `weights`",
                path=submission.manifest_path,
                key="model.name",
            ) from error
        raise ModelError(
            f"timm.create_model({name!r}) raised {type(error).__name__}: {first}",
            path=submission.manifest_path,
            key="model.kwargs",
        ) from error
    return network


def _is_download_error(error: BaseException) -> bool:
    """Whether a network error lies anywhere in the chain of causes; huggingface_hub wraps them."""
    current: BaseException | None = error
    while current is not None:
        package = type(current).__module__.partition(".")[0]
        if isinstance(current, OSError) or package in ("httpx", "httpcore", "requests", "urllib3", "huggingface_hub"):
            return True
        current = current.__cause__ or current.__context__
    return False


def _colour(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
