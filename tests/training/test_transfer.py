"""What a training starts from: drawn weights, or those of a submission with or without its last layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from bench.data.classes import ClassTable, folder_table
from bench.errors import SubmissionError, WeightsError
from bench.models.build import build_model
from bench.models.source import LoadedSubmission, open_submission
from bench.training.optimizers import make_optimizer
from bench.training.transfer import Prepared, check_fits, freeze, prepare_network, training_mode
from tests.training.made_recipes import made_recipe

NETWORK = """
from torch import nn


def build_model(num_classes=2):
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(backbone, nn.Dropout(0.5), nn.Linear(4, num_classes))
"""
FIXED = NETWORK.replace("(num_classes=2)", "(num_classes=None)").replace(", num_classes)", ", 2)")
NO_KEYWORD = NETWORK.replace("(num_classes=2)", "()").replace(", num_classes)", ", 2)")
FIVE = folder_table(["ant", "bee", "cow", "dog", "elk"])
RESET = {"start": "pretrained", "head_reset": True}

Open = Callable[..., LoadedSubmission]


@pytest.fixture
def pretrained(make_network: Callable[..., Path]) -> Open:
    """A function that gives a submission of two classes with weights of its own."""

    def make(code: str = NETWORK, *, name: str = "net", outputs: str = "", weights: bool = True) -> LoadedSubmission:
        more = 'weights = "w.safetensors"' if weights else ""
        folder = make_network(code, name=name, more=more, outputs=outputs)
        if weights:
            (folder / "w.safetensors").touch()
            module = build_model(open_submission(str(folder)), cache_folder=folder, with_weights=False, seed=99).module
            save_file({name: tensor + 1 for name, tensor in module.state_dict().items()}, folder / "w.safetensors")
        return open_submission(str(folder))

    return make


def prepared(submission: LoadedSubmission, classes: ClassTable = FIVE, *, seed: int = 0, **recipe: Any) -> Prepared:
    assert submission.folder is not None
    return prepare_network(submission, made_recipe(**recipe), classes, cache_folder=submission.folder, seed=seed)


def test_drawn_weights_belong_to_the_seed(pretrained: Open) -> None:
    """Weights that the submission brings are not loaded."""
    submission = pretrained()
    first, again, other = (prepared(submission, seed=seed).module.state_dict() for seed in (1, 1, 2))

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["2.weight"], other["2.weight"])


def test_a_replaced_head_is_drawn_and_the_rest_is_loaded(pretrained: Open) -> None:
    """The last layer has an output for each class, from the seed; everything else comes from the weights."""
    submission = pretrained()
    assert submission.folder is not None
    brought = build_model(submission, cache_folder=submission.folder).module.state_dict()
    first, again, other = (prepared(submission, seed=seed, **RESET) for seed in (1, 1, 2))

    assert first.head == {"2.weight", "2.bias"}
    assert first.module.state_dict()["2.weight"].shape == (5, 4)
    assert torch.equal(first.module.state_dict()["2.weight"], again.module.state_dict()["2.weight"])
    assert not torch.equal(first.module.state_dict()["2.weight"], other.module.state_dict()["2.weight"])
    for name in brought.keys() - first.head:
        assert torch.equal(first.module.state_dict()[name], brought[name])


def test_a_head_of_equal_size_is_replaced_too(pretrained: Open) -> None:
    """Two classes again, but other ones."""
    submission = pretrained()
    assert submission.folder is not None
    brought = build_model(submission, cache_folder=submission.folder).module.state_dict()
    found = prepared(submission, folder_table(["cat", "dog"]), **RESET).module.state_dict()

    assert found["2.weight"].shape == brought["2.weight"].shape
    assert not torch.equal(found["2.weight"], brought["2.weight"])
    assert torch.equal(found["0.0.weight"], brought["0.0.weight"])


def test_the_manifest_says_what_the_network_then_is(pretrained: Open) -> None:
    """Outputs, keyword and what it had been trained on; the rest stays."""
    submission = pretrained(NETWORK.replace("2)", "3)", 1), outputs="background = true")
    manifest = prepared(submission, **RESET).manifest

    assert manifest.model.kwargs == {"num_classes": 5}
    assert (manifest.outputs.classes, manifest.outputs.background) == (FIVE.name, False)
    assert manifest.extra_training_data == "shapes2, through the weights of acme/net"
    assert manifest.title == submission.manifest.title
    assert prepared(submission, start="pretrained").manifest == submission.manifest


def test_a_linear_probe_trains_the_last_layer_alone(pretrained: Open) -> None:
    """The rest gets no gradient, its batch statistics stay, and there is no dropout in front of it."""
    recipe = made_recipe(**RESET, trainable="head")
    found = prepared(pretrained(), **RESET, trainable="head")
    freeze(found.module, recipe, found.head)
    training_mode(found.module, recipe, found.head)
    before = {name: tensor.clone() for name, tensor in found.module.state_dict().items()}
    optimizer = make_optimizer(found.module, recipe)
    images_NCHW = torch.rand(4, 3, 8, 8)
    assert torch.equal(found.module(images_NCHW), found.module(images_NCHW))
    found.module(images_NCHW).square().sum().backward()
    optimizer.step()
    after = found.module.state_dict()

    assert {name for name in before if not torch.equal(before[name], after[name])} == found.head


def test_fine_tuning_trains_everything(pretrained: Open) -> None:
    """In training mode."""
    recipe = made_recipe(**RESET)
    found = prepared(pretrained(), **RESET)
    freeze(found.module, recipe, found.head)
    training_mode(found.module, recipe, found.head)

    assert all(parameter.requires_grad for parameter in found.module.parameters())
    assert all(layer.training for layer in found.module.modules())


def test_a_probe_of_the_submissions_own_classes_keeps_its_last_layer(pretrained: Open) -> None:
    """The last layer is known, and starts from the weights."""
    submission = pretrained()
    assert submission.folder is not None
    brought = build_model(submission, cache_folder=submission.folder).module.state_dict()
    found = prepared(submission, start="pretrained", trainable="head")

    assert found.head == {"2.weight", "2.bias"}
    assert torch.equal(found.module.state_dict()["2.weight"], brought["2.weight"])


@pytest.mark.parametrize(
    ("code", "words"),
    [(FIXED, "does not follow num_classes"), (NO_KEYWORD, "cannot be built with num_classes = 5")],
)
def test_what_cannot_be_transferred_is_said(pretrained: Open, code: str, words: str) -> None:
    """A number of outputs that cannot be changed."""
    with pytest.raises(SubmissionError, match=words):
        prepared(pretrained(code), **RESET)


def test_a_start_from_weights_needs_weights(pretrained: Open) -> None:
    """That is said before anything is built."""
    with pytest.raises(WeightsError, match="starts from the weights that a submission brings"):
        check_fits(pretrained(weights=False), made_recipe(**RESET), FIVE)


def test_classes_have_to_agree_unless_the_head_is_replaced(pretrained: Open) -> None:
    """The message has both names."""
    submission = pretrained()
    with pytest.raises(SubmissionError, match=rf"is 'shapes2', but the training images are of '{FIVE.name}'"):
        check_fits(submission, made_recipe(), FIVE)
    check_fits(submission, made_recipe(**RESET), FIVE)


def test_zoo_networks_get_another_head(tmp_path: Path) -> None:
    """A timm network with weights in its folder: the classifier is found by its shape, the rest is loaded."""
    import timm

    folder = tmp_path / "acme" / "zoo"
    folder.mkdir(parents=True)
    network = timm.create_model("test_resnet.r160_in1k", pretrained=False)
    save_file(network.state_dict(), folder / "w.safetensors")
    (folder / "submission.toml").write_text(
        'format_version = 1\ntitle = "Zoo"\n[model]\nsource = "timm"\nname = "test_resnet.r160_in1k"\n'
        'weights = "w.safetensors"\n'
    )
    found = prepared(open_submission(str(folder)), **RESET)

    classifier = network.get_classifier()
    assert {found.module.state_dict()[name].shape[0] for name in found.head} == {5}
    assert len(found.head) == len(list(classifier.parameters()))
    name = next(iter(network.state_dict()))
    assert torch.equal(found.module.state_dict()[name], network.state_dict()[name])
