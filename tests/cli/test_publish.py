"""`bench publish` as a user calls it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from leaderboard.made_results import BOARD, PROTOCOL, run_of, tiny_store, write_boards

from bench.cli.main import cli
from bench.cli.publish import default_boards_folder
from bench.resources import resource_folder
from bench.store import Store


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


def test_what_was_written_is_counted(tmp_path: Path, arguments: list[str]) -> None:
    """A second publication writes nothing; one result more writes a few files."""
    out = ("--out", str(tmp_path / "site"), "--json")
    first = json.loads(_publish(*arguments, *out).stdout)
    again = json.loads(_publish(*arguments, *out).stdout)
    Store(tmp_path / "results").add(run_of("new", 100, hours=9))
    more = json.loads(_publish(*arguments, *out).stdout)

    assert first["num_written"] == first["num_files"]
    assert (again["num_files"], again["num_written"]) == (first["num_files"], 0)
    assert 0 < more["num_written"] < more["num_files"]


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


@contextmanager
def _served(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`bench publish --serve` in a process of its own, and the address that it prints."""
    words = [sys.executable, "-m", "bench", "publish", *arguments, "--serve", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


def _wait_for(address: str, words: str) -> str:
    """The page once it holds some words; fails when it never does."""
    for _ in range(150):
        with urllib.request.urlopen(address, timeout=10) as response:  # noqa: S310 - our own address
            page = str(response.read().decode())
        if words in page:
            return page
        time.sleep(0.2)
    raise AssertionError(f"{words!r} never came: {page}")


def test_a_served_site_follows_its_results_and_ends_at_once(tmp_path: Path, arguments: list[str]) -> None:
    """A new result appears, a broken board is named and costs only itself, Ctrl-C exits 130."""
    with _served(*arguments, "--out", str(tmp_path / "site")) as (child, address):
        assert "Tiny ResNet" in _wait_for(address, "Tiny board")
        Store(tmp_path / "results").add(run_of("newcomer", 499, hours=9))
        _wait_for(address, "Newcomer")
        write_boards(tmp_path / "boards", BOARD.replace('"tiny"', '"other"').replace('"nll"', '"nlll"'))
        Store(tmp_path / "results").add(run_of("latecomer", 500, hours=10))
        _wait_for(address, "Latecomer")
        child.send_signal(signal.SIGINT)
        start = time.monotonic()
        _, errors = child.communicate(timeout=30)

    assert child.returncode == 130
    assert time.monotonic() - start < 10
    assert "did you mean nll" in errors
    assert "Traceback" not in errors


def test_what_cannot_be_published_leaves_the_last_good_site(tmp_path: Path, arguments: list[str]) -> None:
    """The results folder is gone for a while, as when a branch is changed."""
    with _served(*arguments, "--out", str(tmp_path / "site")) as (child, address):
        assert child.stderr is not None
        _wait_for(address, "Tiny board")
        (tmp_path / "results").rename(tmp_path / "away")
        while "last good site stays" not in child.stderr.readline():
            pass
        _wait_for(address, "Tiny board")
        shutil.rmtree(tmp_path / "away" / PROTOCOL / "acme")
        (tmp_path / "away").rename(tmp_path / "results")
        while "1 results" not in child.stderr.readline():
            pass
        assert "Tiny ResNet" not in _wait_for(address, "Tiny board")
        os.kill(child.pid, signal.SIGTERM)


def test_options_that_exclude_each_other_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    """Wrong usage."""
    for options in (["--serve", "--check"], ["--serve", "--json"], ["--port", "8001"]):
        assert _publish(*arguments, *options).exit_code == 2
