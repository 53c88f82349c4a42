"""Rules for results; `standing.py` looks at what they stand on, `beside.py` at what lies beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.check.beside import look_beside
from bench.check.context import Context
from bench.check.predictions import look_at_predictions
from bench.check.rule import Finding, finding, findings_of
from bench.check.standing import look_at_standing
from bench.errors import BenchError, RecordError
from bench.records.base import FileRecord
from bench.records.blocks import Blocks
from bench.records.breakdown import Breakdown
from bench.records.result import Estimate, Result
from bench.records.retraction import Retraction
from bench.records.training import Attempts
from bench.stored import Stored

__all__ = ["look_at_result"]

_BESIDE: dict[str, tuple[str, type[FileRecord]]] = {
    ".retract.json": ("R11", Retraction),
    ".classes.json": ("R06", Breakdown),
    ".blocks.json": ("R05", Blocks),
    ".attempts.json": ("T02", Attempts),
}
_MAX_BYTES = 64 << 20


def look_at_result(path: Path, context: Context, notes: list[str]) -> Iterator[Finding]:
    """Breaches of the rules R, P, S and T in a result and what lies beside it, or in one of the files beside it.

    Args:
        path: The file.
        context: Options.
        notes: Takes what was not tried.
    """
    for suffix, (rule, record) in _BESIDE.items():
        if path.name.endswith(suffix):
            try:
                record.load(path)
            except BenchError as error:
                yield from findings_of(rule, error, path)
            return
    try:
        _check_keys_once(path)
        result = Result.load(path)
    except BenchError as error:
        yield from findings_of("R01", error, path)
        return
    yield from _place(result, path)
    if not result.run.endswith(result.content_digest()[:12]):
        message = (
            "does not agree with the content: the record was changed after it was written; restore it, and withdraw "
            "a wrong result with `bench retract`"
        )
        yield finding("R02", message, path, key="run")
        return
    stored = Stored(result=result, path=path)
    yield from _numbers(result, path)
    yield from look_at_standing(result, path)
    yield from look_beside(stored)
    yield from look_at_predictions(stored, context, notes)


def _check_keys_once(path: Path) -> None:
    """Refuses a file in which a key stands twice: readers differ in which one they believe.

    Raises:
        RecordError: One does, or the file is too large to be a result.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            doubled = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise RecordError("stands twice", path=path, key=doubled)
        return found

    try:
        if path.stat().st_size > _MAX_BYTES:
            raise RecordError(f"has {path.stat().st_size:,} bytes, more than any result", path=path)
        json.loads(path.read_bytes(), object_pairs_hook=once)
    except (ValueError, RecursionError):
        return  # reading the record says what is wrong with the text
    except OSError as error:
        raise RecordError(f"cannot be read ({error.strerror or error})", path=path) from error


def _place(result: Result, path: Path) -> Iterator[Finding]:
    if path.stem != result.run:
        yield finding("R03", f"is {result.run!r}, but the file is named {path.name!r}", path, key="run")
    place = (result.protocol.id, result.submission.team, result.submission.name)
    if path.resolve().parent.parts[-3:] != place:
        yield finding("R03", f"belongs into the folder {'/'.join(place)}", path)


def _numbers(result: Result, path: Path) -> Iterator[Finding]:
    """R07 and R09: the numbers against each other, and against what the authors claim."""
    evaluated = result.status != "imported" and result.training is None and result.blocks is None
    for name, estimate in result.metrics.items():
        if (message := _inner_fault(name, estimate)) is not None:
            yield finding("R07", message, path, key=f"metrics.{name}")
        # A training is over the training images, its metrics over others.
        if evaluated and estimate.num_samples != result.dataset.num_samples:
            message = f"is over {estimate.num_samples:,} images, the run over {result.dataset.num_samples:,}"
            yield finding("R07", message, path, key=f"metrics.{name}")
    top1, top5 = result.metrics.get("top1"), result.metrics.get("top5")
    if top1 is not None and top5 is not None and top5.value < top1.value:
        yield finding("R07", f"is {top5.value}, less than top1 = {top1.value}", path, key="metrics.top5")
    claims = result.submission.claims
    if claims is None or result.status in ("failed", "imported"):
        return
    for name, claimed in (("top1", claims.top1), ("top5", claims.top5)):
        measured = result.metrics.get(name)
        if claimed is None or measured is None or measured.ci_low is None or measured.ci_high is None:
            continue
        if not measured.ci_low <= claimed <= measured.ci_high:
            interval = f"[{measured.ci_low:.4f}, {measured.ci_high:.4f}]"
            message = f"is claimed as {claimed}, measured {measured.value:.4f} {interval}: a declared mismatch"
            yield finding("R09", message, path, key=f"submission.claims.{name}")
    cost = result.costs.get("num_params")
    if claims.num_params is not None and cost is not None and cost.value != claims.num_params:
        how = "its model declares" if result.declares_costs else "counted"
        message = f"is claimed as {claims.num_params:,}, {how} {cost.value:,.0f}: a declared mismatch"
        yield finding("R09", message, path, key="submission.claims.num_params")


def _inner_fault(name: str, estimate: Estimate) -> str | None:
    if estimate.count is not None and not math.isclose(
        estimate.value, estimate.count / estimate.num_samples, rel_tol=1e-9
    ):
        return f"is {estimate.value}, but {estimate.count:,} of {estimate.num_samples:,} images are right"
    if estimate.count is not None and not 0 <= estimate.value <= 1:
        return f"is {estimate.value}, a rate lies between 0 and 1"
    # The basic bootstrap of the calibration error need not contain its point.
    low, high = estimate.ci_low, estimate.ci_high
    if name != "ece" and low is not None and high is not None and not low - 1e-12 <= estimate.value <= high + 1e-12:
        return f"is {estimate.value}, outside its interval [{low}, {high}]"
    return None
