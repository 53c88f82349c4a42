"""Submissions in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

MODEL_PY = """\
from torch import nn


def build_model(num_outputs=10):
    stem = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*stem, nn.Linear(4, num_outputs))
"""
MANIFEST = """\
format_version = 1
title = "A small network"
{top}
[model]
{model}
[outputs]
classes = "shapes10"
[input]
img_size = 32
"""
PYTHON = 'source = "python"\nfile = "model.py"\nfactory = "build_model"\n'


@pytest.fixture
def make_submission(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a submission's folder; by default a valid one of source python."""

    def make(
        *, model: str = PYTHON, code: str = MODEL_PY, top: str = "", team: str = "acme", name: str = "net"
    ) -> Path:
        folder = tmp_path / team / name
        folder.mkdir(parents=True)
        (folder / "submission.toml").write_text(MANIFEST.format(top=top, model=model))
        (folder / "model.py").write_text(code)
        return folder

    return make
