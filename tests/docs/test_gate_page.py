"""The page of the gate says what there is: options, keys, exit codes, and workflows that parse."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench.cli.main import COMMANDS, cli
from bench.gate.config import GateConfig, Ignored, Row
from bench.gate.suite import EXIT_CODES

PAGE = (Path(__file__).parents[2] / "docs" / "gate.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)


def _commands() -> list[str]:
    lines = [line.strip() for _, block in BLOCKS for line in block.splitlines()]
    return [re.sub(r"^- (run: )?", "", line) for line in lines if re.match(r"^(- (run: )?)?(bench|pytest)( |$)", line)]


@pytest.mark.parametrize("line", [line for line in _commands() if line.startswith("bench")])
def test_every_command_on_the_page_can_be_parsed(line: str) -> None:
    """Its options exist and take these values."""
    words = shlex.split(line, comments=True)[1:]
    assert words[0] in COMMANDS
    command = cli.get_command(None, words[0])  # type: ignore[arg-type]
    known = {option for parameter in command.params for option in parameter.opts}  # type: ignore[union-attr]

    assert {word for word in words if word.startswith("--")} <= known


def test_the_options_of_the_plugin_exist() -> None:
    """Those of the examples and of the text."""
    named = set(re.findall(r"--bench-\w+", PAGE))
    code = (Path(__file__).parents[2] / "bench" / "gate" / "plugin.py").read_text(encoding="utf-8")

    assert named == set(re.findall(r'"(--bench-\w+)"', code))


@pytest.mark.parametrize(("record", "header"), [(GateConfig, "| key |"), (Row, "| key of a row |")])
def test_every_key_of_the_configuration_is_in_its_table(record: type[GateConfig | Row], header: str) -> None:
    """And no other."""
    table = PAGE[PAGE.index(header) :].partition("\n\n")[0]

    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(record.model_fields)
    assert all(f"`{key}`" in PAGE for key in Ignored.model_fields)


def test_the_example_of_a_configuration_is_one() -> None:
    """All of its keys."""
    import tomllib

    (text,) = (block for kind, block in BLOCKS if kind == "toml")
    config = GateConfig.parse(tomllib.loads(text))
    assert [row.name for row in config.rows] == ["forward, batch 32", "training step"]


def test_the_exit_codes_are_those_of_the_gate() -> None:
    """Each verdict stands beside its code."""
    rows = re.findall(r"^\| (\d)[^|]*\| ([A-Z]+) \|", PAGE, re.MULTILINE)

    assert {word: int(code) for code, word in rows} == EXIT_CODES


@pytest.mark.parametrize("text", [block for kind, block in BLOCKS if kind == "yaml"], ids=["github", "gitlab"])
def test_workflows_parse(text: str) -> None:
    """As YAML, with a step that runs the gate."""
    yaml = pytest.importorskip("yaml")

    assert "bench gate" in str(yaml.safe_load(text))
