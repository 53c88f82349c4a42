"""The command line as a whole."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bench.cli.main import COMMANDS, cli
from bench.protocols import protocol_ids
from bench.version import __version__

OPTIONS = Path(__file__).parents[1] / "data" / "cli_options.json"


def _commands() -> dict[str, click.Command]:
    """Every command, those of groups by their full names; groups themselves are left out."""
    context = click.Context(cli)
    found: dict[str, click.Command] = {}
    waiting = [(name, cli.get_command(context, name)) for name in COMMANDS]
    while waiting:
        name, command = waiting.pop()
        assert command is not None
        if isinstance(command, click.Group):
            waiting += [(f"{name} {sub}", item) for sub, item in command.commands.items()]
        else:
            found[name] = command
    return found


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_with_an_example(name: str) -> None:
    """One line of help in the list, and an example on its own page."""
    for full, command in _commands().items():
        if full.split()[0] == name:
            assert command.help is not None, full
            assert "Example" in command.help, full
            assert CliRunner().invoke(cli, [*full.split(), "--help"]).exit_code == 0


def test_examples_name_only_protocols_that_ship() -> None:
    """Or a file; a word in capitals stands for any."""
    named = {
        (full, found)
        for full, command in _commands().items()
        for found in re.findall(r"--protocol[ =]([\w./-]+)", command.help or "")
        if not found.isupper() and not found.endswith(".toml")
    }

    assert named
    assert [one for one in sorted(named) if one[1] not in protocol_ids()] == []


def test_the_options_are_those_that_were_decided() -> None:
    """Other tools rely on them: a new or changed option is a decision, made in this golden file."""
    found = {
        name: sorted(option for parameter in command.params for option in parameter.opts if option.startswith("--"))
        for name, command in _commands().items()
    }

    assert found == json.loads(OPTIONS.read_text())


def test_the_version_is_printed() -> None:
    """A bug report starts with it."""
    assert CliRunner().invoke(cli, ["--version"]).output == f"bench, version {__version__}\n"


def test_an_unknown_command_is_wrong_usage() -> None:
    """Exit code 2, and the way to help."""
    result = CliRunner().invoke(cli, ["evalute"])

    assert result.exit_code == 2
    assert "No such command 'evalute'" in result.output


def test_a_foreseeable_failure_is_a_message_without_traceback() -> None:
    """The error's own exit code, one sentence on stderr, nothing on stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", "evaluate", "timm:resnet18", "--protocol", "imagenet-val-closd", "--data", "x"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no protocol 'imagenet-val-closd': did you mean imagenet-val-closed" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_is_the_same_as_module_and_as_command() -> None:
    """`python -m bench` is the command too."""
    done = subprocess.run([sys.executable, "-m", "bench", "--help"], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("Usage: bench ")
    assert all(name in done.stdout for name in COMMANDS)


def test_an_interrupt_that_a_library_swallows_still_exits_130() -> None:
    """Importing torch may turn a Ctrl-C into an AttributeError."""
    code = """
import os, signal, sys
import click
from bench.cli import main

@click.command()
def slow():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        raise AttributeError("no attribute")

main.cli.get_command = lambda *_: slow
sys.argv = ["bench", "slow"]
main.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 130
    assert done.stderr.startswith("Interrupted")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_command_that_used_torch_ends_without_a_word() -> None:
    """Libraries below it complain at length where their objects are kept from being freed."""
    code = "import sys, torch._dynamo; sys.argv = ['bench', '--version']; from bench.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stderr == ""
