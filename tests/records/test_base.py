"""What all records share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bench.errors import RecordError
from bench.records.base import FileRecord, Record


class _Inner(Record):
    size: int = 1


class _Outer(FileRecord):
    FORMAT_VERSION: ClassVar[int] = 3
    UPGRADES: ClassVar[Any] = {
        1: lambda content: {("title" if key == "name" else key): value for key, value in content.items()},
        2: lambda content: content | {"inner": {"size": content.pop("size", 1)}},
    }
    format_version: int = 3
    title: str
    inner: _Inner = _Inner()


def _parse(**content: Any) -> _Outer:
    return _Outer.parse({"format_version": 3, **content}, path="x.toml")


def test_an_unknown_key_is_answered_with_the_nearest() -> None:
    """A slip of the pen is named with file and key, on every level."""
    with pytest.raises(RecordError, match=r"x\.toml: inner\.sise: unknown key; did you mean size\?"):
        _parse(title="a", inner={"sise": 1})


@pytest.mark.parametrize(
    ("key", "shown"), [("a[b", "a[b"), ("", ""), ("x\n::warning::y", r"'x\n::warning::y'"), ("\x1b[31m", r"'\x1b[31m'")]
)
def test_any_unknown_key_is_named_on_its_line(key: str, shown: str) -> None:
    """Brackets were a traceback, and a line break would look like a line of ours."""
    with pytest.raises(RecordError) as caught:
        _parse(title="a", inner={key: 1})
    assert str(caught.value).startswith(f"x.toml: inner.{shown}: unknown key; Known: size")


def test_a_wrong_type_is_shown_with_the_value_found() -> None:
    """Text is no number, and a number is no text."""
    with pytest.raises(RecordError, match=r"inner\.size: .*integer.* found '1'"):
        _parse(title="a", inner={"size": "1"})
    with pytest.raises(RecordError, match=r"title: .*string.*found 1"):
        _parse(title=1)


def test_all_faults_are_named_at_once() -> None:
    """A user repairs a file in one go."""
    with pytest.raises(RecordError, match=r"title: is missing\n  x\.toml: extra: unknown key"):
        _parse(extra=1)


@pytest.mark.parametrize(
    ("version", "reason"), [(4, "is 4, newer than the 3"), (0, "is 0"), ("3", "is '3'"), (None, "is missing")]
)
def test_a_version_that_cannot_be_read_is_refused(version: object, reason: str) -> None:
    """Newer, impossible and missing versions each get a sentence that says what to do."""
    content = {"title": "a"} | ({} if version is None else {"format_version": version})

    with pytest.raises(RecordError, match=f"format_version: {reason}"):
        _Outer.parse(content, path="x.toml")


def test_an_older_version_is_upgraded_step_by_step() -> None:
    """A file of version 1 passes through the upgrades to 2 and to 3."""
    record = _Outer.parse({"format_version": 1, "name": "a", "size": 7})

    assert record == _Outer(title="a", inner=_Inner(size=7))
    assert record.format_version == 3


def test_a_record_cannot_be_changed() -> None:
    """Records are frozen."""
    with pytest.raises(ValueError, match="frozen"):
        _parse(title="a").title = "b"


def test_a_record_is_read_from_toml_and_json_alike(tmp_path: Path) -> None:
    """The ending of the file decides how it is read."""
    (tmp_path / "x.toml").write_text('format_version = 3\ntitle = "a"\n[inner]\nsize = 2\n')
    (tmp_path / "x.json").write_text(json.dumps({"format_version": 3, "title": "a", "inner": {"size": 2}}))

    assert _Outer.load(tmp_path / "x.toml") == _Outer.load(tmp_path / "x.json")


def test_the_digest_does_not_depend_on_how_the_file_is_written() -> None:
    """Defaults that are written out and defaults that are left out are the same record."""
    assert _parse(title="a").digest() == _parse(inner={"size": 1}, title="a").digest()
    assert _parse(title="a").digest() != _parse(title="b").digest()
