"""The way from results to a published site works as the README and the workflow write it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from leaderboard.made_results import tiny_store, write_boards

from bench.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "docs" / "github-pages.yml"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with results, boards and the documents, and another one to push to."""
    tiny_store(tmp_path / "clone" / "leaderboards")
    write_boards(tmp_path / "clone" / "leaderboards" / "boards")
    shutil.copytree(ROOT / "docs", tmp_path / "clone" / "docs")
    shutil.copy(ROOT / ".gitignore", tmp_path / "clone")
    _git(tmp_path, "init", "-q", "--bare", "origin.git")
    _git(tmp_path / "clone", "init", "-q", "-b", "main")
    for key, value in (("user.name", "A. Maintainer"), ("user.email", "a@example.org"), ("push.default", "current")):
        _git(tmp_path / "clone", "config", key, value)
    _git(tmp_path / "clone", "remote", "add", "origin", str(tmp_path / "origin.git"))
    return tmp_path / "clone"


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_the_four_commands_of_the_readme_publish(clone: Path) -> None:
    """Run as they are written, one by one; what is pushed holds results and workflow, and not the site."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## Publish the leaderboards", 1)[1]
    block = re.search(r"```\n(.*?)```", text, re.DOTALL)
    assert block is not None
    commands = block[1].splitlines()
    assert len(commands) == 4

    for command in commands:
        words = re.sub(r"^bench ", f"{shlex.quote(sys.executable)} -m bench ", command)
        subprocess.run(["/bin/sh", "-ec", words], cwd=clone, check=True, capture_output=True)

    assert (clone / "leaderboards/site/index.html").is_file()
    pushed = _git(clone.parent / "origin.git", "ls-tree", "-r", "--name-only", "main").splitlines()
    assert ".github/workflows/pages.yml" in pushed
    assert any(path.startswith("leaderboards/results/") for path in pushed)
    assert not [path for path in pushed if path.startswith("leaderboards/site/")]


def _steps() -> list[dict[str, Any]]:
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_workflow_runs_commands_that_there_are() -> None:
    """With options that they have; the folder that is uploaded is the one that is published."""
    lines = [line for step in _steps() for line in step.get("run", "").splitlines() if line.startswith("bench ")]
    assert len(lines) == 2

    found = {}
    for line in lines:
        _, name, *options = shlex.split(line)
        assert name in COMMANDS
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        found |= command.make_context(name, list(options), resilient_parsing=True).params
        known = {option for parameter in command.params for option in parameter.opts}
        assert {option for option in options if option.startswith("--")} <= known

    (uploaded,) = (step["with"]["path"] for step in _steps() if "upload-pages-artifact" in step.get("uses", ""))
    assert str(found["out"]) == uploaded


def test_the_workflow_asks_for_little() -> None:
    """Actions are pinned by hash; only the job that deploys may write, and it runs no code of the repository."""
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))

    assert workflow["permissions"] == {}
    assert workflow["jobs"]["build"]["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert not [step for step in workflow["jobs"]["deploy"]["steps"] if "run" in step]
    assert all(re.search(r"@[0-9a-f]{40}$", step["uses"]) for step in _steps() if "uses" in step)
