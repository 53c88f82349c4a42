"""Whole trainings under recipes of each kind, a few steps of them: everything on, transfer, distillation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.data.contents import dataset_digest
from bench.data.dataset import Dataset, open_dataset
from bench.models.build import build_model
from bench.models.source import open_submission
from bench.records.predictions import Predictions
from bench.records.protocol import DatasetSpec, Protocol
from bench.records.result import DatasetRef, Result, SubmissionRef
from bench.store import Store
from bench.training.events import read_events
from bench.training.options import TrainOptions
from bench.training.train import train

NETWORK = """
from torch import nn


def build_model(num_classes=2):
    body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    return nn.Sequential(body, nn.Linear(256, num_classes))
"""

MakeProtocol = Callable[..., Protocol]


def run(folder: Path, protocol: Protocol, dataset: Dataset, out: Path, **options: Any) -> dict[str, torch.Tensor]:
    """The weights that a training leaves."""
    options = {"device": "cpu", **options}
    outcome = train(open_submission(str(folder)), protocol, dataset, out, TrainOptions(**options))
    return load_file(outcome.folder / "weights.safetensors")


EVERYTHING = {
    "loss": "bce",
    "label_smoothing": 0.1,
    "optimizer": "lamb",
    "epsilon": 1e-6,
    "schedule_unit": "epoch",
    "warmup_epochs": 1.0,
    "warmup_prefix": False,
    "min_learning_rate": 1e-6,
    "mixup_alpha": 0.2,
    "cutmix_alpha": 1.0,
    "mixing": "timm",
    "clip_grad_norm": 1.0,
    "ema_decay": 0.9,
    "ema_every": 2,
    "ema_rule": "torchvision",
    "ranked_weights": "ema",
    "repeated_augmentation": 3,
    "augmentation": {
        "crop_from": "original",
        "interpolation": "bilinear-or-bicubic",
        "auto": "randaugment",
        "auto_ops": 2,
        "auto_magnitude": 7.0,
        "auto_magnitude_sd": 0.5,
        "colour_jitter": [0.4, 0.4, 0.4],
        "pca_noise": 0.1,
        "erase_probability": 0.25,
    },
}


def test_a_recipe_with_everything_on_is_repeatable(
    shapes: Dataset, make_protocol: MakeProtocol, make_network: Callable[..., Path], tmp_path: Path
) -> None:
    """Two runs leave equal weights, bit by bit, whatever anybody else drew; they are numbers, and the averaged ones."""
    folder = make_network(NETWORK)
    first = run(folder, make_protocol(**EVERYTHING), shapes, tmp_path / "a")
    torch.rand(7)
    again = run(folder, make_protocol(**EVERYTHING), shapes, tmp_path / "b", num_threads=2)
    last = run(folder, make_protocol(**EVERYTHING | {"ranked_weights": "last"}), shapes, tmp_path / "c")

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert all(tensor.isfinite().all() for tensor in first.values() if tensor.is_floating_point())
    assert not torch.equal(first["1.weight"], last["1.weight"])


@pytest.fixture
def pretrained(make_network: Callable[..., Path]) -> Path:
    """A submission with weights of its own."""
    folder = make_network(NETWORK, more='weights = "w.safetensors"')
    (folder / "w.safetensors").touch()
    module = build_model(open_submission(str(folder)), cache_folder=folder, with_weights=False, seed=99).module
    save_file(module.state_dict(), folder / "w.safetensors")
    return folder


def test_a_linear_probe_on_folders_leaves_a_submission_for_their_classes(
    shapes_root: Path, make_protocol: MakeProtocol, pretrained: Path, tmp_path: Path
) -> None:
    """The frozen part is as it was, the last layer is not, and the classes have the name of the folders."""
    spec = DatasetSpec(name="folders", split="train", num_samples=0)
    dataset = open_dataset(shapes_root, spec)
    content = make_protocol(start="pretrained", head_reset=True, trainable="head").as_json()
    protocol = Protocol.parse(content | {"dataset": spec.as_json()})
    trained = run(pretrained, protocol, dataset, tmp_path / "out")
    brought = load_file(pretrained / "w.safetensors")
    found = open_submission(str(tmp_path / "out/acme/net"))

    assert {name for name in brought if not torch.equal(brought[name], trained[name])} == {"1.weight", "1.bias"}
    assert found.manifest.outputs.classes == dataset.classes.name
    assert dataset.classes.name.startswith("folders2-")
    assert found.manifest.extra_training_data == "shapes2, through the weights of acme/net"
    module = build_model(found, cache_folder=tmp_path).module
    assert torch.equal(module.state_dict()["1.weight"], trained["1.weight"])


def test_a_student_learns_from_the_stored_predictions(
    shapes: Dataset,
    make_protocol: MakeProtocol,
    make_network: Callable[..., Path],
    make_result: Callable[..., Result],
    predictions_of_labels: Predictions,
    tmp_path: Path,
) -> None:
    """A teacher that is always right teaches what the labels teach, and the run names it."""
    store = Store(tmp_path / "board" / "results")
    digest = dataset_digest(shapes, cache_folder=None, num_threads=1)
    teacher = make_result(
        submission=SubmissionRef(team="acme", name="wise", title="Wise", digest="a" * 64, source="python"),
        dataset=DatasetRef(name="shapes2", split="train", digest=digest, num_samples=24),
        predictions=store.add_predictions(predictions_of_labels),
    )
    path = store.add(teacher)
    folder = make_network(NETWORK)
    hard = {"teacher": "acme/wise", "targets": "hard", "weight": 1.0}
    taught = run(folder, make_protocol(distillation=hard), shapes, tmp_path / "taught", teacher=path)
    labelled = run(folder, make_protocol(), shapes, tmp_path / "labelled")
    (event,) = [
        event for event in read_events(tmp_path / "taught/acme/net/training/events.jsonl") if event["kind"] == "start"
    ]

    assert all(torch.allclose(taught[name], labelled[name], atol=1e-5) for name in taught)
    assert event["teacher"] == teacher.run


@pytest.fixture
def predictions_of_labels(shapes: Dataset) -> Predictions:
    """Answers that are always right, without probabilities."""
    import numpy as np

    from bench.metrics.topk import predictions_from_ranked

    ids = tuple(sample.id for sample in shapes.samples)
    return predictions_from_ranked(ids, np.stack([shapes.labels_N, 1 - shapes.labels_N], axis=1), 2)
