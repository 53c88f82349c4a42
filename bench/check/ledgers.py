"""The rule for ledgers (C01)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.check.rule import Finding, finding

__all__ = ["look_at_ledger"]


def look_at_ledger(path: Path) -> Iterator[Finding]:
    """Breaches of C01 in `challenges/<id>/ledger.jsonl`."""
    from bench.challenge.chain import read_chain

    try:
        content = path.read_bytes()
    except OSError as error:
        yield finding("C01", f"cannot be read ({error.strerror or error})", path)
        return
    for sentence in read_chain(content, path.absolute().parent.name).faults:
        yield finding("C01", sentence, path)
