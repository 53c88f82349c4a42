"""The digest of the code of a side that no commit fixes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.gate import code
from bench.gate.code import code_of, file_digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a source file, data, and an environment."""
    found = tmp_path / "project"
    for name in ("a.py", "deep/b.cpp", "data.bin", ".hidden/c.py", "env/pyvenv.cfg", "env/d.py", "out/e.py"):
        (found / name).parent.mkdir(parents=True, exist_ok=True)
        (found / name).write_text(name)
    return found


@pytest.mark.parametrize(
    ("name", "is_code"),
    [("a.py", True), ("deep/b.cpp", True), ("new.py", True), ("data.bin", False), (".hidden/c.py", False),
     ("env/d.py", False), ("out/e.py", False)],
)  # fmt: skip
def test_sources_alone_make_the_digest(folder: Path, name: str, is_code: bool) -> None:
    """Data, hidden folders, environments and what the gate writes do not."""
    before = code_of([folder], without=[folder / "out"])
    (folder / name).write_text("other")

    assert (code_of([folder], without=[folder / "out"]) != before) == is_code
    assert before.digest is not None


def test_a_folder_named_twice_is_one(folder: Path) -> None:
    """And a moved file is other code."""
    before = code_of([folder, folder / "deep" / ".."])
    assert code_of([folder]) == before
    (folder / "a.py").rename(folder / "deep" / "a.py")

    assert code_of([folder]) != before


def test_what_is_too_large_cannot_be_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason, instead of a digest of a part."""
    monkeypatch.setattr(code, "_MOST_SOURCES", 1)
    assert code_of([folder]) == (None, f"{folder} holds more than 1 source files")
    monkeypatch.setattr(code, "_MOST_ENTRIES", 2)

    assert code_of([folder]) == (None, f"{folder} holds more than 2 files")


def test_a_file_that_is_not_there_has_no_digest(folder: Path) -> None:
    """A side may lack a row."""
    assert file_digest(folder / "a.py") is not None
    assert file_digest(folder / "nowhere.py") is None
