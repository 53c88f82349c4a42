"""What a training starts from: drawn weights, or those that a submission brings, with or without its last layer.

The last layer is not looked for by name: it is what changes its shape with the number of classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.classes import ClassTable
from bench.errors import ModelError, SubmissionError, WeightsError
from bench.models.build import build_model
from bench.models.source import LoadedSubmission
from bench.records.recipe import Recipe
from bench.records.submission import InputSpec, OutputSpec, Submission

if TYPE_CHECKING:
    import torch

__all__ = ["Prepared", "check_fits", "freeze", "prepare_network", "training_mode"]

_KWARG = "num_classes"
"""What timm, torchvision and factories that can be transferred call the number of outputs."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A network that is ready to be trained."""

    module: torch.nn.Module
    """On the CPU, in float32, with the weights that the training starts from."""
    input: InputSpec
    """Its own geometry and its normalisation."""
    manifest: Submission
    """The submission's manifest as it is after the training: number and meaning of the outputs, training data."""
    head: frozenset[str]
    """Names of the parameters of the last layer, where the recipe speaks of it; else empty."""


def check_fits(submission: LoadedSubmission, recipe: Recipe, classes: ClassTable) -> None:
    """Makes sure that a submission can be trained under a recipe on images of these classes, before it is built.

    Raises:
        SubmissionError: Its source has no weights, or its outputs are of other classes and stay so.
        WeightsError: It brings no weights where the recipe starts from them.
    """
    source, outputs = submission.manifest.model.source, submission.manifest.outputs
    if not {"weights", "sha256"} <= submission.source.takes:
        raise SubmissionError(
            f"source {source!r} has no weights to train; training takes python, timm and torchvision",
            path=submission.manifest_path,
            key="model.source",
        )
    if outputs.classes != classes.name and not recipe.head_reset:
        raise SubmissionError(
            f"is {outputs.classes!r}, but the training images are of {classes.name!r}",
            path=submission.manifest_path,
            key="outputs.classes",
        )
    # timm has weights of its own for a name; the others say which.
    if recipe.start == "pretrained" and source != "timm" and submission.manifest.model.weights is None:
        raise WeightsError(
            "is missing; the recipe starts from the weights that a submission brings",
            path=submission.manifest_path,
            key="model.weights",
        )


def prepare_network(
    submission: LoadedSubmission, recipe: Recipe, classes: ClassTable, *, cache_folder: Path, seed: int
) -> Prepared:
    """The network with the weights that a recipe starts from.

    Args:
        submission: What is trained.
        recipe: Its `start`, `head_reset` and `trainable`.
        classes: The classes of the training images.
        cache_folder: Where downloaded weights are kept.
        seed: The seed of weights that are drawn.

    Raises:
        SubmissionError: See `build_model`; or the number of outputs is fixed and the recipe replaces the last layer.
        WeightsError: The weights that the submission brings do not fit the network.
    """
    manifest = submission.manifest
    if recipe.start == "drawn":
        built = build_model(submission, cache_folder=cache_folder, with_weights=False, seed=seed)
        return Prepared(module=built.module, input=built.input, manifest=manifest, head=frozenset())
    built = build_model(submission, cache_folder=cache_folder, with_weights=True, seed=seed)
    if not recipe.head_reset and recipe.trainable == "all":
        return Prepared(module=built.module, input=built.input, manifest=manifest, head=frozenset())
    adapted = _with_outputs(submission, classes.num_classes)
    fresh = _fresh(adapted, cache_folder, seed)
    wider = _fresh(_with_outputs(submission, classes.num_classes + 1), cache_folder, seed)
    head = _differing(fresh, wider)
    if not head:
        raise SubmissionError(
            f"its number of outputs does not follow {_KWARG}, so it has no last layer that could be trained alone or "
            f"replaced; let the factory take {_KWARG}",
            path=submission.manifest_path,
            key="model.kwargs",
        )
    if not recipe.head_reset:
        return Prepared(module=built.module, input=built.input, manifest=manifest, head=head)
    _copy_all_but(head, built.module, fresh, submission)
    outputs = OutputSpec(classes=classes.name, background=False)
    seen = f"{manifest.outputs.classes}, through the weights of {submission.label}"
    extra = seen if manifest.extra_training_data == "none" else f"{seen}; {manifest.extra_training_data}"
    changed = {"model": adapted.manifest.model, "outputs": outputs, "extra_training_data": extra}
    return Prepared(module=fresh, input=built.input, manifest=manifest.model_copy(update=changed), head=head)


def freeze(module: torch.nn.Module, recipe: Recipe, head: frozenset[str]) -> None:
    """Sets which parameters get gradients: all, or those of the last layer."""
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(recipe.trainable == "all" or name in head)


def training_mode(module: torch.nn.Module, recipe: Recipe, head: frozenset[str]) -> None:
    """Puts a network into training mode; under a linear probe only the last layer.

    The frozen part stays as it is evaluated: no dropout, and batch statistics that do not move.
    """
    if recipe.trainable == "all":
        module.train()
        return
    module.eval()
    for name in head:
        module.get_submodule(name.rpartition(".")[0]).train()


def _with_outputs(submission: LoadedSubmission, num_classes: int) -> LoadedSubmission:
    """The submission with another number of outputs."""
    model = submission.manifest.model
    kwargs = model.kwargs | {_KWARG: num_classes}
    manifest = submission.manifest.model_copy(update={"model": model.model_copy(update={"kwargs": kwargs})})
    return replace(submission, manifest=manifest)


def _fresh(submission: LoadedSubmission, cache_folder: Path, seed: int) -> torch.nn.Module:
    """The network with drawn weights."""
    try:
        return build_model(submission, cache_folder=cache_folder, with_weights=False, seed=seed).module
    except ModelError as error:
        raise SubmissionError(
            f"cannot be built with {_KWARG} = {submission.manifest.model.kwargs[_KWARG]}, which replacing its last "
            f"layer needs: {error.message}",
            path=submission.manifest_path,
            key="model.kwargs",
        ) from error


def _differing(first: torch.nn.Module, second: torch.nn.Module) -> frozenset[str]:
    """The names of tensors that two networks have in different shapes."""
    shapes = {name: tensor.shape for name, tensor in second.state_dict().items()}
    return frozenset(name for name, tensor in first.state_dict().items() if shapes.get(name) != tensor.shape)


def _copy_all_but(
    head: frozenset[str], source: torch.nn.Module, target: torch.nn.Module, submission: LoadedSubmission
) -> None:
    """Gives a network the weights of another one, but for its last layer."""
    import torch

    known = source.state_dict()
    with torch.no_grad():
        for name, tensor in target.state_dict().items():
            if name in head:
                continue
            if name not in known or known[name].shape != tensor.shape:
                raise WeightsError(
                    f"lacks {name!r} of shape {tuple(tensor.shape)}, which the network has with another number of "
                    "classes; its last layer cannot be replaced",
                    path=submission.manifest_path,
                    key="model.weights",
                )
            tensor.copy_(known[name])
