"""The commit that made a row slower: a search with the gate's three verdicts, not with two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.errors import UsageError
from bench.gate.git import commit_of, git

__all__ = ["Answer", "Found", "commits_between", "search"]

Answer = Literal["slow", "fast", "unknown"]
"""Of a commit against the good end: REGRESSION, OK, or neither (INCONCLUSIVE, INVALID, or it does not build)."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where the slowdown came in."""

    candidates: tuple[str, ...]
    """The first slow commit, after the commits before it that nothing could be said of; in order."""
    answers: dict[str, Answer]
    """Every commit that was measured."""


def search(commits: Sequence[str], ask: Callable[[str], Answer]) -> Found:
    """Finds the first slow commit; commits without an answer are passed over for their nearest neighbours.

    Args:
        commits: All commits after the good one up to the bad one, in order; the last is known to be slow.
        ask: Measures a commit against the good end.

    >>> search(["a", "b", "c", "d"], lambda commit: "slow" if commit >= "c" else "fast").candidates
    ('c',)
    """
    answers: dict[str, Answer] = {commits[-1]: "slow"}
    first_unknown, first_slow = 0, len(commits) - 1
    while first_unknown < first_slow:
        open_ones = [place for place in range(first_unknown, first_slow) if commits[place] not in answers]
        if not open_ones:
            break
        middle = (first_unknown + first_slow) // 2
        place = min(open_ones, key=lambda place: (abs(place - middle), place))
        answers[commits[place]] = ask(commits[place])
        if answers[commits[place]] == "slow":
            first_slow = place
        elif answers[commits[place]] == "fast":
            first_unknown = place + 1
    return Found(candidates=tuple(commits[first_unknown : first_slow + 1]), answers=answers)


def commits_between(repository: Path, good: str, bad: str) -> list[str]:
    """The commits after `good` up to `bad`, along first parents, oldest first.

    Raises:
        UsageError: One is no commit, or `good` is not an ancestor of `bad`.
    """
    first, last = commit_of(repository, good), commit_of(repository, bad)
    if git(repository, "merge-base", "--is-ancestor", first, last).returncode:
        raise UsageError(f"{good!r} is not an ancestor of {bad!r}; name the good revision first")
    listed = git(repository, "rev-list", "--first-parent", "--reverse", f"{first}..{last}").stdout.decode().split()
    if not listed:
        raise UsageError(f"there is no commit between {good!r} and {bad!r}")
    return listed
