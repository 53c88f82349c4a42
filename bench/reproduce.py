"""A stored result is run again in the way that its record says, and its answers are compared image by image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from bench.backends.device import resolve_device
from bench.backends.isolation import Isolation, Level, choose_isolation, is_enough
from bench.backends.measured import Measured
from bench.backends.run import OpenCache, RunOptions, run_all
from bench.data.dataset import Dataset
from bench.difference import Difference, differing
from bench.errors import BenchError, NotReproducedError, StoreError
from bench.evaluate import cache_opener, precision_of
from bench.metrics.scoring import same_estimate
from bench.models.source import LoadedSubmission
from bench.records.audit import failed
from bench.records.predictions import Predictions
from bench.records.protocol import Precision, Protocol
from bench.records.result import Estimate, Result
from bench.score import score
from bench.store import Store
from bench.stored import Stored

__all__ = ["LOG_PROB_TOLERANCE", "Reproduced", "check_identity", "options_of", "reproduce"]

LOG_PROB_TOLERANCE: dict[Precision, float] = {"fp32": 0.01, "tf32": 0.2, "bf16": 0.5, "fp16": 0.2}
"""How far natural-log probabilities may lie apart on another kind of machine; on the same kind all bits must be equal.

Logits reach some 20, and other kernels move them by 1e-6 of that in float32 (`benchmarks/audits.py`), and by a few
times the rounding of a factor in the others, 2^-9 in bf16 and 2^-12 in fp16 and tf32.
"""

_KIND_OF_MACHINE = ("cpu", "gpu", "machine", "num_threads", "device", "torch", "cuda", "cudnn", "memory_format")
"""What of the environment decides which kernels run and in which order they add."""


class Reproduced(NamedTuple):
    """What running a result again showed."""

    num_images: int
    has_stored: bool
    """The stored answers are on this machine."""
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
        options: What the record does not fix: threads that decode, the cache folder, the least isolation.

    Raises:
        IsolationError: The level that was asked for, or that of the record, cannot be had on this machine.
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
        isolation=_isolation(options.isolation, result.isolation or "none"),
        order_seed=seeds.get("order"),
        audit=bool(result.audits),
        audit_seed=seeds.get("audit"),
    )


def _isolation(asked: Isolation, recorded: Level) -> Level:
    """The higher of two levels: strangers write records, and none may ask for less than the user of this machine."""
    level = choose_isolation(asked).level
    return level if is_enough(level, recorded) else choose_isolation(recorded).level


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

    The record's numbers are held against its own answers, whatever the new run shows; without these, against the new
    ones.

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
    if wanted is not None and (wanted.sample_ids, wanted.num_classes) != (
        dataset.sample_ids,
        dataset.classes.num_classes,
    ):
        raise NotReproducedError("its stored answers are to other images than the dataset's", path=stored.path)
    # As in an evaluation: nothing that lies there tells the model what to answer.
    options = replace(options, hidden=(*options.hidden, store.results, store.predictions, stored.path.parent))
    measured = _run(submission, protocol, dataset, options, cache_opener(dataset, digest, options), on_progress)
    changed = _changed(result, measured)
    assert result.predictions is not None  # noqa: S101 - check_identity comes first
    same_bits = measured.predictions.sha256() == result.predictions.sha256
    tolerance = None if not changed else LOG_PROB_TOLERANCE[result.precision or "fp32"]
    differences = () if same_bits or wanted is None else differing(wanted, measured.predictions, tolerance)
    faults = [f"audit {audit.id} ({audit.title}) failed now: {audit.sentence}" for audit in failed(measured.audits)]
    if differences:
        faults.append(f"{len(differences):,} of {len(dataset):,} images were answered otherwise")
    elif wanted is None and not same_bits:
        faults.append("the answers are others, and the stored ones are not on this machine to compare them")
    own = measured.predictions if wanted is None else wanted
    found = score(own, dataset.labels_N, protocol, dataset.classes).fields["metrics"]
    faults += _metric_faults(result.metrics, found, exact=same_bits or wanted is not None)
    return Reproduced(
        num_images=len(dataset),
        has_stored=wanted is not None,
        same_bits=same_bits,
        same_machine=not changed,
        changed=changed,
        tolerance=tolerance,
        differences=differences,
        faults=tuple(faults),
    )


def _metric_faults(said: dict[str, Estimate], found: dict[str, Estimate], *, exact: bool) -> Iterator[str]:
    """The record's metrics against those of answers: its own ones exactly, new ones within their 95 % interval."""
    for name, estimate in said.items():
        if (other := found.get(name)) is None:
            yield f"the record says {name} {estimate.value!r}, which its protocol does not measure on such answers"
        elif exact and not same_estimate(estimate, other):
            shown = _value if estimate.value != other.value else _interval
            yield f"the record says {name} {shown(estimate)}, its own answers give {shown(other)}"
        elif not exact and not _holds(other, estimate.value):
            yield f"the record says {name} {estimate.value!r}, the new answers give {other.value!r} {_interval(other)}"


def _holds(estimate: Estimate, value: float) -> bool:
    low, high = estimate.ci_low, estimate.ci_high
    return low is not None and high is not None and low <= value <= high


def _value(estimate: Estimate) -> str:
    return repr(estimate.value)


def _interval(estimate: Estimate) -> str:
    return f"[{estimate.ci_low!r}, {estimate.ci_high!r}]"


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


def _changed(result: Result, now: Measured) -> tuple[str, ...]:
    """What decides the bits of an answer and is another here, as `name: before, now`."""
    pairs = [(name, result.environment.get(name), now.environment.get(name)) for name in _KIND_OF_MACHINE]
    # Without isolation images come in their own order, else in a secret one: in other company, and other bits.
    is_mixed = result.isolation in (None, "none") and now.isolation not in (None, "none")
    pairs += [("isolation", "none", now.isolation)] if is_mixed else []
    return tuple(f"{name}: {before}, here {found}" for name, before, found in pairs if before != found)
