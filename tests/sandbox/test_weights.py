"""Weights that are bombs, loaded in the child: refused without a large allocation, the parent never opens them."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import pytest

from bench.backends import BACKENDS
from bench.backends.base import RunSpec
from bench.errors import WeightsError
from bench.models.source import open_submission
from bench.sandbox.limits import Limits
from sandbox.attacks import HONEST, write_submission

MOST = Limits(memory_bytes=1 << 30)
"""A bomb that went off would need far more."""


def _stride_0(path: Path) -> None:
    import torch

    torch.save({"scale": torch.zeros(1).expand(10**12)}, path)


def _deflated(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (64 << 20))


def _huge_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{" + b" " * 64)


def _overlapping(path: Path) -> None:
    tensor = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    header = json.dumps({"scale": tensor, "again": tensor}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))


BOMBS = {"stride 0": _stride_0, "deflated": _deflated, "huge header": _huge_header, "overlapping": _overlapping}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_in_the_child(needs_sandbox: None, tmp_path: Path, name: str) -> None:
    """Row 35: `load_error`, in a child that could not hold what the bomb declares."""
    folder = write_submission(tmp_path / "acme" / "bomb", HONEST, keys='weights = "weights.bin"\n')
    BOMBS[name](folder / "weights.bin")
    spec = RunSpec(device="cpu", precision="fp32", num_classes=1000, cache_folder=tmp_path, limits=MOST)

    with (
        pytest.raises(WeightsError) as caught,
        BACKENDS["sandbox"]().start(open_submission(str(folder)), spec),
    ):
        pass

    assert caught.value.outcome == "load_error"
    assert str(folder / "weights.bin") in str(caught.value)
