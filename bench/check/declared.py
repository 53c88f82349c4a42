"""Rules for boards and protocols (B01, M01, M02)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.check.rule import Finding, finding, findings_of
from bench.data.classes import class_table
from bench.errors import BenchError, UsageError, nearest
from bench.leaderboard.board import load_board
from bench.metrics import METRICS
from bench.protocols import load_protocol, protocol_ids

__all__ = ["look_at_board", "look_at_protocol"]


def look_at_board(path: Path) -> Iterator[Finding]:
    """Breaches of B01."""
    try:
        load_board(path)
    except BenchError as error:
        yield from findings_of("B01", error, path)


def look_at_protocol(path: Path) -> Iterator[Finding]:
    """Breaches of M01 and M02: a protocol's own keys, and the names that it uses."""
    try:
        protocol = load_protocol(str(path))
    except BenchError as error:
        yield from findings_of("M01", error, path)
        return
    for name in protocol.metrics.report if protocol.metrics is not None else ():
        if name not in METRICS:
            yield finding("M02", f"there is no metric {name!r}: {nearest(name, METRICS)}", path, key="metrics.report")
    if protocol.evaluate_with is not None and protocol.evaluate_with not in protocol_ids():
        message = f"there is no protocol {protocol.evaluate_with!r}: {nearest(protocol.evaluate_with, protocol_ids())}"
        yield finding("M02", message, path, key="evaluate_with")
    if protocol.kind == "reported" or protocol.dataset.num_samples == 0:
        return  # of images that others measured on, and of random pixels, there need not be a class table
    try:
        class_table(protocol.dataset.name)
    except UsageError as error:
        yield finding("M02", error.message, path, key="dataset.name")
