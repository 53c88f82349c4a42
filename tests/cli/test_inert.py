"""Text of strangers reaches terminals and logs inert, whichever command prints it."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result as Done

from bench.cli.common import note, print_json, print_table
from bench.cli.main import cli
from bench.records.result import Result

HOSTILE = "X\x1b[31mRED\x1b]0;title\x07\x9b1m\u202e\u2028\n::warning::x\n##[error]y"

UNSEEN = ("Cc", "Cf", "Zl", "Zp")


def _bench(*words: str | Path) -> Done:
    return CliRunner().invoke(cli, [str(word) for word in words])


def _obeyed(printed: str) -> list[str]:
    """What a terminal or GitHub's log would obey: characters that cannot be seen, and lines that are commands."""
    unseen = [
        repr(one) for one in printed if one not in "\n\t" and unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp")
    ]
    return unseen + [line for line in printed.splitlines() if "::" in line or "##[" in line]


def test_notes_are_inert_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    """And keep their lines."""
    note(f"two faults:\n  {HOSTILE}")
    printed = capsys.readouterr().err

    assert _obeyed(printed) == []
    assert printed.startswith("two faults:\n  X\\x1b[31mRED")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_tables_are_inert(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    """A cell is one line; rich's own styles stay."""
    if is_terminal:
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "400")
    rows = [["a", f"{HOSTILE} [bold]b[/bold]\tc"], ["long", "y" * 5000]]
    print_table(f"A {HOSTILE}\nB" if is_terminal else None, ["key", "value"], rows)
    printed = sys.stdout.getvalue() if isinstance(sys.stdout, io.StringIO) else capsys.readouterr().out

    assert "\x1b[31m" not in printed
    assert "\x1b]" not in printed
    assert "\\x1b[31mRED" in printed
    assert "[bold]b[/bold]\\tc" in printed
    assert printed.count("y") >= 5000
    if not is_terminal:
        assert _obeyed(printed) == []
        assert len(printed.splitlines()) == 3


def test_json_means_the_same_and_hides_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Letters beyond ASCII are shown as they are."""
    value = {"name": f"Z\u00fcrich {HOSTILE} \U000e0041\x7f", "ascii": "\x7f"}
    print_json(value)
    printed = capsys.readouterr().out

    assert json.loads(printed) == value
    assert "Z\u00fcrich" in printed
    assert not [one for one in printed if one != "\n" and unicodedata.category(one) in UNSEEN]


def test_a_key_of_a_manifest_is_inert_in_an_error(tmp_path: Path, tiny_data: Path, tiny_protocol: Path) -> None:
    """Whoever hands it in chooses its unknown keys; none of them makes a line."""
    made = tmp_path / "acme" / "net"
    made.mkdir(parents=True)
    (made / "submission.toml").write_text(f"format_version = 1\ntitle = 'x'\n{json.dumps(HOSTILE)} = 1\n")
    done = _bench("evaluate", made, "--protocol", tiny_protocol, "--data", tiny_data, "--results", tmp_path / "results")

    assert done.exit_code == 1
    assert _obeyed(done.stderr) == []
    assert "unknown key" in done.stderr
    assert not [line for line in done.stderr.splitlines() if line.startswith((" :", ": :"))]


@pytest.mark.parametrize("words", [("show",), ("show", "--json"), ("list", "results"), ("verify",)])
def test_a_record_is_inert_in_every_command(
    tmp_path: Path, make_result: Callable[..., Result], tiny_data: Path, words: tuple[str, ...]
) -> None:
    """Its values, and its keys where it is broken."""
    result = make_result(environment={"cpu": HOSTILE}, notes=(HOSTILE,))
    path = tmp_path / "results" / result.protocol.id / "acme" / "vit" / f"{result.run}.json"
    path.parent.mkdir(parents=True)
    content = result.as_json() | ({HOSTILE: 1} if words[0] in ("list", "verify") else {})
    path.write_text(json.dumps(content))
    named = {"show": [path], "list": [], "verify": [path, "--data", tiny_data]}[words[0]]
    done = _bench(*words, *named, "--results", tmp_path / "results")

    assert "X" in done.output
    assert "RED" in done.output
    assert [found for found in _obeyed(done.output) if "--json" not in words or found.startswith("'")] == []
