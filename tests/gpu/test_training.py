"""Training on a CUDA device: `python -m pytest tests/gpu` needs only an installed torch, and skips without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.data.dataset import open_dataset
from bench.data.synthetic import write_synthetic
from bench.models.source import open_submission
from bench.protocols import load_protocol
from bench.records.protocol import Protocol
from bench.training.options import TrainOptions
from bench.training.staging import Clock, pinned, staged
from bench.training.train import Trained, train

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]

CODE = """
from torch import nn


def build_model():
    layers = [nn.Conv2d(3, 16, 3, 2), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(16, 32, 3, 2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2))
"""


class BrokenOffError(Exception):
    """What ends a training in the tests, as suddenly as a signal would."""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Trained]:
    """A function that trains a small convolutional network; `until` breaks it off after so many steps."""
    write_synthetic(tmp_path / "shapes2", num_classes=2, train_per_class=24, val_per_class=1)
    folder = tmp_path / "submissions" / "acme" / "net"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(CODE)
    (folder / "submission.toml").write_text(
        'format_version = 1\ntitle = "Net"\n[model]\nsource = "python"\nfile = "model.py"\nfactory = "build_model"\n'
        '[outputs]\nclasses = "shapes2"\n'
    )

    def start(out: str, *, until: int | None = None, **options: Any) -> Trained:
        content = load_protocol("shapes10-train").as_json() | {"id": "shapes2-train"}
        content["dataset"] = {"name": "shapes2", "split": "train", "num_samples": 48}
        content["precision"] = {}
        content["recipe"] |= {"epochs": 2, "batch_size": 8, "warmup_epochs": 0.0, "evaluate_every_epochs": 0}
        protocol = Protocol.parse(content)
        steps = []

        def on_progress(count: int) -> None:
            if count > 1:
                steps.append(count)
                if len(steps) == until:
                    raise BrokenOffError

        return train(
            open_submission(str(folder)),
            protocol,
            open_dataset(tmp_path / "shapes2", protocol.dataset),
            tmp_path / out,
            TrainOptions(**{"device": "cuda", "checkpoint_every": 2} | options),
            on_progress=on_progress,
        )

    return start


def weights(trained: Trained) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(trained.folder / "weights.safetensors")


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_a_resumed_training_is_the_straight_one(run: Callable[..., Trained], precision: str) -> None:
    """Bit for bit with deterministic kernels, dropout's generator on the device included."""
    options: dict[str, Any] = {"precision": precision, "deterministic": True}
    straight = weights(run("straight", **options))
    with pytest.raises(BrokenOffError):
        run("out", until=5, **options)
    resumed = weights(run("out", resume=True, **options))

    assert all(torch.equal(resumed[name], tensor) for name, tensor in straight.items())


def test_compiled_training_learns_the_same(run: Callable[..., Trained]) -> None:
    """To rounding in float32; the seconds of compiling are apart."""
    plain, compiled = run("plain"), run("compiled", compiled=True)
    assert compiled.progress is not None

    assert compiled.progress.compile_s > 0
    assert weights(plain).keys() == weights(compiled).keys()


def test_batches_are_copied_ahead_and_stay_whole() -> None:
    """Each batch arrives as it was made, though its pinned memory is used again."""

    def batches() -> Any:
        for number in range(9):
            images_NHWC = pinned((4, 8, 8, 3))
            images_NHWC[...] = number
            yield SimpleNamespace(images_NHWC=images_NHWC, labels_N=np.full(4, number))

    found = [(int(batch.labels_N[0]), int(batch.pixels_NHWC.max())) for batch in staged(batches(), "cuda", Clock())]

    assert found == [(number, number) for number in range(9)]
