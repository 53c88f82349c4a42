"""`bench check`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from click.testing import Result as Invoked

from bench.cli.main import cli
from bench.records.correctness import Correctness
from bench.records.result import Result
from bench.store import Store

MANIFEST = """\
format_version = 1
title = "A small network"
[model]
source = "python"
file = "model.py"
factory = "build_model"
{more}
"""
CODE = """\
import torch
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1000)

    def forward(self, images):
        return {answer}


def build_model():
    return Network()
"""
GOOD = "self.layer(images.mean((2, 3)))"


def _write(folder: Path, *, answer: str = GOOD, more: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "submission.toml").write_text(MANIFEST.format(more=more))
    (folder / "model.py").write_text(CODE.format(answer=answer))
    return folder


def _check(*arguments: str | Path) -> Invoked:
    return CliRunner().invoke(cli, ["check", *map(str, arguments)])


def test_a_good_submission_passes(tmp_path: Path) -> None:
    """Exit 0, the label on stdout, and on stderr that its code runs."""
    done = _check(_write(tmp_path / "acme" / "net"))
    assert done.exit_code == 0, done.output
    assert "acme/net" in done.stdout
    assert "Running the code of acme/net" in done.stderr


@pytest.mark.parametrize(
    ("answer", "more", "says"),
    [
        ("self.layer(images.mean((2, 3)))[:, :10]", "", "returned shape (4, 10) for 4 images, expected (4, 1000)"),
        (GOOD, "[outputs]\nbackground = true", "expected (4, 1001) (with the background class)"),
        (f"{GOOD} * float('nan')", "", "answered random pixels with NaN or infinity"),
        (f"[{GOOD}]", "", "returned list, expected one tensor"),
        (f"{GOOD}.long()", "", "returned torch.int64"),
        ("self.layer(images)", "", "its forward pass raised RuntimeError"),
        (GOOD, "[outputs]\nclasses = 'imagenet'", "outputs.classes: there is no dataset 'imagenet'"),
        (GOOD, "[claims]\nnum_params = 3", "claims.num_params: is 3, but the model has 4,000 parameters"),
        (GOOD, f'sha256 = "{"a" * 64}"', f"expected {'a' * 64}"),
        (GOOD, 'weights = "../w.safetensors"', "leaves the submission's folder"),
        (GOOD, "[input]\nimg_sise = 3", "input.img_sise: unknown key; did you mean img_size"),
    ],
)
def test_a_fault_is_said_and_exits_1(tmp_path: Path, answer: str, more: str, says: str) -> None:
    """Each kind of fault gives one clear sentence."""
    done = _check(_write(tmp_path / "acme" / "net", answer=answer, more=more))
    assert done.exit_code == 1, done.output
    assert says in done.stdout
    assert "1 with faults" in done.stderr


def test_no_run_leaves_the_code_alone(tmp_path: Path) -> None:
    """With --no-run nothing of the submission is executed."""
    folder = _write(tmp_path / "acme" / "net")
    (folder / "model.py").write_text("raise RuntimeError('ran')\n")
    done = _check(folder, "--no-run")
    assert done.exit_code == 0, done.output
    assert "the model was not built" in done.stdout
    assert _check(folder).exit_code == 1


def test_folders_are_searched_and_every_fault_is_listed(tmp_path: Path) -> None:
    """A parent folder stands for all submissions below it; one bad one does not hide the others."""
    _write(tmp_path / "subs" / "acme" / "good")
    _write(tmp_path / "subs" / "acme" / "bad", more="[outputs]\nbackground = true")
    _write(tmp_path / "subs" / "other" / "worse", more="sha256 = 3")
    done = _check(tmp_path / "subs", "--json")
    assert done.exit_code == 1
    found = {item["label"]: item["ok"] for item in json.loads(done.stdout)}
    assert found == {"acme/good": True, "acme/bad": False, str(tmp_path / "subs" / "other" / "worse"): False}


def test_an_empty_folder_is_wrong_usage(tmp_path: Path) -> None:
    """Nothing checked must not look like nothing wrong."""
    assert _check(tmp_path).exit_code == 2
    assert "holds no submission.toml" in _check(tmp_path).stderr
    (tmp_path / "notes.txt").write_text("words")
    assert _check(tmp_path / "notes.txt").exit_code == 2


def test_results_must_be_as_they_were_written(tmp_path: Path, make_result: Callable[..., Result]) -> None:
    """A changed number no longer agrees with the run id."""
    path = Store(tmp_path / "results").add(make_result())
    assert _check(tmp_path / "results").exit_code == 0
    path.write_text(path.read_text().replace('"top1"', '"top5"'))
    done = _check(path)
    assert done.exit_code == 1
    assert "was changed after it was written" in done.stdout
    path.write_text(path.read_text()[:100])
    assert "is not valid JSON" in _check(path).stdout


def test_a_result_in_the_wrong_folder_is_a_fault(tmp_path: Path, make_result: Callable[..., Result]) -> None:
    """Its place says who was measured how."""
    path = Store(tmp_path / "results").add(make_result())
    moved = tmp_path / "elsewhere" / path.name
    moved.parent.mkdir()
    path.rename(moved)
    assert "belongs into the folder shapes10-val/acme/vit" in _check(moved).stdout


def test_the_protocols_and_boards_that_ship_are_valid() -> None:
    """What ships passes its own check."""
    from bench.protocols import _FOLDER
    from bench.resources import resource_folder

    done = _check(_FOLDER, resource_folder("boards"))
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"ece"', '"ecce"', "metrics.report: there is no metric 'ecce': did you mean ece"),
        ('name = "imagenet-1k"', 'name = "imagenet-2k"', "dataset.name: there is no dataset 'imagenet-2k'"),
        ("resize = 256", "resize = 256\nresizee = 3", "geometry.resizee: unknown key"),
    ],
)
def test_a_protocol_with_an_unknown_name_is_a_fault(tmp_path: Path, old: str, new: str, says: str) -> None:
    """Names in a protocol are looked up."""
    from bench.protocols import _FOLDER

    text = (_FOLDER / "imagenet-val-closed.toml").read_text()
    assert old in text
    path = tmp_path / "imagenet-val-closed.toml"
    path.write_text(text.replace(old, new))
    done = _check(path)
    assert done.exit_code == 1
    assert says in done.stdout


def test_predictions_are_read(tmp_path: Path) -> None:
    """A file of answers is checked for its format, without labels."""
    folder = tmp_path / "acme" / "answers"
    folder.mkdir(parents=True)
    (folder / "submission.toml").write_text(
        'format_version = 1\ntitle = "Answers"\n[model]\nsource = "predictions"\nfile = "answers.txt"\n'
    )
    (folder / "answers.txt").write_text("490 361\n0\n")
    assert _check(folder).exit_code == 0
    (folder / "answers.txt").write_text("490 361\n\n0\n")
    done = _check(folder)
    assert done.exit_code == 1
    assert "line 2 is blank" in done.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="dropping the uid needs root")
@pytest.mark.parametrize("closed", ["model.py", "submission.toml", "layers", "."])
def test_what_cannot_be_read_is_named(request: pytest.FixtureRequest, closed: str) -> None:
    """A file or folder without read permission is a fault, not a traceback, and never left out of the digest."""
    # pytest's own folders are closed to other users, so the submission lies elsewhere.
    base = Path(tempfile.mkdtemp())
    request.addfinalizer(lambda: shutil.rmtree(base))
    base.chmod(0o755)
    folder = _write(base / "acme" / "net")
    if closed == "layers":
        (folder / "layers").mkdir()
    (folder / closed).chmod(0)
    code = (
        "import os; from bench.models.source import open_submission; from bench.errors import BenchError\n"
        "import bench.models.python_file\n"
        "os.setuid(65534)\n"
        f"try:\n    open_submission({str(folder)!r})\nexcept BenchError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cannot be read (Permission denied)" in done.stdout
    assert str(folder / closed) in done.stdout


def test_what_lies_beside_a_result_is_checked_too(tmp_path: Path, make_result: Callable[..., Result]) -> None:
    """Bits that contradict the count, cut-off bits, and broken counts by class."""
    right_N = np.arange(40) < 29  # the result counts 30
    path = Store(tmp_path / "results").add(make_result(), correctness=Correctness(right_N, right_N))
    assert "counts 29 right images for top1, but the result says 30" in _check(tmp_path / "results").stdout
    path.with_suffix(".bits").write_bytes(b"abc")
    assert _check(tmp_path / "results").exit_code == 1
    path.with_suffix(".bits").unlink()
    path.with_suffix(".classes.json").write_text("{")
    assert "is not valid JSON" in _check(tmp_path / "results").stdout


def test_what_a_forward_pass_prints_or_exits_with_is_no_result(tmp_path: Path) -> None:
    """JSON on stdout stays JSON, and a model that ends the process is a fault."""
    _write(tmp_path / "acme" / "talks", answer="print('hello') or " + GOOD)
    _write(tmp_path / "acme" / "quits", answer="exit(3)")
    done = _check(tmp_path, "--json")

    assert [item["ok"] for item in json.loads(done.stdout)] == [False, True]
    assert "SystemExit: 3" in done.stdout
