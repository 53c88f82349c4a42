"""Every rule is broken by something, and not broken by what is good."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from check.broken import BROKEN
from check.made import (
    LEDGER,
    commit,
    context,
    edited,
    found,
    hidden_protocol,
    repository,
    result,
    rules,
    submission,
    timed_result,
    training,
)

from bench.challenge.published import accounted, redacted
from bench.check.changes import check_changes
from bench.check.rules import GROUPS, RULES, explain
from bench.errors import UsageError
from bench.records.result import Cost, Result
from bench.records.submission import Claims
from bench.score import protocol_ref
from bench.store import Store

SLOW = {"D06"}  # starts a process that imports torch


@pytest.mark.parametrize("rule", [pytest.param(rule, marks=[pytest.mark.slow] * (rule in SLOW)) for rule in RULES])
def test_every_rule_has_something_that_breaks_it(rule: str, tmp_path: Path) -> None:
    """The fixture breaks the rule, with the rule's severity and a sentence that names a place."""
    assert rule in BROKEN, f"write a fixture that breaks {rule} in tests/check/broken.py"
    findings = [item for item in BROKEN[rule](tmp_path) if item.rule == rule]

    assert findings
    assert {item.severity for item in findings} == {RULES[rule].severity}
    assert all(item.path and item.message for item in findings)


def test_there_are_no_fixtures_for_rules_that_there_are_not() -> None:
    """A fixture outlives no rule."""
    assert set(BROKEN) == set(RULES)


def test_a_good_submission_breaks_no_rule(tmp_path: Path) -> None:
    """Not even a note; its model is run."""
    assert found(submission(tmp_path)) == []


def test_good_results_break_no_rule(tmp_path: Path) -> None:
    """An evaluation with predictions, bits and counts by class; a throughput run with raw times; a training."""
    result(tmp_path / "a")
    timed_result(tmp_path / "b")
    training(tmp_path / "c")

    assert rules(found(tmp_path)) == set()


def test_a_good_result_under_hidden_labels_breaks_no_rule(tmp_path: Path) -> None:
    """What a challenge publishes of a run."""
    protocol = hidden_protocol(tmp_path)
    whole = Result.load(result(tmp_path / "private", protocol=protocol_ref(protocol)))
    made = accounted(redacted(whole, protocol, decimals=3), LEDGER)
    Store(tmp_path / "leaderboards" / "results").add(made)

    assert rules(found(tmp_path / "leaderboards" / "results")) == set()


def test_a_good_pull_request_breaks_no_rule(tmp_path: Path) -> None:
    """One that adds a folder."""
    made = repository(tmp_path / "repository")
    submission(made / "submissions", team="second")
    commit(made)
    about, checked = check_changes("main~1..main", context(tmp_path), repository=made)

    assert about.findings == ()
    assert checked.findings == ()
    assert (checked.label, str(checked.path)) == ("second/net", "submissions/second/net")


def test_ids_are_of_a_group_and_in_order() -> None:
    """A letter that says what a rule is about, and two digits."""
    assert all(re.fullmatch(r"[A-Z]\d\d", rule) for rule in RULES)
    assert {rule[0] for rule in RULES} == set(GROUPS)
    for letter in GROUPS:
        ids = [rule for rule in RULES if rule.startswith(letter)]
        assert ids == sorted(ids)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_explains_itself(rule: str) -> None:
    """What it means, why there is one, and what to do."""
    text = explain(rule.lower())

    assert text.startswith(f"{rule} ({RULES[rule].severity}): ")
    assert all(sentence.endswith(".") for sentence in (RULES[rule].title, RULES[rule].why))
    assert "What to do: " in text


def test_an_unknown_rule_is_wrong_usage() -> None:
    """With the nearest ones."""
    with pytest.raises(UsageError, match=r"there is no rule 'L99': did you mean"):
        explain("L99")


def test_the_repository_passes_its_own_check() -> None:
    """All that it holds: submissions, results, boards, protocols; no errors and no warnings."""
    root = Path(__file__).parents[2]
    folders = [root / "submissions", root / "leaderboards", root / "bench" / "protocols"]

    assert [item for folder in folders for item in found(folder, run_model=False) if item.severity != "note"] == []


@pytest.mark.parametrize(("source", "words"), [("timm", "counted 5"), ("python", "its model declares 5")])
def test_a_count_beside_a_submissions_code_is_called_declared(tmp_path: Path, source: str, words: str) -> None:
    """Nobody else counted: the code could change what is counted."""
    path = result(tmp_path, claims=Claims(num_params=3), costs={"num_params": Cost(value=5, unit="parameters")})
    ref = json.loads(path.read_text())["submission"] | {"source": source, "title": "Another"}
    edited(path, submission=ref)
    (problem,) = found(tmp_path / "results")

    assert problem.rule == "R09"
    assert f"is claimed as 3, {words}: a declared mismatch" in problem.message
