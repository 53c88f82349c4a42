"""`bench demo`: the real pipeline on a small drawn dataset, from images to the page."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import note, progress_bar, show_estimate, workers_option
from bench.resources import resource_folder

if TYPE_CHECKING:
    from bench.data.dataset import Dataset
    from bench.models.source import LoadedSubmission
    from bench.records.protocol import Protocol
    from bench.store import Store
    from bench.stored import Stored

__all__ = ["demo"]

_NETWORKS = ("lenet5", "small-alexnet", "tiny-resnet")
"""In the order of their years, which is that of their accuracy."""
_BOARDS = ("shapes10", "shapes10-train", "torchvision-reported")
_TRAIN, _EVALUATE, _SPEED = "shapes10-train", "shapes10-val", "throughput-demo"
_NUM_CLASSES, _TRAIN_PER_CLASS, _VAL_PER_CLASS, _SEED = 10, 100, 50, 0
_DEVICE = "cpu"
"""The same everywhere; networks of this size gain nothing from a GPU."""
_MOST_THREADS = 4
_NUM_PROCESSES = 3
"""Fresh processes that measure a speed."""


@click.command(short_help="Run the whole pipeline on a small drawn dataset.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench-demo"),
    show_default=True,
    help="Folder for all that the demo writes.",
)
@workers_option
def demo(out: Path, workers: int) -> None:
    """Draw a small dataset in the shape of ILSVRC, train three small networks, measure them, publish the site.

    Needs no data, no GPU and less than two minutes. Everything is written below --out; what is there already is not
    done again. The last line on stdout is the page to open.

    \b
    Example:
      bench demo --out /tmp/bench-demo
    """
    from bench.training.waiting import let_threads_sleep

    let_threads_sleep(at_most=_MOST_THREADS)  # before anything loads torch

    started = time.perf_counter()
    folders = _Folders(out)
    _draw(folders, workers)
    trained = _train(folders, workers)
    _evaluate(folders, trained, workers)
    _time(folders, trained[-1])
    _import(folders)
    index = _publish(folders)
    note(f"Done in {time.perf_counter() - started:.0f} s. Open the page:")
    click.echo(index)


@dataclass(frozen=True)
class _Folders:
    """What the demo writes, by what it is."""

    out: Path
    data: Path = field(init=False)
    cache: Path = field(init=False)
    trained: Path = field(init=False)
    results: Path = field(init=False)
    boards: Path = field(init=False)
    site: Path = field(init=False)

    def __post_init__(self) -> None:
        for name, place in {
            "data": "data/shapes10",
            "cache": "cache",
            "trained": "submissions",
            "results": "results",
            "boards": "boards",
            "site": "site",
        }.items():
            object.__setattr__(self, name, self.out / place)


def _draw(folders: _Folders, workers: int) -> None:
    from bench.data.synthetic import write_synthetic

    num_images = _NUM_CLASSES * (_TRAIN_PER_CLASS + _VAL_PER_CLASS)
    note(f"1/6 Drawing {num_images:,} images of {_NUM_CLASSES} classes into {folders.data}")
    with progress_bar("Drawing", num_images) as advance:
        drawn = write_synthetic(
            folders.data,
            num_classes=_NUM_CLASSES,
            train_per_class=_TRAIN_PER_CLASS,
            val_per_class=_VAL_PER_CLASS,
            seed=_SEED,
            num_workers=workers,
            on_progress=advance,
        )
    if not drawn:
        note("    drawn already")


def _open(folders: _Folders, protocol: Protocol, workers: int) -> tuple[Dataset, str]:
    """A split, and its digest from the hashes that are remembered."""
    from bench.data.contents import dataset_digest
    from bench.data.dataset import open_dataset

    dataset = open_dataset(folders.data, protocol.dataset)
    return dataset, dataset_digest(dataset, cache_folder=folders.cache, num_threads=workers)


def _train(folders: _Folders, workers: int) -> list[LoadedSubmission]:
    """The three networks with their weights, each of its first attempt, and the scores of the trainings."""
    from bench.models.source import open_submission
    from bench.protocols import load_protocol
    from bench.training.feeding import TrainingImages
    from bench.training.meanwhile import find_evaluator
    from bench.training.options import TrainOptions
    from bench.training.train import num_images_seen, train

    protocol = load_protocol(_TRAIN)
    dataset, digest = _open(folders, protocol, workers)
    images = TrainingImages(dataset, protocol, workers)  # decoded once for all three
    options = TrainOptions(device=_DEVICE, num_threads=workers, resume=True)
    evaluator = find_evaluator(protocol, folders.data, options, folders.cache)
    trained = []
    note(f"2/6 Training {len(_NETWORKS)} networks on {len(dataset):,} images (protocol {protocol.id})")
    for name in _NETWORKS:
        submission = open_submission(str(resource_folder("submissions") / "demo" / name))
        started = time.perf_counter()
        with progress_bar(submission.manifest.title, num_images_seen(protocol, dataset)) as advance:
            found = train(
                submission,
                protocol,
                dataset,
                folders.trained,
                options,
                digest=digest,
                images=images,
                make_evaluator=evaluator,
                on_progress=advance,
            )
        seconds = time.perf_counter() - started
        note(f"    {submission.manifest.title}: " + ("trained already" if found.reused else f"{seconds:.0f} s"))
        trained.append(open_submission(str(found.folder)))
        _score(folders, found.folder, protocol, workers)
    return trained


def _score(folders: _Folders, folder: Path, protocol: Protocol, workers: int) -> None:
    """Keeps the result of a training, with its course."""
    from bench.backends.run import RunOptions
    from bench.protocols import load_protocol
    from bench.store import Store
    from bench.training.found import find_attempts
    from bench.training.scoring import score_training

    dataset, digest = _open(folders, load_protocol(_EVALUATE), workers)
    options = RunOptions(device=_DEVICE, num_threads=workers, cache_folder=folders.cache)
    score_training(find_attempts(folder), protocol, dataset, Store(folders.results), options, digest=digest)


def _evaluate(folders: _Folders, trained: list[LoadedSubmission], workers: int) -> None:
    from bench.backends.run import RunOptions
    from bench.evaluate import evaluate
    from bench.protocols import load_protocol
    from bench.store import Store

    protocol = load_protocol(_EVALUATE)
    dataset, _ = _open(folders, protocol, workers)
    store = Store(folders.results)
    options = RunOptions(device=_DEVICE, num_threads=workers, cache_folder=folders.cache)
    note(f"3/6 Evaluating them on {len(dataset):,} other images (protocol {protocol.id})")
    before: Stored | None = None
    for submission in trained:
        with progress_bar(submission.manifest.title, len(dataset)) as advance:
            outcome = evaluate(submission, protocol, dataset, store, options, advance)
        reused = " (from the store)" if outcome.reused else ""
        note(f"    {submission.manifest.title}: top-1 {show_estimate(outcome.result.metrics['top1'])} %{reused}")
        stored = store.get(outcome.result.run)
        if before is not None:
            note(f"      {_compared(stored, before)}")
        before = stored


def _compared(run: Stored, other: Stored) -> str:
    """A sentence on whether two runs differ, image by image."""
    from bench.stats.paired import paired_test
    from bench.stored import read_correctness

    first, second = read_correctness(run), read_correctness(other)
    title = other.result.submission.title
    if first is None or second is None:
        return f"which images {title} got right is not kept"
    test = paired_test(first.top1_N, second.top1_N)
    words = "differs from" if test.differ else "is not clearly different from"
    return f"{words} {title}: {100 * test.difference:+.1f} points, p = {test.p_value:.2g} (exact McNemar)"


def _time(folders: _Folders, submission: LoadedSubmission) -> None:
    """Measures how fast the last network answers, for seconds only; each one more would cost five processes."""
    from bench.errors import BenchError
    from bench.protocols import load_protocol
    from bench.store import Store
    from bench.throughput.run import measure_all
    from bench.throughput.session import ThroughputOptions

    protocol, store, title = load_protocol(_SPEED), Store(folders.results), submission.manifest.title
    note(f"4/6 Measuring the speed of {title}, for seconds only: demo, not comparable (protocol {protocol.id})")
    # Asking whether this is the very machine of a stored run would take longer than all else in a second run.
    if _is_timed(store, submission):
        note("    measured already")
        return
    options = ThroughputOptions(cache_folder=folders.cache, device=_DEVICE)
    with progress_bar("Measuring", _NUM_PROCESSES, unit="proc") as advance:
        rows = measure_all([submission], protocol, store, options, on_progress=lambda _, count: advance(count))
        for row in rows:
            if isinstance(row.found, BenchError):
                note(f"    not measured: {row.found}")  # as on a machine whose memory is full
            else:
                note(f"    {row.found.result.costs['throughput_img_s'].value:,.0f} images a second")


def _is_timed(store: Store, submission: LoadedSubmission) -> bool:
    return any(
        stored.result.protocol.id == _SPEED
        and stored.result.failure is None
        and stored.result.submission.digest == submission.digest
        for stored in store.of_entry(submission.team, submission.name)
    )


def _import(folders: _Folders) -> None:
    from datetime import UTC, datetime
    from importlib import metadata

    from bench.files import write_atomic
    from bench.importers.torchvision_reported import PROTOCOL, import_torchvision
    from bench.store import Store

    note("5/6 Importing what torchvision reports about its weights")
    # Loading torchvision takes longer than all else in a second run; the mark is written when all results are there.
    mark = folders.results / PROTOCOL / f".all-of-{metadata.version('torchvision')}"
    if mark.is_file():
        note("    imported already")
        return
    imported = import_torchvision(Store(folders.results), datetime.now(UTC))
    write_atomic(mark, "")
    note(f"    {len(imported.added)} results, {imported.num_known} were there already")


def _publish(folders: _Folders) -> Path:
    """The page to open."""
    from bench.files import write_atomic
    from bench.leaderboard.site import publish
    from bench.store import Store

    for name in _BOARDS:
        board = folders.boards / f"{name}.toml"
        if not board.exists():
            write_atomic(board, (resource_folder("boards") / board.name).read_bytes())
    note(f"6/6 Publishing the site in {folders.site}")
    report = publish(Store(folders.results), folders.boards, folders.site)
    for error in report.broken:
        note(f"    Not published: {error}")
    return report.index
