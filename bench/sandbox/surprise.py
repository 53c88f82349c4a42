"""What nobody foresaw in what a child said: it ends the run of that child, and of nothing else."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError, ChannelError

__all__ = ["without_surprise"]


@contextmanager
def without_surprise() -> Iterator[None]:
    """Turns any exception that is no typed failure into one of the submission whose child is listened to.

    Every field that a child says is checked where it is read; this is for what those checks forgot. Ctrl-C passes. The
    exception's own text is left out, for it may hold what the parent keeps secret; its traceback is the cause.

    Raises:
        ChannelError: Something else than a `BenchError` was raised.
    """
    try:
        yield
    except BenchError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}, line {last.lineno}"
        raise ChannelError(f"what its process said ends in {type(error).__name__} ({place})") from error
