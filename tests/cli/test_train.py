"""`bench train`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli.main import cli
from bench.data.synthetic import write_synthetic

PROTOCOL = """
format_version = 1
id = "shapes2-train"
kind = "train"
title = "Two shapes"
dataset = { name = "shapes2", split = "train", num_samples = 8 }
geometry = { resize = 18, crop = 16 }
metrics = { rank_by = "top1", report = ["top1"] }

[recipe]
epochs = 2
batch_size = 4
optimizer = "sgd"
learning_rate = 0.01
augmentation = {}
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The arguments of a short training."""
    write_synthetic(tmp_path / "data", num_classes=2, train_per_class=4, val_per_class=1)
    (tmp_path / "shapes2-train.toml").write_text(PROTOCOL)
    folder = tmp_path / "submissions" / "acme" / "net"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(
        "from torch import nn\n\n\ndef build_model():\n    return nn.Sequential(nn.Flatten(), nn.Linear(768, 2))\n"
    )
    (folder / "submission.toml").write_text(
        'format_version = 1\ntitle = "Net"\n[model]\nsource = "python"\nfile = "model.py"\nfactory = "build_model"\n'
        '[outputs]\nclasses = "shapes2"\n'
    )
    protocol, data, out = (str(tmp_path / name) for name in ("shapes2-train.toml", "data", "out"))
    return ["train", str(folder), "--protocol", protocol, "--data", data, "--out", out, "--device", "cpu"]


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def test_the_trained_submission_is_the_last_line(words: list[str], tmp_path: Path) -> None:
    """On stdout alone, so that a script can hand it to `bench evaluate`."""
    result = run(*words)

    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path / 'out/acme/net'}\n"
    assert "acme/net: 2 epochs, loss" in result.stderr
    assert (tmp_path / "out/acme/net/weights.safetensors").is_file()


def test_json_has_the_folder_and_every_epoch(words: list[str], tmp_path: Path) -> None:
    """And says when nothing was trained."""
    first, second = (json.loads(run(*words, "--json").stdout) for _ in range(2))

    assert first["folder"] == second["folder"] == str(tmp_path / "out/acme/net")
    assert [(epoch["epoch"], set(epoch)) for epoch in first["epochs"]] == [
        (1, {"epoch", "loss", "top1"}),
        (2, {"epoch", "loss", "top1"}),
    ]
    assert (first["reused"], second["reused"], second["epochs"]) == (False, True, [])


def test_an_incomplete_dataset_is_not_trained_on(words: list[str], tmp_path: Path) -> None:
    """One sentence, exit 1."""
    next((tmp_path / "data" / "train").rglob("*.JPEG")).unlink()
    result = run(*words)

    assert result.exit_code == 1
    assert "holds 7 train images, the protocol needs 8" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_protocol_that_trains_nothing_is_wrong_usage(words: list[str]) -> None:
    """Exit 2, and the kind that was found."""
    words[words.index("--protocol") + 1] = "imagenet-val-closed"
    result = run(*words)

    assert result.exit_code == 2
    assert "is of kind 'evaluate', this needs kind 'train'" in result.stderr
