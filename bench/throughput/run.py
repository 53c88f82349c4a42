"""Rows of submissions measured, or found in the store, and kept: one result a row."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.backends.device import device_type, resolve_device
from bench.errors import BenchError, DeviceError, NonFiniteError, SubmissionError
from bench.gate.process import WorkerGrewError
from bench.models.source import LoadedSubmission
from bench.plan import Outcome
from bench.records.blocks import Blocks
from bench.records.protocol import Precision, Protocol
from bench.records.result import Failure, Result
from bench.store import Store
from bench.throughput.accuracy import accuracy_note, evaluated_runs
from bench.throughput.replicate import measure_replicate, num_cores, started
from bench.throughput.rows import Row, rows_of, spec_of, throughput_precision
from bench.throughput.session import Session, ThroughputOptions, begin
from bench.throughput.summary import costs_of, notes_of

__all__ = ["MismatchError", "RowOutcome", "measure_all"]

_NUM_CHECKED = {"cpu": 64, "cuda": 256}
_TOLERANCES: dict[Precision, float] = {"fp32": 1e-3, "tf32": 2e-2, "bf16": 2e-2, "fp16": 2e-2}
_LEAST_AGREEMENT = 0.99


class MismatchError(SubmissionError):
    """What would be timed gives other answers than the evaluation."""

    outcome = "audit_fail"


@dataclass(frozen=True, kw_only=True)
class RowOutcome:
    """What one row led to."""

    submission: LoadedSubmission
    row: Row
    found: Outcome | BenchError


def measure_all(
    submissions: Sequence[LoadedSubmission],
    protocol: Protocol,
    store: Store,
    options: ThroughputOptions,
    *,
    on_progress: Callable[[int, int], None] = lambda _index, _count: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Iterator[RowOutcome]:
    """Measures the rows of submissions, or finds equal runs in the store.

    A row that fails leaves a failed result behind. Where memory does not suffice the other rows go on; after another
    failure of the plain model the rest of that submission is left out.

    Args:
        submissions: What is measured.
        protocol: How; of kind `throughput`.
        store: Where the results go.
        options: How to run.
        on_progress: Called with the index of a submission and how many more of its processes are done.
        on_note: Called with sentences for the user.

    Yields:
        An outcome a row, as soon as it is there.

    Raises:
        UsageError: Protocol, precision, batch sizes, threads or data do not fit.
        DeviceError: The device is not there.
        DataError: The dataset has too few images, or cannot be read.
        StoreError: A result cannot be written.
    """
    precision = throughput_precision(protocol, options.precision)
    device = resolve_device(options.device)
    rows = rows_of(protocol, device_type(device), options.batch_sizes)
    session = begin(protocol, spec_of(protocol), store, options, device=device, precision=precision)
    for index, submission in enumerate(submissions):
        session.on_progress = lambda count, index=index: on_progress(index, count)  # type: ignore[misc]
        for place, row in enumerate(rows):
            found = _row(session, submission, row)
            yield RowOutcome(submission=submission, row=row, found=found)
            is_broken = isinstance(found, BenchError) and not isinstance(found, DeviceError | WorkerGrewError)
            if is_broken and row.mode == "eager" and place + 1 < len(rows):
                on_note(f"{submission.label}: {len(rows) - place - 1} more rows are left out after this failure")
                break


def _row(session: Session, submission: LoadedSubmission, row: Row) -> Outcome | BenchError:
    """One row: from the store, or measured under the lock of its measurement and kept."""
    key = session.key(submission, row)
    if found := session.find(key):
        session.on_progress(session.spec.num_replicates)
        return found
    with session.store.lock(key):
        session.store.sweep(key)
        # Another process may have made the same measurement while this one waited for the lock.
        if found := session.find(key):
            return found
        begun = time.perf_counter()
        try:
            blocks, about = _measured(session, submission, row)
        except BenchError as error:
            failure = Failure(outcome=error.outcome, message=f"{row.words}: {error}")
            fields = session.identity(submission, row)
            session.store.add(Result.create(now=datetime.now(UTC), status="failed", failure=failure, **fields))
            return error
        fields = session.identity(submission, row)
        fields["environment"] |= {"img_size": about["img_size"], "num_checked": about["num_images"]}
        fields |= {"status": "self-reported", "blocks": blocks.sha256(), "costs": costs_of(blocks)}
        fields["timing"] = {"total_s": round(time.perf_counter() - begun, 3)}
        fields["notes"] = (*about["notes"], *notes_of(blocks))
        now = datetime.now(UTC)
        draft = Result.create(now=now, **fields)
        if evaluated := evaluated_runs(session.store, draft):
            fields["notes"] += (accuracy_note(evaluated, draft),)
        result = Result.create(now=now, **fields)
        return Outcome(result, session.store.add(result, blocks=blocks), reused=False)


def _measured(session: Session, submission: LoadedSubmission, row: Row) -> tuple[Blocks, dict[str, Any]]:
    """The raw times of a row, after its outputs were checked, and what the check found."""
    if submission.source.build is None:
        raise SubmissionError(
            f"source {submission.manifest.model.source!r} holds answers and no model: there is nothing to time",
            path=submission.manifest_path,
            key="model.source",
        )
    setup, machine, spec = session.setup(submission, row), session.machine, session.spec
    with tempfile.TemporaryDirectory(prefix="bench-compile-") as folder:
        with started(setup, machine.limits, _compile_cache(Path(folder, "check"))) as (ask, _):
            about = ask("check", num_images=_NUM_CHECKED[device_type(machine.device)])
        _check_outputs(about, session.precision)
        replicates = []
        for number in range(spec.num_replicates):
            replicate = measure_replicate(
                setup,
                spec,
                number,
                limits=machine.limits,
                # One cache for all: the first process finds it empty, the others find it full.
                environment=_compile_cache(Path(folder, "row")),
                gpu=machine.gpu,
            )
            replicates.append(replicate)
            session.on_progress(1)
    blocks = Blocks(
        scenario=spec.scenario,
        batch_size=row.batch_size,
        images_per_step=setup.images_per_step,
        mode=row.mode,
        precision=session.precision,
        device=machine.name,
        num_cores=num_cores(),
        flops_img=about["flops_img"],
        num_params=about["num_params"],
        target_ms=spec.target_ms,
        output_gap=about["gap"],
        replicates=tuple(replicates),
    )
    return blocks, about


def _compile_cache(folder: Path) -> dict[str, str]:
    """Variables that give the compiler a cache of its own."""
    return {"TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"), "TRITON_CACHE_DIR": str(folder / "triton")}


def _check_outputs(about: dict[str, Any], precision: Precision) -> None:
    """Makes sure that what is timed is what was evaluated.

    Raises:
        NonFiniteError: Logits are NaN or infinite.
        MismatchError: They differ from the evaluation's.
    """
    if about["agree"] is None:
        return  # the evaluation's own path is what is timed
    gap, agree, tolerance = about["gap"], about["agree"], _TOLERANCES[precision]
    if gap is None:
        raise NonFiniteError("the logits hold NaN or infinity; nothing was timed")
    if gap > tolerance:
        raise MismatchError(
            f"the logits differ from the evaluation's by {gap:.2g} of the largest one, more than {tolerance:g} in "
            f"{precision}; nothing was timed"
        )
    if agree < _LEAST_AGREEMENT:
        raise MismatchError(
            f"only {agree:.1%} of {about['num_images']} images get the evaluation's first answer; nothing was timed"
        )
