"""One call of `bench throughput`: the machine, the options, and what is the same for all of its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.backends.device import device_type
from bench.data.contents import dataset_digest
from bench.data.dataset import Dataset, open_dataset
from bench.errors import DataError, UsageError
from bench.measure.fingerprint import Fingerprint, num_physical, physical_cores
from bench.measure.machine_state import GpuCounters
from bench.models.source import LoadedSubmission
from bench.plan import Outcome
from bench.records.equal_run import EqualRun
from bench.records.protocol import Precision, Protocol
from bench.records.result import DatasetRef, Scalar
from bench.records.throughput import Throughput
from bench.score import protocol_ref
from bench.store import Store
from bench.throughput.replicate import Limits, available_memory_mib, started
from bench.throughput.rows import Row, Setup, text_of
from bench.version import __version__

__all__ = ["Machine", "Session", "ThroughputOptions", "begin"]

_MOST_MEMORY = 0.9
"""A process that takes a larger share of what was free is ended before the system ends something else."""


@dataclass(frozen=True, kw_only=True)
class ThroughputOptions:
    """How to run, as opposed to what the protocol fixes."""

    cache_folder: Path
    """Where downloaded weights and digests are kept."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:0`."""
    precision: Precision | None = None
    """The arithmetic; None for the protocol's default."""
    batch_sizes: tuple[int, ...] = ()
    """Other batch sizes, where the protocol lets them be chosen."""
    num_threads: int | None = None
    """Threads that compute; None for one a physical core."""
    data: Path | None = None
    """Scenario `end-to-end`: the folder of the dataset."""
    rerun: bool = False
    """Measure even where an equal run is in the store."""
    timeout_s: float = 600.0
    """A process that does not answer for so long is ended."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where all rows are measured."""

    device: str
    name: str
    num_threads: int
    cores: tuple[int, ...]
    environment: dict[str, Scalar]
    machine: dict[str, Scalar]
    software: dict[str, Scalar]
    gpu: GpuCounters | None
    limits: Limits


@dataclass(kw_only=True)
class Session:
    """One call: all that is the same for its rows."""

    protocol: Protocol
    spec: Throughput
    store: Store
    options: ThroughputOptions
    precision: Precision
    machine: Machine
    dataset: Dataset | None
    dataset_digest: str | None
    on_progress: Callable[[int], None] = field(default=lambda _: None)

    def setup(self, submission: LoadedSubmission, row: Row) -> Setup:
        """A row as its process is told."""
        return Setup(
            submission=text_of(submission),
            cache_folder=str(self.options.cache_folder),
            scenario=self.spec.scenario,
            batch_size=row.batch_size,
            mode=row.mode,
            precision=self.precision,
            memory_format=self.spec.memory_format,
            device=self.machine.device,
            num_threads=self.machine.num_threads,
            cores=self.machine.cores,
            dataset=None if self.dataset is None else self.protocol.dataset,
            data="" if self.options.data is None else str(self.options.data.resolve()),
            num_images=self.spec.num_images or 0,
        )

    def environment(self, row: Row) -> dict[str, Scalar]:
        """What a result says of its machine, its software and its row."""
        fingerprint = Fingerprint(
            machine=self.machine.machine, software=self.machine.software | {"compile_mode": row.mode}
        )
        return {
            **self.machine.environment,
            **fingerprint.as_environment(),
            "device": self.machine.device,
            "batch_size": row.batch_size,
            "num_threads": self.machine.num_threads,
            "cores": ",".join(str(core) for core in self.machine.cores) or "all",
            "monitored": self.machine.gpu is not None if self.machine.device != "cpu" else True,
        }

    def key(self, submission: LoadedSubmission, row: Row) -> EqualRun:
        """What an equal run must share; its batch size, mode and fingerprint stand in its environment."""
        environment = self.environment(row)
        same = ("batch_size", "compile_mode", "fingerprint")
        return EqualRun(
            team=submission.team,
            name=submission.name,
            protocol=self.protocol.id,
            submission_digest=submission.digest,
            protocol_digest=self.protocol.digest(),
            dataset_digest=self.dataset_digest,
            precision=self.precision,
            device_type=device_type(self.machine.device),
            environment=tuple((name, environment[name]) for name in same),
        )

    def find(self, key: EqualRun) -> Outcome | None:
        """The equal run in the store, unless it is to be repeated."""
        found = None if self.options.rerun else self.store.find_equal(key)
        return None if found is None else Outcome(found.result, found.path, reused=True)

    def identity(self, submission: LoadedSubmission, row: Row) -> dict[str, Any]:
        """The fields of a result that are known before anything is run."""
        spec = self.protocol.dataset
        return {
            "bench_version": __version__,
            "submission": submission.ref(),
            "protocol": protocol_ref(self.protocol),
            "dataset": DatasetRef(
                name=spec.name,
                split=spec.split,
                digest=self.dataset_digest,
                num_samples=0 if self.dataset is None else len(self.dataset),
            ),
            "precision": self.precision,
            "device_type": device_type(self.machine.device),
            "isolation": "none",
            "environment": self.environment(row),
            "seeds": {"inputs": 0},
        }


def _dataset(protocol: Protocol, spec: Throughput, options: ThroughputOptions) -> tuple[Dataset | None, str | None]:
    if spec.num_images is None:
        if options.data is not None:
            raise UsageError(f"the protocol {protocol.id!r} reads no images; leave out --data")
        return None, None
    if options.data is None:
        raise UsageError(f"the protocol {protocol.id!r} reads images; name their folder with --data")
    dataset = open_dataset(options.data, protocol.dataset, allow_partial=True, limit=spec.num_images)
    if len(dataset) < spec.num_images:
        raise DataError(f"holds {len(dataset):,} images, the protocol reads {spec.num_images:,}", path=options.data)
    threads = options.num_threads or num_physical()
    return dataset, dataset_digest(dataset, cache_folder=options.cache_folder, num_threads=threads)


def _found_machine(spec: Throughput, precision: Precision, device: str, options: ThroughputOptions) -> Machine:
    """Asks a process of its own, so that this one holds no memory of the device."""
    usable = physical_cores()
    threads = options.num_threads or num_physical()
    if threads > len(usable):
        raise UsageError(f"{threads} threads are more than the {len(usable)} cores that this process may use")
    cores = tuple(usable[:threads]) if device == "cpu" else ()
    memory = available_memory_mib()
    limits = Limits(
        timeout_s=options.timeout_s, most_memory_mib=None if memory is None else round(_MOST_MEMORY * memory)
    )
    setup = Setup(
        submission="",
        cache_folder=str(options.cache_folder),
        scenario=spec.scenario,
        batch_size=1,
        mode="eager",
        precision=precision,
        memory_format=spec.memory_format,
        device=device,
        num_threads=threads,
        cores=cores,
    )
    with started(setup, limits, {}) as (ask, _):
        facts = ask("facts")
    return Machine(
        device=device,
        name=facts["device"],
        num_threads=threads,
        cores=cores,
        environment=facts["environment"],
        machine=facts["machine"],
        software=facts["software"],
        gpu=GpuCounters.of(facts["uuid"]),
        limits=limits,
    )


def begin(
    protocol: Protocol,
    spec: Throughput,
    store: Store,
    options: ThroughputOptions,
    *,
    device: str,
    precision: Precision,
) -> Session:
    """Looks at the data and the machine.

    Args:
        protocol: Of kind `throughput`.
        spec: Its part about speed.
        store: Where the results go.
        options: How to run.
        device: The torch device, resolved.
        precision: The arithmetic.

    Raises:
        UsageError: Threads or data do not fit.
        DataError: The dataset has too few images, or cannot be read.
        WorkerError: A process cannot be started here.
    """
    dataset, digest = _dataset(protocol, spec, options)
    return Session(
        protocol=protocol,
        spec=spec,
        store=store,
        options=options,
        precision=precision,
        machine=_found_machine(spec, precision, device, options),
        dataset=dataset,
        dataset_digest=digest,
    )
