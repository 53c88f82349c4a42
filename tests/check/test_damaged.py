"""Whatever bytes a stranger hands in, a check ends with findings and not with an exception."""

from __future__ import annotations

import contextlib
import io
import tempfile
from functools import lru_cache
from pathlib import Path

import pytest
from check.made import MANIFEST, found, safetensors, submission
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.check.code import look_at_code
from bench.check.pickles import PickleError, read_pickle
from bench.check.rules import RULES
from bench.check.weights import look_at_weights

EDITS = st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=9), st.integers(0, 9)), max_size=4)


@lru_cache(maxsize=1)
def _archive() -> bytes:
    import torch

    content = io.BytesIO()
    torch.save({"a": torch.ones(3, 2), "b": torch.ones(4)[1:3]}, content)
    return content.getvalue()


def _edited(content: bytes, edits: list[tuple[int, bytes, int]]) -> bytes:
    """The content with some bytes replaced, put in or taken out."""
    for at, new, length in edits:
        start = at % (len(content) + 1)
        content = content[:start] + new + content[start + length :]
    return content


def _looked_at(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        for finding in look_at_code(path) if name.endswith(".py") else look_at_weights(path):
            assert finding.rule in RULES


@settings(max_examples=300)
@given(EDITS)
def test_damaged_archives_are_findings(edits: list[tuple[int, bytes, int]]) -> None:
    """Of torch.save."""
    _looked_at("w.pt", _edited(_archive(), edits))


@settings(max_examples=300)
@given(EDITS)
def test_damaged_safetensors_are_findings(edits: list[tuple[int, bytes, int]]) -> None:
    """Headers, offsets, data."""
    whole = safetensors({"a": ("F32", [2, 1], [0, 8]), "b": ("I64", [1], [8, 16])}, bytes(16))
    _looked_at("w.safetensors", _edited(whole, edits))


@given(st.binary(max_size=200))
def test_any_bytes_are_findings_as_weights_and_code(content: bytes) -> None:
    """With no beginning that anybody knows."""
    for name in ("w.pt", "w.safetensors", "m.py"):
        _looked_at(name, content)
        _looked_at(name, b"PK" + content)


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_any_pickle_is_read_or_refused(content: bytes) -> None:
    """By opcodes; a refusal is the one kind of error."""
    for pickled in (content, b"\x80\x02" + content + b"."):
        with contextlib.suppress(PickleError):
            read_pickle(pickled)


@settings(max_examples=50)
@given(EDITS)
def test_damaged_manifests_are_findings(edits: list[tuple[int, bytes, int]]) -> None:
    """Bytes in, bytes out."""
    with tempfile.TemporaryDirectory() as folder:
        made = submission(Path(folder))
        (made / "submission.toml").write_bytes(_edited(MANIFEST.encode(), edits))
        assert {finding.rule for finding in found(made, run_model=False)} <= set(RULES)


@pytest.mark.parametrize(
    "code",
    ["(" * 10_000, "-" * 100_000 + "1", "a." * 50_000 + "b", "x = " + "[" * 500 + "]" * 500, "\x00", "1" * 10_000, ""],
    ids=["brackets", "signs", "attributes", "lists", "nul", "digits", "nothing"],
)
def test_code_that_breaks_parsers_is_a_finding_or_nothing(tmp_path: Path, code: str) -> None:
    """The parser's own limits end as a sentence."""
    (tmp_path / "m.py").write_text(code)
    assert {finding.rule for finding in look_at_code(tmp_path / "m.py")} <= {"L39"}
