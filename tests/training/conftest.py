"""A tiny dataset, a recipe for it, and submissions to train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.dataset import Dataset, open_dataset
from bench.data.synthetic import write_synthetic
from bench.protocols import load_protocol
from bench.records.protocol import Protocol

NETWORK = """
from torch import nn


def build_model(num_outputs=2):
    hidden = [nn.Linear(192, 16), nn.ReLU()]
    return nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), *hidden, nn.Linear(16, num_outputs))
"""


@pytest.fixture(scope="session")
def shapes_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes with twelve training and two validation images each."""
    root = tmp_path_factory.mktemp("training") / "shapes2"
    write_synthetic(root, num_classes=2, train_per_class=12, val_per_class=2, num_workers=2)
    return root


@pytest.fixture(scope="session")
def make_protocol() -> Callable[..., Protocol]:
    """A function that gives a short training protocol; keys of the recipe can be replaced."""

    def make(**recipe: Any) -> Protocol:
        content = load_protocol("shapes10-train").as_json()
        content["id"] = "shapes2-train"
        content["dataset"] = {"name": "shapes2", "split": "train", "num_samples": 24}
        content["geometry"] |= {"resize": 36, "crop": 32}
        short = {"epochs": 2, "batch_size": 8, "warmup_epochs": 0.0, "evaluate_every_epochs": 0}
        content["recipe"] |= short | recipe
        return Protocol.parse(content)

    return make


@pytest.fixture(scope="session")
def shapes(shapes_root: Path, make_protocol: Callable[..., Protocol]) -> Dataset:
    """The training images."""
    return open_dataset(shapes_root, make_protocol().dataset)


@pytest.fixture
def make_network(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a submission for two classes."""

    def make(code: str = NETWORK, *, name: str = "net", more: str = "", outputs: str = "") -> Path:
        folder = tmp_path / "mine" / "acme" / name
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(code)
        (folder / "README.md").write_text("How it came to be.\n")
        (folder / "submission.toml").write_text(
            f"""
            format_version = 1
            title = "Net"
            [model]
            source = "python"
            file = "model.py"
            factory = "build_model"
            {more}
            [outputs]
            classes = "shapes2"
            {outputs}
            """
        )
        return folder

    return make
