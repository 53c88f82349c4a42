"""The submissions that a command names: opened, or why not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.errors import BenchError, UsageError

if TYPE_CHECKING:
    from bench.models.source import LoadedSubmission

__all__ = ["open_submissions"]


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
