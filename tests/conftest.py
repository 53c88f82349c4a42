"""Fixtures of many tests: results built by hand, and the real data where it is there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from bench.records.result import DatasetRef, Estimate, ProtocolRef, Result, SubmissionRef
from bench.stats.intervals import wilson

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background ignores Ctrl-C for them; some tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadlines: shared machines are slow at times. CI draws the same examples every time.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real photographs, weights and ground truth; tests that need it skip without it."""
    folder = os.environ.get("BENCH_TEST_DATA")
    if not folder:
        pytest.skip("BENCH_TEST_DATA does not name the folder of real data")
    return Path(folder)


@pytest.fixture(scope="session")
def needs_sandbox() -> None:
    """Skips where bubblewrap makes no sandbox, unless `BENCH_REQUIRE` asks for one."""
    from bench.sandbox.probe import why_not

    if (reason := why_not()) is None:
        return
    if "sandbox" in os.environ.get("BENCH_REQUIRE", "").split(","):
        pytest.fail(f"BENCH_REQUIRE asks for a sandbox, but {reason}")
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache; a child for each model would take seconds, so it must be asked for."""
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("BENCH_ISOLATION", "none")


@pytest.fixture
def make_result() -> Callable[..., Result]:
    """A function that builds a valid result; every field can be replaced."""

    def make(*, team: str = "acme", name: str = "vit", count: int = 30, num_samples: int = 40, **fields: Any) -> Result:
        low, high = wilson(count, num_samples)
        estimate = Estimate(value=count / num_samples, ci_low=low, ci_high=high, num_samples=num_samples, count=count)
        values: dict[str, Any] = {
            "now": datetime(2026, 8, 1, 10, 15, tzinfo=UTC),
            "bench_version": "0.1.0",
            "status": "self-reported",
            "submission": SubmissionRef(team=team, name=name, title="ViT", digest="a" * 64, source="python"),
            "protocol": ProtocolRef(id="shapes10-val", version=1, digest="b" * 64),
            "dataset": DatasetRef(name="shapes10", split="val", digest="c" * 64, num_samples=num_samples),
            "metrics": {"top1": estimate},
            "precision": "fp32",
            "device_type": "cpu",
            "isolation": "none",
        }
        return Result.create(**values | fields)

    return make


WNIDS = ("n01440764", "n01443537", "n01484850", "n03995372")
"""Four classes of ImageNet-1k: indices 0, 1, 2 and 740."""

TINY_MODEL = """
import torch
from torch import nn


class Tiny(nn.Module):
    def __init__(self, num_outputs: int = 1000) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.head = nn.Linear(48, num_outputs)

    def forward(self, images):
        return self.head(self.pool(images).flatten(1))


def build_model(**kwargs):
    return Tiny(**kwargs)
"""

TINY_PROTOCOL = """
format_version = 1
id = "tiny-val"
kind = "evaluate"
title = "A few small pictures"
division = "closed"
dataset = { name = "imagenet-1k", split = "val", num_samples = 12 }
geometry = { resize = 36, crop = 32 }
precision = {}
views = {}
metrics = { rank_by = "top1", report = ["top1", "top5", "mean_per_class", "ece", "nll"] }
"""


@pytest.fixture
def tiny_data(tmp_path: Path) -> Path:
    """A folder with `val/<WNID>/*.JPEG`: twelve small pictures of four classes."""
    from PIL import Image

    random = np.random.default_rng(0)
    number = 0
    for wnid in WNIDS:
        folder = tmp_path / "imagenet" / "val" / wnid
        folder.mkdir(parents=True)
        for _ in range(3):
            number += 1
            small_HWC = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            image = Image.fromarray(small_HWC).resize((50, 40))
            image.save(folder / f"ILSVRC2012_val_{number:08d}.JPEG", format="JPEG")
    return tmp_path / "imagenet"


@pytest.fixture
def tiny_protocol(tmp_path: Path) -> Path:
    """The file of a protocol for these pictures."""
    path = tmp_path / "tiny-val.toml"
    path.write_text(TINY_PROTOCOL)
    return path


@pytest.fixture
def make_submission(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes the folder of a submission with Python code."""

    def make(code: str = TINY_MODEL, *, team: str = "acme", name: str = "tiny", more: str = "", keys: str = "") -> Path:
        folder = tmp_path / "submissions" / team / name
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(code)
        (folder / "submission.toml").write_text(
            f'format_version = 1\ntitle = "Tiny"\n{keys}\n'
            f'[model]\nsource = "python"\nfile = "model.py"\nfactory = "build_model"\n{more}\n'
        )
        return folder

    return make
