"""The copy that is run: the files of the digest and no others, whatever the folder holds or becomes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import SubmissionError
from bench.models.source import open_submission
from bench.sandbox.copying import copy_submission

MakeSubmission = Callable[..., Path]


def test_the_copy_holds_what_the_digest_covers(make_submission: MakeSubmission, tmp_path: Path) -> None:
    """Hidden files and texts are no part of the model; names of team and submission are no part of the path."""
    folder = make_submission()
    (folder / "layers").mkdir()
    (folder / "layers" / "block.py").write_text("x = 1\n")
    (folder / "README.md").write_text("read me\n")
    (folder / ".secret").write_text("hidden\n")

    copy = copy_submission(open_submission(str(folder)), tmp_path / "copy")

    files = sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file())
    assert files == ["layers/block.py", "model.py", "submission.toml"]
    assert "tiny" not in str(copy.relative_to(tmp_path))


def test_a_change_after_the_digest_is_refused(make_submission: MakeSubmission, tmp_path: Path) -> None:
    """Row 41: never is one tree hashed and another one run."""
    folder = make_submission()
    submission = open_submission(str(folder))
    (folder / "model.py").write_text("raise SystemExit\n")

    with pytest.raises(SubmissionError, match="was changed while"):
        copy_submission(submission, tmp_path / "copy")


def test_what_changes_after_the_copy_changes_nothing(make_submission: MakeSubmission, tmp_path: Path) -> None:
    """Row 41: the copy is the submission's, and nobody else's."""
    folder = make_submission()
    copy = copy_submission(open_submission(str(folder)), tmp_path / "copy")
    before = (copy / "model.py").read_text()
    (folder / "model.py").write_text("raise SystemExit\n")

    assert (copy / "model.py").read_text() == before


def test_a_link_that_appears_after_the_check_is_not_followed(make_submission: MakeSubmission, tmp_path: Path) -> None:
    """Row 36: a file becomes a link to a label file between the check and the run."""
    folder = make_submission()
    labels = tmp_path / "labels.txt"
    labels.write_text("490\n")
    submission = open_submission(str(folder))
    (folder / "model.py").unlink()
    (folder / "model.py").symlink_to(labels)

    with pytest.raises(SubmissionError, match="is a link"):
        copy_submission(submission, tmp_path / "copy")


def test_a_link_inside_the_folder_is_not_followed_either(make_submission: MakeSubmission, tmp_path: Path) -> None:
    """What a link leads to may change; the file itself can be copied."""
    folder = make_submission()
    (folder / "again.py").symlink_to("model.py")

    with pytest.raises(SubmissionError, match=r"again\.py: is a link, which is not followed"):
        copy_submission(open_submission(str(folder)), tmp_path / "copy")


def test_a_pipe_is_not_waited_for(make_submission: MakeSubmission, tmp_path: Path) -> None:
    """Row 36: opening a pipe for reading would wait for ever."""
    folder = make_submission()
    submission = open_submission(str(folder))
    (folder / "model.py").unlink()
    os.mkfifo(folder / "model.py")

    with pytest.raises(SubmissionError, match="is no regular file"):
        copy_submission(submission, tmp_path / "copy")
