"""The submissions that a command names: opened, or why not; and how far their code is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bench.cli.common import note
from bench.errors import BenchError, UsageError

if TYPE_CHECKING:
    from bench.backends.isolation import Isolation
    from bench.models.source import LoadedSubmission

__all__ = ["open_submissions", "say_trust"]


def open_submissions(texts: Iterable[str]) -> tuple[list[LoadedSubmission], list[tuple[str, BenchError]]]:
    """Opens submissions; one that is broken keeps no other one from its turn.

    Args:
        texts: How the user named them.

    Returns:
        The sound ones in their order, and the others with what is wrong with them.

    Raises:
        UsageError: One is named in a way that can mean nothing.
    """
    from bench.models.source import open_submission

    entries, errors = [], []
    for text in texts:
        try:
            entries.append(open_submission(text))
        except UsageError:
            raise
        except BenchError as error:
            errors.append((text, error))
    return entries, errors


def say_trust(entries: Sequence[LoadedSubmission], asked: Isolation) -> None:
    """Says how far the submissions' code is kept, where there is any.

    Args:
        entries: What is about to run.
        asked: The level that was asked for.

    Raises:
        IsolationError: It cannot be had on this machine.
    """
    from bench.backends.isolation import choose_isolation

    level, missing = choose_isolation(asked)
    if missing is not None:
        note(missing)
    with_code = [entry.label for entry in entries if entry.source.runs_code]
    if with_code and level != "sandbox":
        shown = ", ".join(with_code[:3]) + (", ..." if len(with_code) > 3 else "")
        where = "in this process" if level == "none" else "with your rights"
        note(f"Running the code of {shown} {where} (isolation: {level}); run only what you trust.")
