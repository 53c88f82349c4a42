"""`bench env`."""

from __future__ import annotations

import json

from click.testing import CliRunner

from bench import __version__
from bench.cli.main import cli


def test_the_table_has_versions_and_what_is_missing() -> None:
    """In a pipe the cells are separated by tabs."""
    done = CliRunner().invoke(cli, ["env"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert f"bench\t{__version__}" in lines
    assert any(line.startswith("torch\t") for line in lines)
    assert any(line.startswith("bubblewrap\t") for line in lines)


def test_json_has_the_same_content() -> None:
    """What a bug report needs, for programs."""
    found = json.loads(CliRunner().invoke(cli, ["env", "--json"]).stdout)
    assert found["environment"]["bench"] == __version__
    assert {"name", "found", "advice"} == set(found["needs"][0])
