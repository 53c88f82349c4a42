"""Reports: each format is one that its readers read, with what was found, waived and passed."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from check.made import MANIFEST, result, submission
from click.testing import CliRunner
from click.testing import Result as Invoked
from hypothesis import given
from hypothesis import strategies as st

from bench.check.rules import RULES
from bench.cli.main import cli
from bench.inert import github_message, github_property, inert_line, inert_markdown

# The part of SARIF 2.1.0 that code scanning needs:
# https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
                            "properties": {
                                "level": {"enum": ["error", "warning", "note"]},
                                "locations": {
                                    "type": "array",
                                    "minItems": 1,
                                    "items": {
                                        "type": "object",
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation"],
                                                "properties": {"region": {"properties": {"startLine": {"minimum": 1}}}},
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    }
                },
            },
        },
    },
}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder with an error, a warning, a note, and a good result; waivers lie beside it."""
    made = submission(tmp_path / "all", manifest=MANIFEST.replace("contact", "#contact").replace("extra", "#extra"))
    (made / "model.py").write_text("import socket\ndef (:\n")
    result(tmp_path / "all")
    return tmp_path / "all"


def _check(folder: Path, *words: str) -> Invoked:
    return CliRunner().invoke(cli, ["check", str(folder), "--no-run", *words])


def test_text_has_a_line_for_each_thing_and_finding(mixed: Path) -> None:
    """With id and severity."""
    lines = _check(mixed).stdout.splitlines()

    assert [line.split()[0] for line in lines if not line.startswith(" ")] == ["FAULT", "ok"]
    assert [line.split()[:2] for line in lines if line.startswith("      ")] == [
        ["L39", "error:"],
        ["L04", "warning:"],
        ["L05", "note:"],
    ]


def test_json_is_a_list_of_things(mixed: Path) -> None:
    """--json is --format json."""
    done = _check(mixed, "--format", "json")
    items = json.loads(done.stdout)

    assert _check(mixed, "--json").stdout == done.stdout
    assert [item["ok"] for item in items] == [False, True]
    assert [finding["rule"] for finding in items[0]["findings"]] == ["L39", "L04", "L05"]
    assert len(items[0]["faults"]) == 1


def test_junit_has_a_case_for_each_thing(mixed: Path) -> None:
    """The failure is the error; warnings and notes are output."""
    suite = ET.fromstring(_check(mixed, "--format", "junit").stdout)  # noqa: S314 - our own

    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    (failure,) = suite.iter("failure")
    assert failure.get("type") == "L39"
    assert "L04 warning" in "".join(suite.itertext())


def test_github_has_an_annotation_for_each_finding(mixed: Path) -> None:
    """Errors with their line."""
    lines = _check(mixed, "--format", "github").stdout.splitlines()

    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::notice"]
    assert f"file={mixed}/acme/net/model.py,line=2,title=L39::cannot be parsed" in lines[0]


def test_sarif_is_what_code_scanning_reads(mixed: Path) -> None:
    """With the rules that were broken, and what to do."""
    log = json.loads(_check(mixed, "--format", "sarif").stdout)
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]

    assert [rules[item["ruleIndex"]]["id"] for item in run["results"]] == [item["ruleId"] for item in run["results"]]
    assert {rule["help"]["text"] for rule in rules} == {RULES[rule["id"]].repair for rule in rules}


def test_warnings_fail_a_strict_check_and_notes_never_do(tmp_path: Path) -> None:
    """Exit 0, 1 and 0."""
    warned = submission(tmp_path / "a", manifest=MANIFEST.replace("contact", "#contact"))
    noted = submission(tmp_path / "b", manifest=MANIFEST.replace("extra", "#extra"))

    assert _check(warned).exit_code == 0
    assert _check(warned, "--strict").exit_code == 1
    assert "FAULT" in _check(warned, "--strict").stdout
    assert _check(noted, "--strict").exit_code == 0


def test_a_rule_is_explained(tmp_path: Path) -> None:
    """Without anything to check; an unknown one is wrong usage, and so is nothing at all."""
    done = CliRunner().invoke(cli, ["check", "--explain", "L22"])

    assert done.exit_code == 0
    assert "Why: " in done.stdout
    assert CliRunner().invoke(cli, ["check", "--explain", "L99"]).exit_code == 2
    assert CliRunner().invoke(cli, ["check"]).exit_code == 2
    assert _check(tmp_path, "--changed-by", "a..b").exit_code == 2
    assert _check(submission(tmp_path), "--export", str(tmp_path / "x")).exit_code == 2


WAIVER = """\
format_version = 1
[[waiver]]
rule = "{rule}"
path = "{path}"
author = "A. Maintainer"
reason = "an old entry, kept for comparison"
expires = {expires}
"""


def test_a_waived_error_is_shown_and_fails_nothing(mixed: Path, tmp_path: Path) -> None:
    """With who waived it and why; in SARIF as a suppressed result, as an annotation not at all."""
    path = tmp_path / "waivers.toml"
    path.write_text(WAIVER.format(rule="L39", path=f"{mixed}/acme/*", expires="2999-01-01"))
    done = _check(mixed, "--waivers", str(path))

    assert done.exit_code == 0, done.output
    assert "[waived by A. Maintainer: an old entry, kept for comparison (until 2999-01-01)]" in done.stdout
    assert "L39" not in _check(mixed, "--waivers", str(path), "--format", "github").stdout
    (run,) = json.loads(_check(mixed, "--waivers", str(path), "--format", "sarif").stdout)["runs"]
    assert [item["ruleId"] for item in run["results"] if "suppressions" in item] == ["L39"]


@pytest.mark.parametrize(
    ("rule", "path", "expires", "code"),
    [("L39", "*", "2020-01-01", 1), ("L38", "*", "2999-01-01", 1), ("L39", "elsewhere/*", "2999-01-01", 1)],
)
def test_an_ended_or_other_waiver_waives_nothing(
    mixed: Path, tmp_path: Path, rule: str, path: str, expires: str, code: int
) -> None:
    """The error counts."""
    waivers = tmp_path / "waivers.toml"
    waivers.write_text(WAIVER.format(rule=rule, path=path, expires=expires))
    done = _check(mixed, "--waivers", str(waivers))

    assert done.exit_code == code
    assert ("W01 warning" in done.stdout) == (expires < "2026")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('rule = "L39"', 'rule = "L99"', "there is no rule 'L99'"),
        ("2999-01-01", '"soon"', "waiver.0.expires"),
        ("author", "auhtor", "waiver.0.auhtor: unknown key"),
        ('reason = "an old entry, kept for comparison"\n', "", "waiver.0.reason: is missing"),
    ],
)
def test_a_broken_file_of_waivers_ends_the_check(mixed: Path, tmp_path: Path, old: str, new: str, says: str) -> None:
    """Nothing is waived by mistake."""
    path = tmp_path / "waivers.toml"
    path.write_text(WAIVER.format(rule="L39", path="*", expires="2999-01-01").replace(old, new))
    done = _check(mixed, "--waivers", str(path))

    assert done.exit_code == 1
    assert says in done.stderr


def test_waivers_of_the_folder_are_found(mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """waivers.toml beside what is checked; one in the submission itself means nothing."""
    monkeypatch.chdir(tmp_path)
    text = WAIVER.format(rule="L39", path="all/acme/*", expires="2999-01-01")
    (mixed / "acme" / "net" / "waivers.toml").write_text(text)
    assert CliRunner().invoke(cli, ["check", "all", "--no-run"]).exit_code == 1

    (tmp_path / "waivers.toml").write_text(text)
    assert CliRunner().invoke(cli, ["check", "all", "--no-run"]).exit_code == 0


@given(st.text())
def test_inert_text_is_one_line_without_commands(text: str) -> None:
    """Whatever a stranger wrote."""
    for shown in (inert_line(text), inert_markdown(text)):
        assert len(shown.splitlines()) <= 1
        assert "::" not in shown
        assert "##[" not in shown
        assert shown.isprintable() or not shown.isascii()
    assert not set("\r\n") & set(github_message(text))
    assert not set(":,") & set(github_property(text))
    assert not set("<@") & set(inert_markdown(text))
