"""The sides of a comparison: revisions made ready once, interpreters, submissions."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from bench.errors import UsageError
from bench.gate.collect import Timing, measure_pair, started
from bench.gate.config import Row
from bench.gate.sides import BuildError, Prepared, launch_of, prepare

QUICK = Timing(num_blocks=1, block_s=0.01, warm_s=0.02)
THING = "def step():\n    def run():\n        pass\n    run.outputs = lambda: [[{value}]]\n    return run\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the file `thing.py`."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "thing.py").write_text(THING.format(value=1))
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)
    return folder


def _outputs(side: Prepared, row: Row, tmp_path: Path) -> bytes:
    with ExitStack() as stack:
        ask = started(launch_of(side, row, (".",)), QUICK, stack, "base").ask
        ask("outputs", timeout_s=60, file=str(tmp_path / "outputs"))
    return (tmp_path / "outputs").read_bytes()


def test_the_environment_of_a_revision_is_made_once(repository: Path, tmp_path: Path) -> None:
    """Its commands run in its tree under its own interpreter, which also has the packages of this one."""
    install = ("echo x >> made", '{python} -c \'import sys; open("python", "w").write(sys.prefix)\'')
    first = prepare("rev:HEAD", repository=repository, cache=tmp_path / "a cache", install=install)
    again = prepare("rev:HEAD", repository=repository, cache=tmp_path / "a cache", install=install)

    assert again == first
    assert (first.folder / "made").read_text() == "x\n"
    assert (first.folder / "python").read_text() == str(Path(first.python).parents[1])
    code = "import numpy, sys; print(sys.prefix != sys.base_prefix)"
    done = subprocess.run([first.python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_a_command_that_fails_is_named_and_tried_again(repository: Path, tmp_path: Path) -> None:
    """With its last lines; nothing half made is kept."""
    install = (f"test -e {tmp_path}/there || (echo no such compiler >&2; exit 3)",)

    with pytest.raises(BuildError, match="failed with exit code 3: no such compiler"):
        prepare("rev:HEAD", repository=repository, cache=tmp_path / "cache", install=install)
    (tmp_path / "there").touch()
    assert (
        prepare("rev:HEAD", repository=repository, cache=tmp_path / "cache", install=install).folder / "thing.py"
    ).is_file()


def test_a_folder_of_a_repository_has_its_own_tree(repository: Path, tmp_path: Path) -> None:
    """The same commit seen from the top and from below; a folder that is not in it is said."""
    (repository / "below").mkdir()
    (repository / "below" / "other.py").write_text("")
    for words in (["add", "-A"], ["commit", "-q", "-m", "second"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(repository), *identity, *words], check=True, capture_output=True)
    top = prepare("rev:HEAD", repository=repository, cache=tmp_path / "cache")
    below = prepare("rev:HEAD", repository=repository / "below", cache=tmp_path / "cache")

    assert (top.folder / "below" / "other.py").is_file()
    assert [path.name for path in below.folder.iterdir()] == ["other.py"]
    with pytest.raises(BuildError, match="rev:HEAD~1"):
        prepare("rev:HEAD~1", repository=repository / "below", cache=tmp_path / "cache")


def _interpreter(folder: Path, value: int) -> str:
    """An interpreter in whose environment another `thing` is installed."""
    folder.mkdir()
    (folder / "thing.py").write_text(THING.format(value=value))
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}" exec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    return f"env:{script}"


def test_what_an_interpreter_has_installed_comes_before_the_current_folder(repository: Path, tmp_path: Path) -> None:
    """Else both sides would measure the code of the folder; for a revision its tree comes first."""
    row = Row(name="thing", target="thing:step")
    texts = ["rev:HEAD", _interpreter(tmp_path / "one", 2), _interpreter(tmp_path / "two", 3)]
    sides = [prepare(text, repository=repository, cache=tmp_path / "cache") for text in texts]
    found = [_outputs(side, row, tmp_path) for side in sides]

    assert len(set(found)) == 3
    assert sides[1].facts["version"] == ".".join(str(part) for part in sys.version_info[:3])
    assert "packages" in sides[1].facts


def test_an_interpreter_that_does_not_run_is_a_build_error(repository: Path, tmp_path: Path) -> None:
    """With what it says."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho no libpython >&2; exit 127\n")
    script.chmod(0o755)

    with pytest.raises(BuildError, match="does not run: no libpython"):
        prepare(f"env:{script}", repository=repository, cache=tmp_path)


def test_a_program_that_is_no_interpreter_is_a_build_error(repository: Path, tmp_path: Path) -> None:
    """It ends well and says nothing."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)

    with pytest.raises(BuildError, match="is no Python interpreter"):
        prepare(f"env:{script}", repository=repository, cache=tmp_path)


def test_folders_that_an_interpreter_imports_from_are_sources_of_its_side(repository: Path, tmp_path: Path) -> None:
    """What PYTHONPATH names is installed nowhere; a revision's content is fixed by its commit."""
    side = prepare(_interpreter(tmp_path / "one", 2), repository=repository, cache=tmp_path / "cache")
    revision = prepare("rev:HEAD", repository=repository, cache=tmp_path / "cache")

    assert {repository, tmp_path / "one"} <= set(side.sources)
    assert revision.sources == ()
    assert revision.facts["packages"]


MODEL = """
import torch
from torch import nn


def build_model():
    torch.manual_seed({seed})
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
"""
MANIFEST = """
format_version = 1
title = "Tiny"
license = "Apache-2.0"

[model]
source = "python"
file = "model.py"
factory = "build_model"

[outputs]
classes = "shapes10"

[input]
img_size = 32
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]
"""


def _submission(folder: Path, seed: int) -> str:
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(dedent(MODEL.format(seed=seed)))
    (folder / "submission.toml").write_text(MANIFEST)
    return f"path:{folder}"


def test_submissions_are_sides_with_their_forward_pass(tmp_path: Path) -> None:
    """A pair of them is measured; equal weights give equal outputs, other content is another gate."""
    texts = [_submission(tmp_path / "acme" / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    sides: list[Any] = [prepare(text, repository=tmp_path, cache=tmp_path / "cache") for text in texts]
    row = Row(name="forward", target="bench.backends.steps:forward", arguments={"batch_size": 2}, threads=1)

    found = [_outputs(side, row, tmp_path) for side in sides]
    assert found[0] == found[1] != found[2]
    assert len(found[0]) == 256 * 10 * 8
    assert sides[0].facts["digest"] != sides[2].facts["digest"]
    launches: Any = {"base": launch_of(sides[0], row, (".",)), "head": launch_of(sides[1], row, (".",))}
    assert measure_pair("forward", 0, launches, QUICK, seed=0).is_valid


def test_a_submission_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    """The missing file is named."""
    with pytest.raises(UsageError, match=r"there is no submission\.toml in it"):
        prepare(f"path:{tmp_path}", repository=tmp_path, cache=tmp_path)
