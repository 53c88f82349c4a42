"""How commands end whose exit code 1 is an answer."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from bench.cli.common import note
from bench.errors import BenchError, UsageError

__all__ = ["own_failures_end_with_4"]


@contextmanager
def own_failures_end_with_4() -> Iterator[None]:
    """1 is the command's answer and nothing else, so neither an error nor a bug may end with it."""
    try:
        yield
    except UsageError:
        raise
    except BenchError as error:
        note(f"Error: {error}")
        raise SystemExit(4) from error
    except Exception as error:
        traceback.print_exc()
        raise SystemExit(4) from error
