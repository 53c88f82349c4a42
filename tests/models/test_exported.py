"""Model source `exported`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.errors import ModelError
from bench.models.build import build_model
from bench.models.source import open_submission

Make = Callable[..., Path]
EXPORTED = 'source = "exported"\nfile = "model.pt2"\n'


def _network() -> nn.Module:
    layers = [
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.Dropout(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 10),
    ]
    return nn.Sequential(*layers).eval()


def _export(network: nn.Module, path: Path, *, batch: int = 2, size: int = 32, dynamic: bool = True) -> None:
    shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
    torch.export.save(torch.export.export(network, (torch.zeros(batch, 3, size, size),), dynamic_shapes=shapes), path)


def test_an_exported_program_answers_as_the_model_did(make_submission: Make, tmp_path: Path) -> None:
    """Same logits, any batch size, and parameters that can be counted."""
    folder, network = make_submission(model=EXPORTED), _network()
    _export(network, folder / "model.pt2")
    built = build_model(open_submission(str(folder)), cache_folder=tmp_path)
    images_NCHW = torch.randn(5, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(built.module(images_NCHW), network(images_NCHW))
    expected = sum(parameter.numel() for parameter in network.parameters())
    assert sum(parameter.numel() for parameter in built.module.parameters()) == expected


def test_a_fixed_batch_another_size_and_training_mode_are_refused(make_submission: Make, tmp_path: Path) -> None:
    """What cannot run is said before an image is read."""
    folder = make_submission(model=EXPORTED)
    path = folder / "model.pt2"
    for says, export in (
        ("batches of exactly 1 images", lambda: _export(_network(), path, batch=1, dynamic=False)),
        (r"images of \(3, 48, 48\), but \[input\] gives \(3, 32, 32\)", lambda: _export(_network(), path, size=48)),
        ("exported in training mode", lambda: _export(_network().train(), path)),
    ):
        export()
        with pytest.raises(ModelError, match=says):
            build_model(open_submission(str(folder)), cache_folder=tmp_path)


@pytest.mark.parametrize("content", [b"no archive", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_archive_is_refused(make_submission: Make, tmp_path: Path, content: bytes) -> None:
    """Text, and an empty zip."""
    folder = make_submission(model=EXPORTED)
    (folder / "model.pt2").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.file"):
        build_model(open_submission(str(folder)), cache_folder=tmp_path)


def test_an_exported_program_cannot_be_trained(make_submission: Make, tmp_path: Path) -> None:
    """Its mode is frozen in."""
    folder = make_submission(model=EXPORTED)
    _export(_network(), folder / "model.pt2")
    with pytest.raises(ModelError, match="cannot be trained"):
        build_model(open_submission(str(folder)), cache_folder=tmp_path, with_weights=False)
