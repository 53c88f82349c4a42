"""The search for the first slow commit: every place of it, with answers missing anywhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.gate.culprit import Answer, search


@given(st.integers(1, 40), st.data())
def test_the_first_slow_commit_is_found_in_few_questions(size: int, data: st.DataObject) -> None:
    """With all answers known there is one candidate, after at most log2(N) + 1 questions."""
    first = data.draw(st.integers(0, size - 1))
    asked: list[str] = []

    def ask(commit: str) -> Answer:
        asked.append(commit)
        return "slow" if int(commit) >= first else "fast"

    found = search([str(number) for number in range(size)], ask)
    assert found.candidates == (str(first),)
    assert len(asked) <= size.bit_length()
    assert len(set(asked)) == len(asked)


@given(st.integers(1, 30), st.data())
def test_commits_without_an_answer_stay_candidates(size: int, data: st.DataObject) -> None:
    """The first slow commit is always among the candidates; before it only commits that nothing could be said of."""
    first = data.draw(st.integers(0, size - 1))
    unknown = data.draw(st.sets(st.integers(0, max(0, size - 2))))

    def ask(commit: str) -> Answer:
        if int(commit) in unknown:
            return "unknown"
        return "slow" if int(commit) >= first else "fast"

    found = search([str(number) for number in range(size)], ask)
    assert str(first) in found.candidates
    assert all(int(commit) in unknown for commit in found.candidates[:-1])
    assert found.answers[found.candidates[-1]] == "slow"
