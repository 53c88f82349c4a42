"""The reference submissions that ship."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torchvision

from bench.models.source import open_submission
from bench.resources import resource_folder

FOLDERS = sorted(path.parent for path in resource_folder("submissions").glob("*/*/submission.toml"))
TORCHVISION = [folder for folder in FOLDERS if folder.parent.name == "torchvision"]
TIMM = [folder for folder in FOLDERS if folder.parent.name == "timm"]


def _id(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


@pytest.mark.parametrize("folder", FOLDERS, ids=_id)
def test_every_reference_is_a_valid_submission(folder: Path) -> None:
    """Manifest, folder names, keys and files."""
    submission = open_submission(str(folder))
    assert submission.label == _id(folder)


def test_the_classic_networks_are_there() -> None:
    """The networks that made the field, ready to run by whoever has ImageNet."""
    names = {open_submission(str(folder)).manifest.model.name for folder in TORCHVISION}
    assert names == {
        "alexnet",
        "convnext_tiny",
        "densenet121",
        "googlenet",
        "inception_v3",
        "mobilenet_v2",
        "mobilenet_v3_large",
        "resnet18",
        "resnet50",
        "vgg16",
        "vit_b_16",
    }
    assert any(folder.name.startswith("nasnetalarge") for folder in TIMM)


@pytest.mark.parametrize("folder", TORCHVISION, ids=_id)
def test_claims_equal_what_the_installed_torchvision_states(folder: Path) -> None:
    """Top-1, top-5 and parameters of exactly these weights."""
    manifest = open_submission(str(folder)).manifest
    meta = torchvision.models.get_model_weights(manifest.model.name)[manifest.model.weights].meta
    published = meta["_metrics"]["ImageNet-1K"]
    assert manifest.claims is not None
    assert manifest.claims.top1 == pytest.approx(published["acc@1"] / 100, abs=1e-9)
    assert manifest.claims.top5 == pytest.approx(published["acc@5"] / 100, abs=1e-9)
    assert manifest.claims.num_params == meta["num_params"]
    assert manifest.code == meta["recipe"]
    assert manifest.extra_training_data == "none"


@pytest.mark.parametrize("folder", TIMM, ids=_id)
def test_timm_has_the_weights_under_this_licence(folder: Path) -> None:
    """The name with its tag is known, and what it was trained on is said."""
    manifest = open_submission(str(folder)).manifest
    name = manifest.model.name or ""
    assert timm.is_model_pretrained(name)
    config = timm.get_pretrained_cfg(name)
    assert config is not None
    assert (manifest.license or "").lower() == config.license
    assert (manifest.extra_training_data != "none") == ("_ft_" in name)
    assert manifest.claims is not None
    assert manifest.claims.top1 is not None
    assert 0.7 < manifest.claims.top1 < 0.95
