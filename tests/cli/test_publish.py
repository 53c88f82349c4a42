"""`bench publish` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from leaderboard.made_results import BOARD, PROTOCOL, tiny_store, write_boards

from bench.cli.main import cli
from bench.cli.publish import default_boards_folder
from bench.resources import resource_folder


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Results and boards of the tiny store."""
    tiny_store(tmp_path)
    return ["--results", str(tmp_path / "results"), "--boards", str(write_boards(tmp_path / "boards"))]


def _publish(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["publish", *arguments])


def test_the_last_line_is_the_page_to_open(tmp_path: Path, arguments: list[str]) -> None:
    """The page exists; what was done is said on stderr."""
    done = _publish(*arguments, "--out", str(tmp_path / "site"))

    assert done.exit_code == 0, done.output
    assert Path(done.stdout.splitlines()[-1]).is_file()
    assert "6 results on 1 boards" in done.stderr


def test_a_broken_result_is_named_and_the_exit_code_is_one(tmp_path: Path, arguments: list[str]) -> None:
    """The other pages are there."""
    broken = tmp_path / "results" / PROTOCOL / "acme" / "net" / "20260101T000000Z-000000000000.json"
    broken.parent.mkdir()
    broken.write_text("{}")

    done = _publish(*arguments, "--out", str(tmp_path / "site"), "--json")

    report = json.loads(done.stdout)
    assert done.exit_code == 1
    assert str(broken) in done.stderr
    assert str(broken) in report["broken"][0]
    assert Path(report["index"]).is_file()
    assert _publish(*arguments, "--check").exit_code == 1


def test_check_without_out_renders_in_memory(tmp_path: Path, arguments: list[str]) -> None:
    """Valid results and boards pass, and nothing is written."""
    before = sorted(tmp_path.rglob("*"))

    done = _publish(*arguments, "--check")

    assert done.exit_code == 0, done.output
    assert sorted(tmp_path.rglob("*")) == before


def test_check_with_out_lists_what_differs(tmp_path: Path, arguments: list[str]) -> None:
    """A stale site fails the check."""
    out = str(tmp_path / "site")
    assert _publish(*arguments, "--out", out).exit_code == 0
    assert _publish(*arguments, "--out", out, "--check").exit_code == 0
    (tmp_path / "site" / "index.html").write_text("stale")

    done = _publish(*arguments, "--out", out, "--check")

    assert done.exit_code == 1
    assert done.stdout.splitlines() == ["index.html (differs)"]
    assert json.loads(_publish(*arguments, "--out", out, "--check", "--json").stdout)["differing"]


def test_a_board_with_a_fault_fails_the_check(tmp_path: Path, arguments: list[str]) -> None:
    """The nearest column is offered."""
    write_boards(tmp_path / "boards", BOARD.replace('"nll"', '"nlll"'))

    done = _publish(*arguments, "--check")

    assert done.exit_code == 1
    assert "did you mean nll" in done.stderr


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    """Wrong usage, and the files stay."""
    done = _publish(*arguments, "--out", str(tmp_path))

    assert done.exit_code == 2
    assert "did not make" in done.stderr
    assert (tmp_path / "results").is_dir()


def test_missing_results_are_one_clear_sentence(tmp_path: Path) -> None:
    """No traceback."""
    done = _publish("--results", str(tmp_path / "nowhere"), "--out", str(tmp_path / "site"))

    assert done.exit_code == 1
    assert "there is no such results folder" in done.stderr


def test_the_boards_at_hand_come_before_those_that_ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder the boards of the package are used."""
    monkeypatch.chdir(tmp_path)
    assert default_boards_folder() == resource_folder("boards")

    write_boards(tmp_path / "leaderboards" / "boards")

    assert default_boards_folder() == Path("leaderboards/boards")
