"""What a commit holds, read from git's objects: nothing is checked out, no filter or hook runs, no link is made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench.errors import UsageError

__all__ = ["Change", "Entry", "changes_between", "commit_of", "entries_below", "write_blobs"]

_PLAIN = ("100644", "100755")
_TIMEOUT_S = 120
_BLOCK = 1 << 20


class Change(NamedTuple):
    """A path that two commits hold differently."""

    mode: str
    """The mode in the newer commit, `000000` where the path is gone."""
    path: str


class Entry(NamedTuple):
    """A file in a commit."""

    mode: str
    sha: str
    num_bytes: int
    """0 for what is no file."""
    path: str

    @property
    def is_plain(self) -> bool:
        """Whether it is a file with an ordinary path, and neither a link nor a submodule."""
        return self.mode in _PLAIN and not set(self.path.split("/")) & {"", ".", "..", ".git"}


def commit_of(repository: Path, name: str) -> str:
    """The id of the commit that a user names, 40 or 64 hex digits.

    Raises:
        UsageError: There is no such commit.
    """
    try:
        return _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
    except UsageError as error:
        raise UsageError(
            f"there is no commit {name!r} in {repository}; fetch it first, with its history (fetch-depth: 0)"
        ) from error


def changes_between(repository: Path, base: str, head: str) -> list[Change]:
    """What `head` changes since it left `base`, renames as a removal and an addition, sorted by path.

    Args:
        repository: A folder of the repository.
        base: A commit's id.
        head: A commit's id.
    """
    start = _git(repository, "merge-base", base, head).strip()
    fields = _git(repository, "diff-tree", "-r", "-z", "--no-renames", "--raw", start, head).split("\0")
    changes = [
        Change(about.split(" ")[1], path) for about, path in zip(fields[::2], fields[1::2], strict=False) if about
    ]
    return sorted(changes, key=lambda change: change.path)


def entries_below(repository: Path, commit: str, folder: str) -> list[Entry]:
    """The files of a commit below a folder, sorted by path; empty where there is none.

    Args:
        repository: A folder of the repository.
        commit: A commit's id.
        folder: A path from the top of the repository.
    """
    listing = _git(repository, "ls-tree", "-r", "-z", "-l", "--full-tree", commit, "--", f"{folder}/")
    entries = []
    for line in filter(None, listing.split("\0")):
        about, _, path = line.partition("\t")
        mode, _, sha, size = about.split()
        entries.append(Entry(mode, sha, int(size) if size.isdigit() else 0, path))
    return sorted(entries, key=lambda entry: entry.path)


def write_blobs(repository: Path, files: Iterable[tuple[str, Path]]) -> None:
    """Writes blobs to new files, block by block.

    Args:
        repository: A folder of the repository.
        files: Each blob's id, and the file that gets its content; there must be none yet.
    """
    command = ["git", "-C", str(repository), "cat-file", "--batch"]
    with subprocess.Popen(  # noqa: S603 - no shell
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
    ) as process:
        assert process.stdin is not None  # noqa: S101 - they are pipes
        assert process.stdout is not None  # noqa: S101
        for sha, path in files:
            process.stdin.write(f"{sha}\n".encode())
            process.stdin.flush()
            left = int(process.stdout.readline().split()[2])
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as stream:
                while left and (block := process.stdout.read(min(left, _BLOCK))):
                    left -= stream.write(block)
            process.stdout.read(1)  # the newline behind it
        process.stdin.close()


def _git(repository: Path, *words: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            ["git", "-C", str(repository), *words],  # noqa: S607 - the user's git
            capture_output=True,
            check=True,
            timeout=_TIMEOUT_S,
            env=_environment(),
        )
    except FileNotFoundError as error:
        raise UsageError("git is not installed, which --changed-by needs") from error
    except subprocess.CalledProcessError as error:
        raise UsageError(f"git {words[0]} says: {error.stderr.decode(errors='replace').strip()}") from error
    return done.stdout.decode("utf-8", errors="surrogateescape")


def _environment() -> dict[str, str]:
    """No prompts, no pager, no replacement of objects, no fetching of what is absent."""
    more = {"GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1"}
    return os.environ | more | {"LC_ALL": "C"}
