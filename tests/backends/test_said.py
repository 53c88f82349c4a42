"""Whatever a child says of itself, as JSON can hold it: plain values come out, or a typed failure of its submission."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from audits.test_rules import HONEST
from hypothesis import given
from hypothesis import strategies as st

from bench.audits import judge
from bench.backends.base import RunSpec
from bench.backends.jailed import _JailedSession
from bench.backends.measured import _costs
from bench.backends.said import gmacs_of, notes_of, num_params_of, scalars_of
from bench.errors import BenchError, ChannelError, ModelError
from bench.files import canonical_json
from bench.models.source import LoadedSubmission
from bench.records.result import Result
from bench.records.submission import Submission
from bench.sandbox.jail import Jail
from bench.sandbox.limits import Limits
from bench.sandbox.start import Confinement

SEEN = {"uid": 65534, "seccomp": 2, "capabilities": 0, "num_processes": 2}
WHOLE = st.integers() | st.sampled_from([0, 1, -1, 2**53, 2**64, 10**400, -(10**4000)])
PLAIN = st.none() | st.booleans() | WHOLE | st.floats() | st.sampled_from([1e308, 1e9]) | st.text(max_size=300)
ANYTHING = st.recursive(
    PLAIN, lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=90), part, max_size=4)
)
SETTINGS = st.dictionaries(st.sampled_from(["weights", "training", "x" * 80, ""]), PLAIN) | ANYTHING


def _maybe(honest: object, anything: st.SearchStrategy[Any] = ANYTHING) -> st.SearchStrategy[Any]:
    """What an honest child says, or anything: so that the checks of one field do not hide those of the next."""
    return st.just(honest) | anything


HELLO = st.fixed_dictionaries({}, optional={"environment": _maybe({"torch": "2", "num_threads": 1}, SETTINGS)})
READY = st.fixed_dictionaries(
    {}, optional={"num_params": _maybe(1), "notes": _maybe([], st.lists(PLAIN) | ANYTHING), "input": _maybe({})}
)
COSTED = st.fixed_dictionaries({}, optional={"gmacs": _maybe(1.0), "error": ANYTHING}) | ANYTHING


class Saying:
    """A keeper whose child says what it is given, one answer after the other."""

    printed = ()
    layers = ()
    hello = ready = None

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)

    def wait(self, _: object) -> bytearray:
        """The next answer."""
        answer = self._answers.pop(0)
        return bytearray(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def ask(self, *_: object, **__: object) -> None:
        """Asks nobody."""


def _session(*answers: object, source: str = "python") -> _JailedSession:
    model = {"source": source} | (
        {"file": "model.py", "factory": "build_model"} if source == "python" else {"name": "resnet18"}
    )
    manifest = Submission.parse({"format_version": 1, "title": "T", "model": model})
    submission = LoadedSubmission(manifest=manifest, team="a", name="b", folder=Path("a/b"), digest="0" * 64)
    jail = Jail(
        level="sandbox",
        limits=Limits().resolved(),
        confinement=Confinement(),
        arguments=(),
        config={},
        shown=str,
    )
    spec = RunSpec(device="cpu", precision="fp32", num_classes=1000, cache_folder=Path("cache"))
    return _JailedSession(Saying(*answers), None, jail, submission, spec)  # type: ignore[arg-type]


@given(HELLO, READY, COSTED, SETTINGS, SETTINGS)
def test_anything_said_is_a_record_or_a_typed_failure(
    hello: dict[str, Any], ready: dict[str, Any], costed: object, before: object, after: object
) -> None:
    """From the first word to the audits and the result's text, nothing but a `BenchError` is raised."""
    honest = [hello | {"seen": SEEN}, ready | {"num_params": 1, "notes": []}]
    for said in ([hello | {"seen": SEEN}, ready], honest):
        try:
            session = _session(*said, costed, before, after)
            costs, notes = _costs(session, 224)
            evidence = replace(
                HONEST,
                gmacs=costs["gmacs"].value if "gmacs" in costs else None,
                settings_before=session.settings(),
                settings_after=session.settings(),
            )
            kept = {"environment": session.environment, "notes": session.notes + notes, "audits": judge(evidence)}
        except BenchError:
            continue
        canonical_json({name: value for name, value in kept.items() if name != "audits"})
        assert all(isinstance(audit.as_json(), dict) for audit in kept["audits"])  # type: ignore[attr-defined]


@given(ANYTHING)
def test_any_first_word_is_heard_or_refused(anything: object) -> None:
    """An answer that is no object at all, or says nothing true of the confinement, too."""
    for answers in ([anything], [{"environment": {}, "seen": anything}], [{"environment": {}, "seen": SEEN}, anything]):
        with pytest.raises(BenchError):
            _session(*answers)


def test_values_that_are_too_deep_to_be_printed_are_refused() -> None:
    """Python parses nearly as deep as it prints; where it does not, the failure is typed as well."""
    honest = {"environment": {}, "seen": SEEN}
    for depth in range(900, 1000):
        deep = "[" * depth + "]" * depth
        for said in (f'{{"seen": {json.dumps(SEEN)}, "environment": {deep}}}', f'{{"seen": {{"uid": {deep}}}}}'):
            with pytest.raises(BenchError):
                _session(said.encode())
        for said in (f'{{"num_params": {deep}}}', f'{{"num_params": 1, "notes": {deep}}}'):
            with pytest.raises(ChannelError):
                _session(honest, said.encode())


@pytest.mark.parametrize("value", [10**400, 1e308, 1.1e9, -1, float("nan"), float("inf"), True, "1", [1], None])
def test_multiply_adds_must_be_a_number_that_a_model_can_have(value: object) -> None:
    """Others would overflow in what is computed from them, or in the file."""
    with pytest.raises(ChannelError, match="multiply-adds"):
        gmacs_of({"gmacs": value})
    assert gmacs_of({"gmacs": 4}) == 4.0
    with pytest.raises(ModelError, match=r"no\?shape"):
        gmacs_of({"error": "no\x1bshape"})


@pytest.mark.parametrize("value", [5, None, "text", {"a": "b"}, [1], ["good", None]])
def test_notes_must_be_a_list_of_texts(value: object) -> None:
    """Anything else is no answer of the runner."""
    with pytest.raises(ChannelError, match="notes"):
        notes_of({"notes": value})
    assert notes_of({"notes": ["a\x1bb"] * 99}) == ("a?b",) * 20


@pytest.mark.parametrize("value", [-1, True, 1.0, "1", None, 10**13 + 1])
def test_parameters_must_be_a_count(value: object) -> None:
    """A whole number that a model can have."""
    with pytest.raises(ChannelError, match="num_params"):
        num_params_of({"num_params": value})


@pytest.mark.parametrize(
    "told",
    [
        [],
        {"a b": 1},
        {"x" * 81: 1},
        {"a": []},
        {"a": 2**54},
        {"a": float("nan")},
        {"a": "\u202e"},
        {str(number): number for number in range(101)},
    ],
)
def test_settings_must_be_few_plain_values(told: object) -> None:
    """Of plain names; they go into the figures of an audit."""
    with pytest.raises(ChannelError, match="settings"):
        scalars_of(told, "settings")
    assert scalars_of({"a": 1, "b": None, "c": "x" * 999}, "settings") == {"a": 1, "b": None, "c": "x" * 197 + "..."}


def test_a_check_that_was_forgotten_ends_one_submission(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other exception becomes a typed failure that names the place; Ctrl-C stays what it is."""

    def raising(error: BaseException) -> Callable[[object], tuple[str, ...]]:
        def forgot(_: object) -> tuple[str, ...]:
            raise error

        return forgot

    answers = [{"environment": {}, "seen": SEEN}, {"num_params": 1, "notes": []}]
    monkeypatch.setattr("bench.backends.jailed.notes_of", raising(TypeError("secret")))
    with pytest.raises(ChannelError, match=r"ends in TypeError \(test_said.py, line \d+\)"):
        _session(*answers)
    monkeypatch.setattr("bench.backends.jailed.notes_of", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        _session(*answers)


def test_what_was_said_can_be_written(make_result: Callable[..., Result]) -> None:
    """The largest values that pass the checks survive the way to a file and back."""
    told = {"num_gpus": 2**53, "gpu": "G" * 200, "torch": "", "driver": None, "gpu_memory_gib": 1.7e308}
    session = _session({"environment": told, "seen": SEEN}, {"num_params": 10**13, "notes": ["", " "]})
    result = make_result(environment=session.environment, notes=session.notes)

    assert Result.parse(json.loads(result.to_text())) == result
