"""Model source `torchvision`."""

from __future__ import annotations

import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision

from bench.errors import ModelError, SubmissionError, WeightsError
from bench.models.build import build_model
from bench.models.source import open_submission
from bench.models.torchvision_zoo import input_of

Make = Callable[..., Path]
MODELS = torchvision.models.list_models(module=torchvision.models)


@pytest.mark.parametrize("name", MODELS)
def test_the_input_is_that_of_the_weights_preset(name: str) -> None:
    """The preset of every weight of every model becomes an input with the same numbers."""
    for weights in torchvision.models.get_model_weights(name):
        preset, found = weights.transforms(), input_of(weights.transforms())
        assert [found.img_size] == preset.crop_size
        assert [found.resize] == preset.resize_size
        assert found.interpolation == preset.interpolation.value
        assert (list(found.mean), list(found.std)) == (list(preset.mean), list(preset.std))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("resnet51/IMAGENET1K_V1", "no classification model 'resnet51': did you mean resnet50"),
        ("fasterrcnn_resnet50_fpn/COCO_V1", "no classification model"),
        ("resnet18/IMAGENET1K_V2", "no weights 'IMAGENET1K_V2' of resnet18: did you mean IMAGENET1K_V1"),
        ("vgg16/IMAGENET1K_FEATURES", "features without a trained classifier"),
    ],
)
def test_unknown_or_headless_weights_are_refused(tmp_path: Path, name: str, says: str) -> None:
    """Names are looked up in the installed torchvision before anything is downloaded."""
    with pytest.raises(SubmissionError, match=says):
        build_model(open_submission(f"torchvision:{name}"), cache_folder=tmp_path)


def test_random_weights_keep_the_layout_of_the_published_ones(tmp_path: Path) -> None:
    """GoogLeNet's published weights have no auxiliary classifiers: 6,624,904 parameters."""
    built = build_model(
        open_submission("torchvision:googlenet/IMAGENET1K_V1"), cache_folder=tmp_path, with_weights=False
    )
    assert sum(parameter.numel() for parameter in built.module.parameters()) == 6_624_904
    assert built.module.transform_input is True


def test_weights_of_the_submission_replace_those_of_torchvision(make_submission: Make, tmp_path: Path) -> None:
    """A file in the folder is loaded into torchvision's architecture."""
    network = torchvision.models.squeezenet1_1(num_classes=10)
    folder = make_submission(
        model='source = "torchvision"\nname = "squeezenet1_1"\nkwargs = { num_classes = 10 }\nweights = "w.pth"\n'
    )
    torch.save(network.state_dict(), folder / "w.pth")
    built = build_model(open_submission(str(folder)), cache_folder=tmp_path)
    assert all(torch.equal(built.module.state_dict()[key], value) for key, value in network.state_dict().items())
    assert built.input.img_size == 32


@pytest.mark.parametrize(("key", "error"), [("progress = false", SubmissionError), ("depth = 3", ModelError)])
def test_kwargs_are_checked(make_submission: Make, tmp_path: Path, key: str, error: type[Exception]) -> None:
    """What belongs elsewhere, and what the constructor does not know."""
    folder = make_submission(model=f'source = "torchvision"\nname = "squeezenet1_1"\nkwargs = {{ {key} }}\n')
    with pytest.raises(error, match=r"model\.kwargs"):
        build_model(open_submission(str(folder)), cache_folder=tmp_path, with_weights=False)


def test_random_weights_are_not_evaluated_by_accident(make_submission: Make, tmp_path: Path) -> None:
    """Without weights the architecture can be trained, and nothing else."""
    folder = make_submission(model='source = "torchvision"\nname = "squeezenet1_1"\n')
    build_model(open_submission(str(folder)), cache_folder=tmp_path, with_weights=False)
    with pytest.raises(WeightsError, match=r"model\.weights: is missing"):
        build_model(open_submission(str(folder)), cache_folder=tmp_path)


def test_without_a_network_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link and the reason are in the message."""

    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torchvision.models, "get_model", offline)
    with pytest.raises(WeightsError, match=r"cannot be downloaded from https://.*alexnet.* \(no route to host\)"):
        build_model(open_submission("torchvision:alexnet/IMAGENET1K_V1"), cache_folder=tmp_path)
