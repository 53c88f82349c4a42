"""Everything there is stands in the documents, and they are current."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from bench.cli.main import COMMANDS
from bench.leaderboard.columns import COLUMNS
from bench.metrics import METRICS
from bench.models.source import MODEL_SOURCES
from bench.protocols import protocol_ids

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def _text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_derived_documents_are_current() -> None:
    """`python docs/generate.py` would change nothing."""
    done = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_is_documented(name: str) -> None:
    """With a heading of its own."""
    assert f"\n## bench {name}\n" in _text("cli.md")


@pytest.mark.parametrize("name", [*METRICS, *COLUMNS])
def test_every_metric_and_column_is_documented(name: str) -> None:
    """In a table, with what it is."""
    assert f"| `{name}` |" in _text("metrics-and-columns.md")


@pytest.mark.parametrize("name", protocol_ids())
def test_every_protocol_is_documented(name: str) -> None:
    """With all that it fixes."""
    assert f"\n## {name}\n" in _text("protocols.md")


@pytest.mark.parametrize("name", list(MODEL_SOURCES))
def test_every_model_source_is_documented(name: str) -> None:
    """With the keys that it takes, as its declaration has them."""
    row = next(line for line in _text("formats.md").splitlines() if line.startswith(f"| `{name}` |"))
    needs, takes = (set(re.findall(r"`(\w+)`", cell)) for cell in row.split("|")[2:4])

    assert needs == MODEL_SOURCES[name].needs
    assert needs | takes == MODEL_SOURCES[name].takes


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("protocol", "bench/protocols/*.toml"),
        ("board", "leaderboards/boards/*.toml"),
        ("submission", "submissions/*/*/submission.toml"),
    ],
)
def test_the_files_of_the_repository_fit_their_schemas(schema: str, pattern: str) -> None:
    """Editors that use the schemas accept what bench accepts."""
    import json
    import tomllib

    validator = jsonschema.Draft202012Validator(json.loads(_text(f"schemas/{schema}.schema.json")))
    paths = sorted(ROOT.glob(pattern))

    assert paths
    for path in paths:
        validator.validate(tomllib.loads(path.read_text(encoding="utf-8")))


def test_the_readme_names_only_commands_that_there_are() -> None:
    """Every `bench WORD` in the code of the README is a command."""
    blocks = "\n".join(re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL))
    named = set(re.findall(r"(?:^|[/ ])bench ([a-z]+)", blocks, re.MULTILINE))

    assert named <= set(COMMANDS)
    assert {"demo", "evaluate", "publish", "new", "check", "score", "compare"} <= named


def test_links_between_documents_lead_somewhere() -> None:
    """Relative links of all Markdown pages name files that exist."""
    for page in [*ROOT.glob("*.md"), *DOCS.glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"
