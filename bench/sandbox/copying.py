"""The copy of a submission that is run: made without following a link, and the very files that its digest covers."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path, PurePosixPath

from bench.errors import SubmissionError
from bench.models.contents import hash_files
from bench.models.keys import named_files
from bench.models.source import MANIFEST, LoadedSubmission, open_submission

__all__ = ["MAX_BYTES", "MAX_FILES", "copy_submission"]

MAX_FILES = 10_000
MAX_BYTES = 64 << 30


def copy_submission(submission: LoadedSubmission, into: Path) -> Path:
    """Copies the files of a submission's model below a folder, and makes sure that they still have its digest.

    What is run is this copy, whatever happens to the folder in the meantime. Files that are no part of the model
    (hidden ones, texts) are left behind.

    Args:
        submission: One with a folder.
        into: A folder that does not exist yet; the copy lies in `submission` below it, readable by everybody. The names
            of team and submission are no part of its path, which the sandbox can read in its list of mounts.

    Raises:
        SubmissionError: A file is a link, a device or missing; there are too many, or too much; or the copy has another
            digest than the submission had when it was opened.
    """
    assert submission.folder is not None  # noqa: S101 - the caller's part
    target = into / submission.team / submission.name
    target.mkdir(parents=True)
    names = [MANIFEST, *hash_files(submission.folder, frozenset(named_files(submission.manifest).values()))]
    if len(names) > MAX_FILES:
        raise SubmissionError(f"holds {len(names):,} files, at most {MAX_FILES:,} are run", path=submission.folder)
    num_bytes = 0
    top = os.open(submission.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in names:
            num_bytes += _copy(top, PurePosixPath(name), target, submission.folder, MAX_BYTES - num_bytes)
    finally:
        os.close(top)
    if open_submission(str(target)).digest != submission.digest:
        raise SubmissionError("was changed while it was being run; run the command again", path=submission.folder)
    copy = target.rename(into / "submission")
    for folder in (into, copy, *(path for path in copy.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    return copy


def _copy(top: int, name: PurePosixPath, target: Path, shown: Path, most_bytes: int) -> int:
    """Copies one file, opened folder by folder, so that no part of its path can be a link; returns its size."""
    opened = [top]
    try:
        for part in name.parts[:-1]:
            opened.append(_opened(part, opened[-1], os.O_DIRECTORY, shown / name))
        opened.append(_opened(name.parts[-1], opened[-1], os.O_NONBLOCK, shown / name))
        status = os.fstat(opened[-1])
        if not stat.S_ISREG(status.st_mode):
            raise SubmissionError("is no regular file; remove it", path=shown / name)
        if status.st_size > most_bytes:
            raise SubmissionError(f"holds more than {MAX_BYTES >> 30} GiB of files", path=shown)
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(opened[-1], "rb", closefd=False) as source, place.open("xb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        place.chmod(0o644)
        return status.st_size
    finally:
        for descriptor in opened[1:]:
            os.close(descriptor)


def _opened(part: str, folder: int, flags: int, shown: Path) -> int:
    try:
        return os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=folder)
    except OSError as error:
        reason = (
            "is a link, which is not followed; copy the file"
            if _is_link(part, folder)
            else f"cannot be read ({error.strerror})"
        )
        raise SubmissionError(reason, path=shown) from error


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False
