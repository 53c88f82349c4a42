"""An evaluation needs the label, and a maintainer's review of the very commit; a push voids both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.check.approval import Approved, approved, main
from bench.errors import RecordError

COMMIT, OTHER, BASE = "a" * 40, "b" * 40, "c" * 40
TEXT = "$(touch /tmp/owned); `touch owned` ${{ secrets.X }}\n::set-output name=commit::" + OTHER


def _pull() -> dict[str, Any]:
    return {
        "number": 7,
        "state": "open",
        "title": TEXT,
        "body": TEXT,
        "user": {"login": "mallory"},
        "head": {"sha": COMMIT, "ref": TEXT},
        "base": {"sha": BASE, "ref": "main"},
    }


def _event() -> dict[str, Any]:
    return {"action": "labeled", "label": {"name": "evaluate"}, "sender": {"login": "maria"}, "pull_request": _pull()}


def _review(login: str = "maria", state: str = "APPROVED", commit: str = COMMIT) -> dict[str, Any]:
    return {"user": {"login": login}, "state": state, "commit_id": commit, "body": TEXT}


def _decide(
    event: dict[str, Any] | None = None,
    pull: dict[str, Any] | None = None,
    reviews: list[dict[str, Any]] | None = None,
) -> Approved:
    """The decision with other values in the event or in the pull request."""
    return approved(
        _event() | (event or {}),
        _pull() | (pull or {}),
        [_review()] if reviews is None else reviews,
        {"maria", "mario"},
    )


def test_a_reviewed_commit_with_the_label_may_be_evaluated() -> None:
    """Whatever title, branch and text of the pull request hold."""
    assert _decide() == Approved(7, BASE, COMMIT)
    assert _decide(reviews=[_review("mario", "CHANGES_REQUESTED"), _review("mario")]) == Approved(7, BASE, COMMIT)


@pytest.mark.parametrize(
    ("event", "pull", "says"),
    [
        ({"action": "synchronize"}, {}, "not the label"),
        ({"label": {"name": "evaluated"}}, {}, "not the label"),
        ({"label": None}, {}, "not the label"),
        ({"sender": {"login": "mallory"}}, {}, "no maintainer"),
        ({}, {"head": {"sha": OTHER}}, "a push after the label"),
        ({}, {"state": "closed"}, "not open"),
        ({}, {"number": 8}, "another one"),
        ({}, {"head": {"sha": f"{COMMIT}\ncommit={OTHER}"}}, "no number or commits"),
        ({}, {"head": "x"}, "no number or commits"),
        ({}, {"number": "7; true"}, "no number or commits"),
    ],
)
def test_what_is_missing_is_said(event: dict[str, Any], pull: dict[str, Any], says: str) -> None:
    """Another event, another sender, a push, a closed pull request, odd values."""
    with pytest.raises(RecordError, match=says):
        _decide(event, pull)


@pytest.mark.parametrize(
    ("reviews", "says"),
    [
        ([], "no maintainer's approving review is of this commit"),
        ([_review(commit=OTHER)], "no maintainer's approving review is of this commit"),
        ([_review("mallory")], "no maintainer's approving review is of this commit"),
        ([_review(state="COMMENTED")], "no maintainer's approving review is of this commit"),
        ([_review(), _review(state="DISMISSED")], "no maintainer's approving review is of this commit"),
        ([_review(), _review("mario", "CHANGES_REQUESTED")], "requests changes"),
        ([{"user": None, "state": "APPROVED", "commit_id": COMMIT}], "no maintainer's approving review"),
    ],
)
def test_only_a_maintainers_standing_approval_of_this_commit_counts(reviews: list[dict[str, Any]], says: str) -> None:
    """Not one of an older commit: a push after the approval voids it."""
    with pytest.raises(RecordError, match=says):
        _decide(reviews=reviews)


def test_a_maintainer_does_not_approve_his_own() -> None:
    """Somebody else looks at it."""
    with pytest.raises(RecordError, match="no maintainer's approving review"):
        _decide(pull={"user": {"login": "maria"}})


def test_the_job_hands_on_ids_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three lines of digits for the next job; on a refusal, none, and a sentence without a stranger's text."""
    output = tmp_path / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    monkeypatch.setenv("BENCH_MAINTAINERS", "maria, mario")
    paths = [str(tmp_path / name) for name in ("event.json", "pull.json", "reviews.json")]
    for path, content in zip(paths, (_event(), _pull(), [_review()]), strict=True):
        Path(path).write_text(json.dumps(content))

    assert main(paths) == 0
    assert output.read_text() == f"number=7\nbase={BASE}\ncommit={COMMIT}\n"

    output.unlink()
    Path(paths[2]).write_text(json.dumps([_review(commit=OTHER)]))
    assert main(paths) == 1
    assert not output.exists()
    Path(paths[2]).write_text("[" * 100_000)
    assert main(paths) == 1
    assert main(paths[:2]) == 1
    assert TEXT not in capsys.readouterr().err
