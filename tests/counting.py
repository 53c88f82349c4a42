"""What processes of a test do under a lock; in a module of its own, which a spawned child can import."""

from __future__ import annotations

from pathlib import Path

from bench.records.equal_run import EqualRun
from bench.store import Store


def count_up(folder: str, key: EqualRun, times: int) -> None:
    """Reads a number, adds one and writes it, so many times."""
    store = Store(Path(folder))
    for _ in range(times):
        with store.lock(key):
            path = store.results / "counter"
            value = int(path.read_text()) if path.exists() else 0
            path.write_text(str(value + 1))
