"""`bench train`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli.main import cli
from bench.data.synthetic import write_synthetic
from bench.records.submission import Submission
from bench.version import __version__

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
    assert "acme/net: epoch 2, loss" in result.stderr
    assert (tmp_path / "out/acme/net/weights.safetensors").is_file()


def test_json_has_the_folder_and_how_it_went(words: list[str], tmp_path: Path) -> None:
    """And says when nothing was trained."""
    first, second = (json.loads(run(*words, "--json").stdout) for _ in range(2))

    assert first["folder"] == second["folder"] == str(tmp_path / "out/acme/net")
    assert [first["training"][name] for name in ("epochs", "steps", "images", "num_restarts")] == [2, 4, 16, 0]
    assert (first["reused"], second["reused"], second["training"]) == (False, True, None)


def test_who_trained_what_is_there_is_told(words: list[str], tmp_path: Path) -> None:
    """Where that was another version of bench; the folder can be removed to train again."""
    run(*words)
    manifest = tmp_path / "out/acme/net/submission.toml"
    manifest.write_text(manifest.read_text().replace(f'bench_version = "{__version__}"', 'bench_version = "0.0.1"'))
    again = run(*words)

    assert again.exit_code == 0
    assert f"Trained already by bench 0.0.1, this is {__version__}; remove {manifest.parent}" in again.stderr


def test_attempts_have_their_own_seeds_and_folders(words: list[str], tmp_path: Path) -> None:
    """The second lies in OUT/attempt-2, under the same team and name."""
    first, second = (json.loads(run(*words, "--json", "--attempt", number).stdout)["folder"] for number in "12")
    manifests = [Submission.load(Path(folder) / "submission.toml") for folder in (first, second)]

    assert second == str(tmp_path / "out/attempt-2/acme/net")
    assert [manifest.training.attempt for manifest in manifests if manifest.training] == [None, 2]
    assert len({manifest.training.seed for manifest in manifests if manifest.training}) == 2


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--precision", "bf16"], "trains in fp32; it does not allow bf16"),
        (["--accumulate", "3"], "cannot be cut into equal parts for 1 x 3 (ranks x --accumulate)"),
        (["--shard"], "--shard spreads a network over processes"),
        (["--isolation", "sandbox"], "--isolation sandbox is not there for training"),
        (["--teacher", __file__], "the recipe has no teacher to learn from"),
        (["--predictions", "predictions"], "the recipe has no teacher whose predictions are needed; leave --predict"),
    ],
    ids=["precision", "accumulate", "shard", "isolation", "teacher", "predictions"],
)
def test_options_that_cannot_be_are_wrong_usage(words: list[str], more: list[str], sentence: str) -> None:
    """One sentence with what there is, exit 2, and nothing is left behind."""
    result = run(*words, *more)

    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not list(Path(words[words.index("--out") + 1]).rglob("*.*"))


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
