"""A stored result is run again in the way that its record says, and its answers are compared image by image.

Shape letters: N images, K kept classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.backends.device import resolve_device
from bench.backends.run import Measured, OpenCache, RunOptions, run_all
from bench.data.dataset import Dataset
from bench.errors import BenchError, NotReproducedError, StoreError
from bench.evaluate import cache_opener, precision_of
from bench.models.source import LoadedSubmission
from bench.records.audit import failed
from bench.records.predictions import Predictions
from bench.records.protocol import Precision, Protocol
from bench.records.result import Result, Scalar
from bench.score import score
from bench.store import Store
from bench.stored import Stored

__all__ = ["LOG_PROB_TOLERANCE", "Difference", "Reproduced", "check_identity", "differing", "options_of", "reproduce"]

LOG_PROB_TOLERANCE: dict[Precision, float] = {"fp32": 0.01, "tf32": 0.2, "bf16": 0.5, "fp16": 0.2}
"""How far natural-log probabilities may lie apart on another kind of machine; on the same kind all bits must be equal.

Logits reach some 20, and other kernels move them by 1e-6 of that in float32 (`benchmarks/audits.py`), and by a few
times the rounding of a factor in the others, 2^-9 in bf16 and 2^-12 in fp16 and tf32.
"""

_KIND_OF_MACHINE = ("cpu", "gpu", "machine", "num_threads", "device", "torch", "cuda", "cudnn", "memory_format")
"""What of the environment decides which kernels run and in which order they add."""


class Difference(NamedTuple):
    """An image that was answered otherwise."""

    sample_id: str
    stored_class: int
    """The first class of the stored answer."""
    found_class: int
    """That of the new one."""
    difference: float
    """The largest difference of log-probabilities."""


class Reproduced(NamedTuple):
    """What running a result again showed."""

    num_images: int
    same_bits: bool
    """All stored numbers of all answers are equal, bit for bit."""
    same_machine: bool
    """It is the same kind of machine with the same libraries."""
    changed: tuple[str, ...]
    """What of the machine is another."""
    tolerance: float | None
    """Up to where answers count as equal; None on the same kind of machine, where only equal bits do."""
    differences: tuple[Difference, ...]
    """The images that were answered otherwise; nothing where the stored answers are not here."""
    faults: tuple[str, ...]
    """Why the result is not reproduced, a sentence each; nothing where it is."""


def check_identity(stored: Stored, submission: LoadedSubmission, protocol: Protocol, digest: str) -> None:
    """Makes sure that the record is whole and speaks of this very submission, protocol and dataset.

    Args:
        stored: The result.
        submission: What will be run.
        protocol: The protocol of today.
        digest: The dataset's digest.

    Raises:
        NotReproducedError: The first thing that is not as recorded, with both digests.
    """
    result, path = stored.result, stored.path
    if result.predictions is None or result.status not in ("verified", "self-reported"):
        raise NotReproducedError(f"has status {result.status!r} and no answers to compare", path=path)
    if not result.run.endswith(result.content_digest()[:12]):
        raise NotReproducedError("its content does not fit its run id: somebody edited it", path=path)
    pairs = (
        ("submission", result.submission.digest, submission.digest, "restore its files, or check out their revision"),
        ("protocol", result.protocol.digest, protocol.digest(), f"install bench {result.bench_version}"),
        ("dataset", result.dataset.digest, digest, "take the same images, with the same --limit or --allow-partial"),
    )
    for what, wanted, found, advice in pairs:
        if wanted != found:
            raise NotReproducedError(
                f"was measured with the {what} {wanted or 'unknown'}, here it is {found}; {advice}", path=path, key=what
            )


def options_of(result: Result, options: RunOptions) -> RunOptions:
    """The options of the run that a record tells of, its secrets included.

    Args:
        result: The record.
        options: What the record does not fix: threads that decode, the cache folder.
    """
    environment, seeds = result.environment, result.seeds
    batch_size = environment.get("batch_size")
    device = environment.get("device")
    return RunOptions(
        device=str(device) if device else "auto",
        precision=result.precision,
        batch_size=batch_size if isinstance(batch_size, int) else None,
        num_threads=options.num_threads,
        cache_folder=options.cache_folder,
        compiled=environment.get("compiled") is True,
        isolation=result.isolation or "none",
        order_seed=seeds.get("order"),
        audit=bool(result.audits),
        audit_seed=seeds.get("audit"),
    )


def reproduce(
    stored: Stored,
    submission: LoadedSubmission,
    protocol: Protocol,
    dataset: Dataset,
    digest: str,
    store: Store,
    options: RunOptions,
    on_progress: Callable[[int, int], None] | None = None,
) -> Reproduced:
    """Runs a result again; nothing is stored.

    Args:
        stored: The result, which `check_identity` passed.
        submission: What is run.
        protocol: How.
        dataset: On what.
        digest: The dataset's digest.
        store: Where the stored answers lie.
        options: How to run, from `options_of`.
        on_progress: Called with 0 and how many more images are answered.

    Raises:
        NotReproducedError: The stored answers are not those that the record names.
        BenchError: The run failed.
    """
    result = stored.result
    wanted = _stored_answers(store, result)
    measured = _run(submission, protocol, dataset, options, cache_opener(dataset, digest, options), on_progress)
    changed = _changed(result.environment, measured.environment)
    assert result.predictions is not None  # noqa: S101 - check_identity comes first
    same_bits = measured.predictions.sha256() == result.predictions.sha256
    tolerance = None if not changed else LOG_PROB_TOLERANCE[result.precision or "fp32"]
    differences = () if same_bits or wanted is None else differing(wanted, measured.predictions, tolerance)
    faults = [f"audit {audit.id} ({audit.title}) failed now: {audit.sentence}" for audit in failed(measured.audits)]
    if same_bits:
        scored = score(measured.predictions, dataset.labels_N, protocol, dataset.classes)
        faults += [
            f"the record says {name} {estimate.value!r}, its own answers give {found.value!r}"
            for name, estimate in result.metrics.items()
            if (found := scored.fields["metrics"].get(name)) is not None and found.value != estimate.value
        ]
    elif differences:
        faults.append(f"{len(differences):,} of {len(dataset):,} images were answered otherwise")
    elif wanted is None:
        faults.append("the answers are others, and the stored ones are not on this machine to compare them")
    return Reproduced(
        num_images=len(dataset),
        same_bits=same_bits,
        same_machine=not changed,
        changed=changed,
        tolerance=tolerance,
        differences=differences,
        faults=tuple(faults),
    )


def differing(stored: Predictions, found: Predictions, tolerance: float | None) -> tuple[Difference, ...]:
    """The images that were answered otherwise, in the order of their ids.

    Sorted logits of one image differ by no more than the logits do, so the kept log-probabilities are compared by rank:
    two tied classes may change places. The first class must be the same unless it was tied within the tolerance.

    Args:
        stored: The answers of the record.
        found: New answers to the same images.
        tolerance: How far log-probabilities may lie apart; None where each bit counts.
    """
    columns = [
        np.abs(stored.top_log_probs_NK.astype(np.float64) - found.top_log_probs_NK).max(axis=1),
        np.abs(stored.label_log_prob_N.astype(np.float64) - found.label_log_prob_N),
    ]
    differences_N = np.nan_to_num(np.max(columns, axis=0), nan=0.0)
    other_N = stored.top_classes_NK[:, 0] != found.top_classes_NK[:, 0]
    if tolerance is None:
        bad_N = (differences_N > 0) | (stored.top_classes_NK != found.top_classes_NK).any(axis=1)
        bad_N |= ~_equal(stored.sum_squared_probs_N, found.sum_squared_probs_N)
    else:
        gap_N = stored.top_log_probs_NK[:, 0] - _stored_log_prob(stored, found.top_classes_NK[:, 0])
        bad_N = (differences_N > tolerance) | (other_N & ~(gap_N <= 2 * tolerance))
    return tuple(
        Difference(
            stored.sample_ids[row],
            int(stored.top_classes_NK[row, 0]),
            int(found.top_classes_NK[row, 0]),
            float(differences_N[row]),
        )
        for row in np.nonzero(bad_N)[0].tolist()
    )


def _stored_log_prob(stored: Predictions, classes_N: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    """What the stored answers gave each class; minus infinity where it was not among the kept ones."""
    is_it_NK = stored.top_classes_NK == classes_N[:, None]
    found_N: npt.NDArray[np.float64] = np.where(is_it_NK, stored.top_log_probs_NK, -np.inf).max(axis=1)
    return found_N


def _equal(one_N: npt.NDArray[np.float32], other_N: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    same_N: npt.NDArray[np.bool_] = (one_N == other_N) | (np.isnan(one_N) & np.isnan(other_N))
    return same_N


def _stored_answers(store: Store, result: Result) -> Predictions | None:
    """The answers that the record names, or None where they are not on this machine.

    Raises:
        NotReproducedError: The file holds other answers than its name says.
    """
    try:
        found = store.read_predictions(result)
    except StoreError:
        return None
    assert result.predictions is not None  # noqa: S101 - read_predictions has refused it
    if found.sha256() != result.predictions.sha256:
        path = store.predictions / f"{result.predictions.sha256}.parquet"
        raise NotReproducedError("holds other answers than its name says: somebody replaced it", path=path)
    return found


def _run(
    submission: LoadedSubmission,
    protocol: Protocol,
    dataset: Dataset,
    options: RunOptions,
    open_cache: OpenCache,
    on_progress: Callable[[int, int], None] | None,
) -> Measured:
    """One run of one submission."""
    devices = [resolve_device(name) for name in options.device.split(",")]
    ((_, measured),) = run_all(
        [submission],
        protocol,
        dataset,
        options,
        devices=devices,
        precision=precision_of(protocol, options),
        open_cache=open_cache,
        on_progress=on_progress,
    )
    if isinstance(measured, BenchError):
        raise measured
    return measured


def _changed(before: dict[str, Scalar], now: dict[str, Scalar]) -> tuple[str, ...]:
    """What decides the bits of an answer and is another here, as `name: before, now`."""
    return tuple(
        f"{name}: {before.get(name)}, here {now.get(name)}"
        for name in _KIND_OF_MACHINE
        if before.get(name) != now.get(name)
    )
