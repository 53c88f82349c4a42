"""Runs of submissions: from their models, or their files of answers, to predictions and what they cost."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bench.backends import BACKENDS
from bench.backends.audited import AuditPlan, new_secret
from bench.backends.base import RunSpec
from bench.backends.device import DEFAULT_BATCH_SIZES, device_type
from bench.backends.inference import answer
from bench.backends.isolation import BACKEND_OF, Isolation, choose_isolation
from bench.backends.measured import Measured, measured
from bench.backends.wave import StartedModel, Wave
from bench.data.cache import CropCache
from bench.data.dataset import Dataset
from bench.data.groundtruth import label_folders
from bench.data.loader import batches_a_turn, iter_batches
from bench.data.order import secret_order
from bench.data.transforms import geometry_of, num_views
from bench.errors import BenchError, DataError, DeviceError
from bench.models.answers import read_answers
from bench.models.source import LoadedSubmission, checked_file
from bench.records.predictions import Predictions
from bench.records.protocol import Geometry, Precision, Protocol, Views
from bench.sandbox.limits import Limits

__all__ = ["OpenCache", "Progress", "RunOptions", "run_all"]

Progress = Callable[[int, int], None]
"""Called with the index of a submission and how many more images it has answered."""
OpenCache = Callable[[Geometry, Views], CropCache | None]
"""Opens the cache of decoded crops of a geometry; None for no cache."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to run, as opposed to what the protocol fixes."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:0` or `mps`; several, separated by commas, share the images."""
    precision: Precision | None = None
    """The arithmetic; None for the protocol's default."""
    batch_size: int | None = None
    """Images a batch; None for the device's default. It is never changed on the way."""
    num_threads: int = 1
    """Threads that decode images."""
    cache_folder: Path | None = None
    """Where digests, decoded crops and downloaded weights are kept; None for nowhere."""
    compiled: bool = False
    """Run models through torch.compile."""
    isolation: Isolation = "none"
    """How far models are kept from this process; `auto` for the best level that this machine has."""
    limits: Limits | None = None
    """What a process of a submission's own may take; None for the defaults."""
    order_seed: int | None = None
    """The secret of an order of the images that is to be repeated; None draws a new one where there is isolation."""
    hidden: tuple[Path, ...] = ()
    """Folders that no sandbox may show, such as results; the dataset's own, and where its labels may lie, always are
    among them."""
    audit: bool = False
    """Audit models among their scored batches."""
    audit_seed: int | None = None
    """The secret of an audit that is to be repeated; None draws a new one for each model."""


def run_all(
    submissions: Sequence[LoadedSubmission],
    protocol: Protocol,
    dataset: Dataset,
    options: RunOptions,
    *,
    devices: Sequence[str],
    precision: Precision,
    open_cache: OpenCache,
    on_progress: Progress | None,
) -> Generator[tuple[int, Measured | BenchError]]:
    """Runs submissions on a dataset; those with equal input share the decoded stream.

    As many models as fit are started together; when the memory of a device turns out too small for several at once,
    each of them is run again alone. One that fails never takes the others down.

    Args:
        submissions: What is run; one of source `predictions` has nothing to run, and its file is read.
        protocol: How; of kind `evaluate`.
        dataset: On what.
        options: How to run, as opposed to what the protocol fixes.
        devices: The torch devices, resolved; batches go round among them.
        precision: The arithmetic, allowed by the protocol.
        open_cache: Opens the cache of decoded crops of a geometry.
        on_progress: Called with the index of a submission and how many more images it has answered.

    Yields:
        The index of a submission and what it gave, or the error that ended it, as soon as that is known.
    """
    waiting = deque(range(len(submissions)))
    alone: set[int] = set()
    level = choose_isolation(options.isolation).level
    with _cache_folder(options) as cache_folder:
        spec = RunSpec(
            device=devices[0],
            precision=precision,
            num_classes=dataset.classes.num_classes,
            cache_folder=cache_folder,
            audited=options.audit,
            compiled=options.compiled,
            limits=options.limits,
            hidden=(*label_folders(dataset.root, dataset.split), cache_folder, *options.hidden)
            if level == "sandbox"
            else (),
        )
        backend = BACKENDS[BACKEND_OF[level]]
        while waiting:
            with ExitStack() as stack:
                wave = Wave(backend(), spec, devices)
                while waiting and wave.has_room(alone_next=waiting[0] in alone):
                    index = waiting.popleft()
                    try:
                        if submissions[index].manifest.model.source == "predictions":
                            yield index, Measured(predictions=_read_answers(submissions[index], dataset))
                        else:
                            wave.add(index, submissions[index], stack, alone=index in alone)
                    except BenchError as error:
                        if isinstance(error, DeviceError) and wave.models:
                            alone.add(index)
                            waiting.append(index)
                        else:
                            yield index, error
                for index, outcome in _run_wave(wave, protocol, dataset, options, open_cache, on_progress):
                    if isinstance(outcome, DeviceError) and len(wave.models) > 1:
                        alone.add(index)
                        waiting.append(index)
                    else:
                        yield index, outcome


def _read_answers(submission: LoadedSubmission, dataset: Dataset) -> Predictions:
    return read_answers(
        checked_file(submission, "file"),
        classes=dataset.classes,
        sample_ids=dataset.sample_ids,
        labels_N=dataset.labels_N,
        background=submission.manifest.outputs.background,
    )


def _run_wave(
    wave: Wave,
    protocol: Protocol,
    dataset: Dataset,
    options: RunOptions,
    open_cache: OpenCache,
    on_progress: Progress | None,
) -> Iterator[tuple[int, Measured | BenchError]]:
    """One pass for each geometry that the models of a wave ask for."""
    views = protocol.views or Views()
    batch_size = options.batch_size or DEFAULT_BATCH_SIZES[device_type(wave.spec.device)]
    by_geometry: dict[Geometry, list[StartedModel]] = {}
    for model in wave.models:
        by_geometry.setdefault(protocol.geometry or geometry_of(model.session.input), []).append(model)
    for geometry, models in by_geometry.items():
        indices = [model.index for model in models]

        def advance(at: int, count: int, indices: list[int] = indices) -> None:
            if on_progress is not None:
                on_progress(indices[at], count)

        # On a CPU the models and the decoding threads want the same cores: they take turns, or both lose time.
        on_cpu = device_type(wave.spec.device) == "cpu"
        turn = batches_a_turn(geometry, views.kind, batch_size) if on_cpu else None
        sessions = [model.session for model in models]
        order_seed, order_N, full_rows = None, None, None
        if wave.backend.isolation != "none":
            order_seed = new_secret() if options.order_seed is None else options.order_seed
            order_N = secret_order(len(dataset), order_seed)
            full_rows = min(batch_size, len(dataset)) * num_views(views.kind)
        plans = [_audit_plan(options, wave.spec.precision, batch_size) for _ in models]
        started = time.perf_counter()
        try:
            with open_cache(geometry, views) or nullcontext() as cache:
                batches = iter_batches(
                    dataset,
                    geometry,
                    views=views.kind,
                    batch_size=batch_size,
                    num_threads=options.num_threads,
                    cache=cache,
                    turn=turn,
                    positions=order_N,
                )
                with closing(batches):
                    outcomes = answer(
                        sessions, batches, dataset, advance, turn=turn or 1, audits=plans, full_rows=full_rows
                    )
        except DataError as error:
            outcomes = [error for _ in models]
        pass_s = time.perf_counter() - started
        for model, outcome in zip(models, outcomes, strict=True):
            if isinstance(outcome, BenchError):
                yield model.index, outcome
                continue
            settings = {"batch_size": batch_size, "num_decode_threads": options.num_threads, "num_models": len(models)}
            seeds = {} if order_seed is None else {"order": order_seed}
            try:
                with model.session.guarded():
                    gave = measured(model, outcome, wave, geometry, settings=settings, seeds=seeds, pass_s=pass_s)
            except BenchError as error:
                yield model.index, error
            else:
                yield model.index, gave


def _audit_plan(options: RunOptions, precision: Precision, batch_size: int) -> AuditPlan | None:
    if not options.audit:
        return None
    seed = new_secret() if options.audit_seed is None else options.audit_seed
    return AuditPlan(seed=seed, precision=precision, batch_size=batch_size)


@contextmanager
def _cache_folder(options: RunOptions) -> Iterator[Path]:
    """The cache folder, or one that lasts as long as the run."""
    if options.cache_folder is not None:
        yield options.cache_folder
        return
    with tempfile.TemporaryDirectory(prefix="ilsvrc-bench-") as folder:
        yield Path(folder)
