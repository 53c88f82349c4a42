"""Rules for what lies beside a result: bits, counts, raw times, attempts, retraction, signature."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from bench.attest import KEYS_FILE, signature_state, trusted_keys
from bench.check.rule import Finding, finding, findings_of
from bench.check.standing import has_hidden_labels
from bench.errors import BenchError
from bench.records.breakdown import Breakdown
from bench.records.result import Result
from bench.records.retraction import Retraction
from bench.stored import Stored, read_attempts, read_blocks, read_breakdown, read_correctness
from bench.throughput.summary import costs_of
from bench.training.reference import convergence_faults

__all__ = ["look_beside"]


def look_beside(stored: Stored) -> Iterator[Finding]:
    """Breaches of R04 to R06, R11, S01, S02, T02 and T03 in the files beside a valid result."""
    path, result = stored.path, stored.result
    try:
        breakdown = read_breakdown(stored)
    except BenchError as error:
        yield from findings_of("R06", error, path.with_suffix(".classes.json"))
        breakdown = None
    if breakdown is not None:
        yield from _classes(result, breakdown, path.with_suffix(".classes.json"))
    yield from _blocks(stored)
    if (retraction := path.with_suffix(".retract.json")).is_file():
        try:
            withdrawn = Retraction.load(retraction).run
        except BenchError as error:
            yield from findings_of("R11", error, retraction)
        else:
            if withdrawn != result.run:
                yield finding("R11", f"is {withdrawn!r}, but it lies beside {result.run!r}", retraction, key="run")
    yield from _bits(stored)
    yield from _attempts(stored)
    yield from _signature(stored)


def _classes(result: Result, breakdown: Breakdown, path: Path) -> Iterator[Finding]:
    sums = {"top1": sum(breakdown.num_top1), "top5": sum(breakdown.num_top5)}
    for name, found in sums.items():
        count = getattr(result.metrics.get(name), "count", None)
        if count is not None and count != found:
            yield finding("R06", f"add up to {found:,} right images for {name}, the result says {count:,}", path)
    if (total := sum(breakdown.num_samples)) != result.dataset.num_samples:
        yield finding("R06", f"add up to {total:,} images, the result says {result.dataset.num_samples:,}", path)


def _bits(stored: Stored) -> Iterator[Finding]:
    path = stored.path.with_suffix(".bits")
    try:
        bits = read_correctness(stored)
    except BenchError as error:
        yield from findings_of("R04", error, path)
        return
    if bits is None:
        result = stored.result
        is_evaluated = result.predictions is not None and result.blocks is None and result.training is None
        if is_evaluated and result.dataset.complete and not has_hidden_labels(result, stored.path):
            message = "is missing: without it nobody can score the stored predictions again; restore the file"
            yield finding("R04", message, path)
        return
    for name, right_N in (("top1", bits.top1_N), ("top5", bits.top5_N)):
        count, found = getattr(stored.result.metrics.get(name), "count", None), int(right_N.sum())
        if count is not None and count != found:
            message = f"counts {found:,} right images for {name}, but the result says {count:,}; restore the file"
            yield finding("R04", message, path)
    if bool((bits.top1_N & ~bits.top5_N).any()):
        yield finding("R04", "has an image that is right at first and not among the first five", path)


def _blocks(stored: Stored) -> Iterator[Finding]:
    """R05: the raw times of a run give its costs again."""
    path = stored.path.with_suffix(".blocks.json")
    try:
        blocks = read_blocks(stored)
    except BenchError as error:
        yield from findings_of("R05", error, path)
        return
    if blocks is None:
        return
    costs, found = stored.result.costs, costs_of(blocks)
    for name in sorted({*costs, *found}):
        said, computed = costs.get(name), found.get(name)
        if said is None or computed is None or not math.isclose(said.value, computed.value, rel_tol=1e-6):
            message = (
                f"give {name} as {computed and computed.value}, but the result says {said and said.value}; "
                "restore the file"
            )
            yield finding("R05", message, path)


def _attempts(stored: Stored) -> Iterator[Finding]:
    """T02 and T03: the attempts of a training, and how fast they learned."""
    try:
        attempts = read_attempts(stored)
    except BenchError as error:
        yield from findings_of("T02", error, stored.path.with_suffix(".attempts.json"))
        return
    for sentence in convergence_faults(stored.result, attempts):
        yield finding("T03", sentence, stored.path)


def _signature(stored: Stored) -> Iterator[Finding]:
    """S01 and S02: a signature holds, and what is verified has one."""
    path, folders = stored.path.with_suffix(".sig"), stored.path.absolute().parents
    if len(folders) < 4:
        return  # at the top of the file system, where no results folder can be
    try:
        keys = trusted_keys(folders[3])
    except BenchError as error:
        yield from findings_of("S01", error, path)
        return
    state = signature_state(stored, keys)
    if state.state == "invalid":
        yield finding("S01", f"is invalid: {state.reason}", path)
    elif state.state == "unknown key":
        yield finding("S02", f"is by the key {state.fingerprint}, which is not in {KEYS_FILE} for that day", path)
    elif state.state == "unsigned" and stored.result.status == "verified":
        yield finding("S02", "is 'verified', but nobody signed it; a maintainer runs `bench attest`", stored.path)
