"""`bench data shard` and the pixels that are kept for training, as users run them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli.main import cli
from bench.data.synthetic import write_synthetic

PROTOCOL = """
format_version = 1
id = "three-train"
kind = "train"
title = "Three classes"
[dataset]
name = "shapes3"
split = "train"
num_samples = 15
[geometry]
resize = 36
crop = 32
[metrics]
rank_by = "top1"
report = ["top1"]
[recipe]
epochs = 1
batch_size = 5
optimizer = "sgd"
learning_rate = 0.1
[recipe.augmentation]
"""


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A drawn dataset, and its protocol beside it."""
    write_synthetic(tmp_path / "three", num_classes=3, train_per_class=5, val_per_class=1, num_workers=1)
    (tmp_path / "three-train.toml").write_text(PROTOCOL)
    resized = PROTOCOL.replace("three-train", "three-resized") + 'crop_from = "resized"\n'
    (tmp_path / "three-resized.toml").write_text(resized)
    return tmp_path / "three"


def test_shards_are_the_same_dataset(three: Path) -> None:
    """The command prints the files, and `bench data verify` finds equal digests."""
    protocol = str(three.parent / "three-train.toml")
    out = three.parent / "shards"
    done = CliRunner().invoke(cli, ["data", "shard", str(three), str(out), "--protocol", protocol, "--images", "10"])
    reports = [
        CliRunner().invoke(cli, ["data", "verify", str(folder), "--protocol", protocol, "--json"])
        for folder in (three, out)
    ]
    splits = [json.loads(report.stdout)["splits"][0] for report in reports]

    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(out / "train" / f"shapes3-train-0000{number}.tar") for number in range(2)]
    assert [split["layout"] for split in splits] == ["wnid-folders", "webdataset"]
    assert splits[0]["digest"] == splits[1]["digest"] is not None
    assert [report.exit_code for report in reports] == [0, 0]


def test_a_second_run_changes_nothing(three: Path) -> None:
    """It says that the folder is taken, and exits with 1."""
    arguments = ["data", "shard", str(three), str(three), "--protocol", str(three.parent / "three-train.toml")]
    done = CliRunner().invoke(cli, arguments)

    assert done.exit_code == 1
    assert "train: holds files already; give an empty or a new folder" in done.stderr


def test_resized_images_are_kept_for_protocols_that_crop_from_them(three: Path) -> None:
    """`fill` takes the training protocol and fills once; `list` shows it, `prune` removes it."""
    cache_dir = str(three.parent / "cache")
    arguments = ["--protocol", str(three.parent / "three-resized.toml"), "--data", str(three), "--cache-dir", cache_dir]
    first, second = (CliRunner().invoke(cli, ["data", "cache", "fill", *arguments]) for _ in "12")
    listed = CliRunner().invoke(cli, ["data", "cache", "list", "--cache-dir", cache_dir])

    assert first.exit_code == second.exit_code == 0, first.output
    assert first.stdout == second.stdout
    assert first.stdout.splitlines()[1].split("\t")[1:] == ["36 px, whole, bilinear", "15", "all"]
    assert "15 of 15" in listed.stdout

    key = first.stdout.splitlines()[1].split("\t")[0]
    pruned = CliRunner().invoke(cli, ["data", "cache", "prune", key, "--cache-dir", cache_dir])
    again = CliRunner().invoke(cli, ["data", "cache", "list", "--cache-dir", cache_dir])
    assert pruned.exit_code == 0, pruned.output
    assert f"{key}\tresized for training" in pruned.stdout
    assert key not in again.stdout


def test_there_is_nothing_to_keep_for_crops_of_original_images(three: Path) -> None:
    """The refusal names what may help instead."""
    arguments = ["--protocol", str(three.parent / "three-train.toml"), "--data", str(three)]
    done = CliRunner().invoke(cli, ["data", "cache", "fill", *arguments, "--cache-dir", str(three.parent / "cache")])

    assert done.exit_code == 2
    assert "crops from the original images, so there are no pixels to keep; shards may help" in done.stderr
