"""`bench new`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli.main import cli
from bench.models.source import open_submission


@pytest.mark.parametrize(
    ("source", "classes"),
    [
        ("python", "imagenet-1k"),
        ("python", "shapes10"),
        ("timm", "imagenet-1k"),
        ("timm", "shapes10"),
        ("torchvision", "imagenet-1k"),
        ("torchvision", "shapes10"),
        ("exported", "shapes10"),
        ("predictions", "imagenet-1k"),
    ],
)
def test_a_new_submission_passes_check(tmp_path: Path, source: str, classes: str) -> None:
    """Whatever the source and the classes, nothing has to be changed before it is valid."""
    folder = tmp_path / "acme" / "net"
    made = CliRunner().invoke(cli, ["new", str(folder), "--source", source, "--classes", classes])
    assert made.exit_code == 0, made.output
    assert str(folder / "submission.toml") in made.stdout.splitlines()
    assert open_submission(str(folder)).manifest.outputs.classes == classes
    checked = CliRunner().invoke(cli, ["check", str(folder)])
    assert checked.exit_code == 0, checked.output


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    """Nothing is overwritten."""
    folder = tmp_path / "acme" / "net"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text("mine")
    made = CliRunner().invoke(cli, ["new", str(folder)])
    assert made.exit_code == 2
    assert "is not empty" in made.stderr
    assert [path.name for path in folder.iterdir()] == ["model.py"]


@pytest.mark.parametrize("name", ["Acme/net", "acme/My Net"])
def test_names_must_be_identifiers(tmp_path: Path, name: str) -> None:
    """The folder could not be a submission."""
    made = CliRunner().invoke(cli, ["new", str(tmp_path / name)])
    assert made.exit_code == 1
    assert "rename the folder" in made.stderr
    assert not (tmp_path / name).exists()


def test_unknown_classes_offer_the_known(tmp_path: Path) -> None:
    """Nothing is written for a class table that does not exist."""
    made = CliRunner().invoke(cli, ["new", str(tmp_path / "acme" / "net"), "--classes", "imagenet"])
    assert made.exit_code == 2
    assert "imagenet-1k" in made.stderr
    assert not (tmp_path / "acme").exists()
