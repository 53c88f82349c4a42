"""Files that are whole or not there."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import RecordError, StoreError, SubmissionError
from bench.files import (
    canonical_json,
    contained,
    digest_of,
    read_json,
    read_toml,
    sweep_leftovers,
    write_all_atomic,
    write_atomic,
)


def test_equal_values_have_equal_canonical_json() -> None:
    """The order of keys does not matter, that of lists does."""
    assert canonical_json({"b": 1, "a": [2, 1]}) == canonical_json({"a": [2, 1], "b": 1}) == '{"a":[2,1],"b":1}'
    assert digest_of([1, 2]) != digest_of([2, 1])


def test_not_a_number_has_no_canonical_json() -> None:
    """NaN is no JSON and never gets into a digest."""
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json(float("nan"))


def test_write_atomic_makes_parent_folders_and_leaves_one_file(tmp_path: Path) -> None:
    """Text, bytes and writers all end in exactly one file."""
    write_atomic(tmp_path / "a" / "text", "hello")
    write_atomic(tmp_path / "a" / "bytes", b"hello")
    write_atomic(tmp_path / "a" / "writer", lambda path: path.write_text("hello") and None)

    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["bytes", "text", "writer"]
    assert {path.read_text() for path in (tmp_path / "a").iterdir()} == {"hello"}


def test_a_full_disk_is_one_sentence_and_leaves_the_old_file(tmp_path: Path) -> None:
    """What was there before stays, and nothing half-written is left."""
    path = tmp_path / "file"
    path.write_text("old")

    def fill(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match="the disk is full"):
        write_atomic(path, fill)

    assert [item.name for item in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_many_files_appear_only_when_all_are_written(tmp_path: Path) -> None:
    """A folder that cannot be made stops the rest, and nothing half-written is left."""
    (tmp_path / "file").write_text("no folder")
    write_all_atomic(tmp_path, ((tmp_path / "a" / name, name) for name in ("one", "two")))

    with pytest.raises(StoreError, match="cannot be written"):
        write_all_atomic(tmp_path, [(tmp_path / "b" / "one", "1"), (tmp_path / "file" / "two", "2")])

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "a/one",
        "a/two",
        "file",
    ]
    assert (tmp_path / "a" / "two").read_text() == "two"


def test_a_killed_writer_leaves_no_half_file_and_its_rest_is_swept(tmp_path: Path) -> None:
    """After kill -9 in mid-write the target is not there, and the next run removes the leftover."""
    code = (
        "import sys, time; from pathlib import Path; from bench.files import write_atomic\n"
        "def slow(path):\n"
        "    path.write_bytes(b'half'); print('writing', flush=True); time.sleep(60)\n"
        "write_atomic(Path(sys.argv[1]), slow)"
    )
    target = tmp_path / "result.json"
    with subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "writing\n"
        assert sweep_leftovers(tmp_path) == 0, "a living writer is left alone"
        child.send_signal(signal.SIGKILL)

    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1
    assert sweep_leftovers(tmp_path) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret", "leaves the"),
        ("/etc/passwd", "leaves the"),
        ("link", "is a link that leaves"),
        ("mod\0el.py", "can be no file's name"),
        ("m" * 5000, "can be no file's name"),
    ],
)
def test_a_path_may_not_leave_the_submission(tmp_path: Path, name: str, reason: str) -> None:
    """Neither dots, nor an absolute path, nor a symbolic link leads out."""
    folder = tmp_path / "submission"
    folder.mkdir()
    (tmp_path / "secret").write_text("x")
    (folder / "link").symlink_to(tmp_path / "secret")

    with pytest.raises(SubmissionError, match=reason):
        contained(folder, name, key="model.file")


def test_a_missing_file_of_a_submission_is_named(tmp_path: Path) -> None:
    """The message has the manifest, the key and the file."""
    with pytest.raises(SubmissionError, match=r"submission\.toml: model\.file: there is no file 'model\.py'"):
        contained(tmp_path, "model.py", key="model.file")


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", b"a = 1\na = 2"])
def test_broken_toml_names_the_file(tmp_path: Path, content: bytes) -> None:
    """Syntax, encoding and doubled keys are one kind of error."""
    path = tmp_path / "x.toml"
    path.write_bytes(content)

    with pytest.raises(RecordError, match=r"x\.toml"):
        read_toml(path)


def test_json_that_is_no_object_is_refused(tmp_path: Path) -> None:
    """A list is not a record."""
    path = tmp_path / "x.json"
    path.write_text("[1]")

    with pytest.raises(RecordError, match="holds list, expected a JSON object"):
        read_json(path)


def test_an_unreadable_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A folder in the place of a file is not a traceback."""
    (tmp_path / "x.toml").mkdir()

    with pytest.raises(RecordError, match="cannot be read"):
        read_toml(tmp_path / "x.toml")


def test_a_file_in_use_by_a_reader_can_be_replaced(tmp_path: Path) -> None:
    """A reader that opened the old file goes on reading the old content."""
    path = tmp_path / "x"
    write_atomic(path, "old")
    with path.open() as stream:
        write_atomic(path, "new")

        assert stream.read() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 10_000], ids=["nesting", "digits"])
def test_files_that_break_parsers_are_errors_with_a_sentence(tmp_path: Path, value: str) -> None:
    """The parsers' own limits are no tracebacks."""
    (tmp_path / "x.json").write_text(f'{{"a": {value}}}')
    (tmp_path / "x.toml").write_text(f"a = {value}\n")

    with pytest.raises(RecordError, match="is not valid JSON"):
        read_json(tmp_path / "x.json")
    with pytest.raises(RecordError, match="is not valid TOML"):
        read_toml(tmp_path / "x.toml")
