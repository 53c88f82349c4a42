"""Model source `timm`."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import timm.data
import torch
from safetensors.torch import save_file

from bench.errors import ModelError, SubmissionError, WeightsError
from bench.models import timm_zoo
from bench.models.build import build_model
from bench.models.source import open_submission

Make = Callable[..., Path]


@pytest.mark.parametrize(
    "name",
    [
        "resnet18.a1_in1k",  # a test size of its own
        "mobilenetv3_small_050.lamb_in1k",  # plain 224
        "vit_tiny_patch16_224.augreg_in21k_ft_in1k",  # mean and std 0.5
        "test_vit3.r160_in1k",
        "tf_efficientnet_b0.ap_in1k",
    ],
)
def test_the_input_is_that_of_timms_validation_script(tmp_path: Path, name: str) -> None:
    """Size, crop, filter and colours equal what validate.py resolves, and so does the resized side."""
    built = build_model(open_submission(f"timm:{name}"), cache_folder=tmp_path, with_weights=False)
    config = timm.data.resolve_data_config({}, model=timm.create_model(name), use_test_size=True)
    found = built.input
    assert (3, found.img_size, found.img_size) == config["input_size"]
    assert (found.crop_pct, found.crop_mode) == (config["crop_pct"], config["crop_mode"])
    assert found.interpolation == config["interpolation"]
    assert (found.mean, found.std) == (config["mean"], config["std"])
    resize = timm.data.create_transform(**config).transforms[0].size
    assert (found.resize or math.floor(found.img_size / found.crop_pct)) == (
        resize if isinstance(resize, int) else resize[0]
    )


def test_a_crop_larger_than_the_image_keeps_its_resized_side() -> None:
    """VOLO's crop_pct of 1.15 makes the image smaller than the crop: floor(448 / 1.15) = 389."""
    module = torch.nn.Identity()
    module.pretrained_cfg = timm.get_pretrained_cfg("volo_d4_448.sail_in1k").to_dict()  # type: ignore[assignment]
    found = timm_zoo.input_of(module)
    assert (found.img_size, found.crop_pct, found.resize) == (448, 1.0, 389)


def test_an_input_that_is_not_square_is_refused() -> None:
    """Only square RGB images are evaluated."""
    module = torch.nn.Identity()
    module.pretrained_cfg = {"input_size": (3, 1024, 768)}  # type: ignore[assignment]
    with pytest.raises(ModelError, match="3 x 1024 x 768"):
        timm_zoo.input_of(module)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("resnet51.a1_in1k", "did you mean resnet51q"),
        ("resnet18.a9_in1k", r"no weights 'resnet18\.a9_in1k': did you mean resnet18\.a"),
        ("hf-hub:timm/resnet18", "no model 'hf-hub:timm/resnet18'"),
    ],
)
def test_an_unknown_name_offers_the_nearest(tmp_path: Path, name: str, says: str) -> None:
    """Architecture and tag are looked up before anything is downloaded."""
    with pytest.raises(SubmissionError, match=says):
        build_model(open_submission(f"timm:{name}"), cache_folder=tmp_path)


def test_weights_of_the_submission_replace_those_of_timm(make_submission: Make, tmp_path: Path) -> None:
    """A file in the folder is loaded into timm's architecture, with its number of classes."""
    network = timm.create_model("test_vit", num_classes=10)
    folder = make_submission(
        model='source = "timm"\nname = "test_vit"\nkwargs = { num_classes = 10 }\nweights = "w.safetensors"\n'
    )
    save_file(network.state_dict(), folder / "w.safetensors")
    built = build_model(open_submission(str(folder)), cache_folder=tmp_path)
    assert all(torch.equal(built.module.state_dict()[key], value) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    "key", ["pretrained = true", 'checkpoint_path = "x.pth"', 'pretrained_cfg_overlay = { file = "x" }']
)
def test_kwargs_that_would_load_a_checkpoint_are_refused(make_submission: Make, tmp_path: Path, key: str) -> None:
    """Timm must not open files on its own: they may hold code."""
    folder = make_submission(model=f'source = "timm"\nname = "test_vit"\nkwargs = {{ {key} }}\n')
    with pytest.raises(SubmissionError, match=r"model\.kwargs\..*is not taken"):
        build_model(open_submission(str(folder)), cache_folder=tmp_path, with_weights=False)


def test_kwargs_that_the_architecture_does_not_know_are_said(make_submission: Make, tmp_path: Path) -> None:
    """What timm raises is in the message."""
    folder = make_submission(model='source = "timm"\nname = "test_vit"\nkwargs = { width = 2 }\n')
    with pytest.raises(ModelError, match=r"raised TypeError: .*width"):
        build_model(open_submission(str(folder)), cache_folder=tmp_path, with_weights=False)


def test_without_a_network_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's client wraps network errors; the cause decides what is said."""

    def offline(*_: object, **__: object) -> None:
        raise ValueError("not found in the cache") from ConnectionError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(WeightsError, match=r"cannot be downloaded.*name a file in `weights`"):
        build_model(open_submission("timm:resnet18.a1_in1k"), cache_folder=tmp_path)
