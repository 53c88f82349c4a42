"""What the gate asks git: commits, and the files of one."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.errors import UsageError

__all__ = ["commit_of", "git"]


def git(repository: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a command of git, whatever its exit code.

    Raises:
        UsageError: There is no git.
    """
    try:
        return subprocess.run(["git", "-C", str(repository), *words], capture_output=True, check=False)  # noqa: S603, S607
    except OSError as error:
        raise UsageError(f"git cannot be run ({error.strerror})") from error


def commit_of(repository: Path, revision: str) -> str:
    """The commit that a revision names.

    Raises:
        UsageError: It names none.
    """
    # After --end-of-options a revision that begins with a dash is no option.
    found = git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        raise UsageError(f"there is no revision {revision!r} in {repository}")
    return found.stdout.decode().strip()
