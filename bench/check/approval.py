"""Whether a maintainer allowed the evaluation of this very commit of a pull request; run by a trusted job.

`python -m bench.check.approval EVENT PULL REVIEWS` reads what GitHub says about a label that was set, and writes
`number`, `base` and `commit` to $GITHUB_OUTPUT; it exits 1 where something is missing. Nothing that the pull request's
author can write (title, body, branch, commit message) is looked at, printed, or handed on.

A label says nothing about a commit: the author may push between a maintainer's look and his click. A review names the
commit that was looked at. So the label starts the evaluation, an approving review of the same commit allows it, and any
push voids both.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import RecordError

__all__ = ["LABEL", "Approved", "approved", "main"]

LABEL = "evaluate"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MAX_BYTES = 16 << 20


class Approved(NamedTuple):
    """What may be evaluated."""

    number: int
    """The pull request."""
    base: str
    """The commit that it is compared with, 40 hex digits."""
    commit: str
    """The commit that was approved, 40 hex digits."""


def approved(
    event: Mapping[str, Any],
    pull: Mapping[str, Any],
    reviews: Sequence[Mapping[str, Any]],
    maintainers: Collection[str],
) -> Approved:
    """What a maintainer has approved.

    Args:
        event: The event of the label, as GitHub wrote it.
        pull: The pull request as it is now.
        reviews: Its reviews, oldest first.
        maintainers: The logins of those who may approve.

    Raises:
        RecordError: Something is missing; the sentence says what.
    """
    label, sender = _at(event, "label", "name"), _at(event, "sender", "login")
    number, commit, base = _at(pull, "number"), _at(pull, "head", "sha"), _at(pull, "base", "sha")
    if _at(event, "action") != "labeled" or label != LABEL:
        raise RecordError(f"this is not the label {LABEL!r} being set")
    if sender not in maintainers:
        raise RecordError("the label was set by somebody who is no maintainer (variable BENCH_MAINTAINERS)")
    if type(number) is not int or not (_is_commit(commit) and _is_commit(base)):
        raise RecordError("the pull request has no number or commits")
    if _at(event, "pull_request", "number") != number or _at(pull, "state") != "open":
        raise RecordError("the pull request is another one, or not open")
    if _at(event, "pull_request", "head", "sha") != commit:
        raise RecordError("there was a push after the label: review the new commit, remove the label and set it again")
    author = _at(pull, "user", "login")
    verdicts: dict[str, tuple[object, object]] = {}
    for review in reviews:
        reviewer, state = _at(review, "user", "login"), _at(review, "state")
        if reviewer in maintainers and reviewer != author and state in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED"):
            verdicts[str(reviewer)] = (state, _at(review, "commit_id"))
    if any(state == "CHANGES_REQUESTED" for state, _ in verdicts.values()):
        raise RecordError("a maintainer requests changes")
    if ("APPROVED", commit) not in verdicts.values():
        raise RecordError("no maintainer's approving review is of this commit; approve it, and set the label again")
    return Approved(number, str(base), str(commit))


def _is_commit(value: object) -> bool:
    return isinstance(value, str) and _COMMIT.fullmatch(value) is not None


def _at(value: Any, *keys: str) -> object:
    """The value below these keys; None where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise RecordError("is too large", path=path)
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError, OSError) as error:
        raise RecordError(f"is not what GitHub writes ({type(error).__name__})", path=path) from error


def main(arguments: Sequence[str]) -> int:
    """Reads three files, writes to $GITHUB_OUTPUT; returns the exit code."""
    try:
        event, pull, reviews = (_read(Path(argument)) for argument in arguments)
        logins = frozenset(filter(None, re.split(r"[\s,]+", os.environ.get("BENCH_MAINTAINERS", ""))))
        found = approved(event, pull, reviews, logins)
    except (RecordError, ValueError) as error:
        sys.stderr.write(f"Not evaluated: {error}\n")
        return 1
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as output:
        output.write(f"number={found.number}\nbase={found.base}\ncommit={found.commit}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
