"""What the sandbox costs: its start, each batch, and warm throughput beside the same model in this process.

    python benchmarks/sandbox.py                        # about four minutes on two cores
    python benchmarks/sandbox.py --device cuda --batch-size 256 --img-size 224

Throughput is that of the pass of an evaluation, ranking and all, over batches that are decoded already. Both sides hold
the same model at once and take turns, block by block, so that a noise of the machine hits both; the figure is the
median of the ratios of four neighbouring blocks, two a side, of several starts of both: two processes with the same
model differ by some percent. It is printed with the interquartile range of these ratios.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np

from bench.backends import BACKENDS
from bench.backends.base import Images, ModelSession, RunSpec
from bench.backends.inference import answer
from bench.data.classes import class_table
from bench.data.dataset import Dataset, Sample
from bench.data.loader import Batch
from bench.errors import BenchError
from bench.models.source import open_submission
from bench.sandbox.probe import probe, probe_layers

_MODEL = """
import torch
from torch import nn


def build_model(depth):
    torch.manual_seed(0)
    body = [layer for _ in range(depth) for layer in (nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())]
    ends = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 1000)
    return nn.Sequential(nn.Conv2d(3, 32, 4, stride=4), nn.ReLU(), *body, *ends)
"""

_REST_S = 0.05
"""Before a block: the threads of OpenMP of the other side spin on for some milliseconds after their last batch, in this
process as an evaluation in a sandbox has none."""


def main() -> None:
    """Prints the table."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        images = np.random.default_rng(0).integers(
            0, 256, (options.batch_size, options.img_size, options.img_size, 3), dtype=np.uint8
        )
        started = time.perf_counter()
        found = probe()
        print(f"probe of the machine       {1e3 * (time.perf_counter() - started):8.1f} ms  {found}")
        print(f"layers                     {', '.join(probe_layers())}")
        print(f"start of a bare sandbox    {_median_ms(_bare_start, 9):8.1f} ms")
        spec = RunSpec(
            device=options.device,
            precision="fp32",
            num_classes=1000,
            cache_folder=Path(folder),
            audited=options.audited,
        )
        place = _written(Path(folder), 0)
        starts = {level: [_start_s(level, place, spec) for _ in range(3)] for level in ("local", "process", "sandbox")}
        for level, seconds in starts.items():
            print(
                f"start to a ready model     {1e3 * statistics.median(seconds):8.0f} ms  {level} (torch's import apart)"
            )
        for depth in options.depths:
            place = _written(Path(folder), depth)
            measured = Measured()
            for _ in range(options.starts):
                with ExitStack() as both:
                    local, jailed = (
                        both.enter_context(BACKENDS[level]().start(open_submission(str(place)), spec))
                        for level in ("local", options.level)
                    )
                    _compare(local, jailed, images, options, measured)
            print(measured.line(options.level))


@dataclass
class Measured:
    """What was measured with one model."""

    ratios: list[float] = field(default_factory=list)
    millis: list[float] = field(default_factory=list)
    local_waits: list[float] = field(default_factory=list)
    jailed_waits: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)

    def line(self, level: str) -> str:
        """A line of the table."""
        low, middle, high = statistics.quantiles(self.ratios, n=4)
        alone = statistics.median(self.jailed_waits) - statistics.median(self.local_waits)
        return (
            f"batch of {statistics.median(self.millis):7.2f} ms: throughput {level} / local {middle:.3f} "
            f"[{low:.3f}, {high:.3f}] of {len(self.ratios)} rounds; one by one {alone:+.2f} ms a batch; "
            f"processor time {level} / local {statistics.median(self.work):.3f}"
        )


def _compare(
    local: ModelSession, jailed: ModelSession, images: Images, options: argparse.Namespace, found: Measured
) -> None:
    """Rounds of one start of either side."""
    for session in (local, jailed):
        _block_s(session, images, 20)
    count = max(4, int(options.block_s / (_block_s(local, images, 20) / 20)))
    for pair in range(options.pairs):
        # Each side before and after the other: a machine that gets slower or faster meanwhile cancels out.
        order = (local, jailed, jailed, local) if pair % 2 == 0 else (jailed, local, local, jailed)
        seconds = {local: 0.0, jailed: 0.0}
        for session in order:
            seconds[session] += _block_s(session, images, count)
        found.ratios.append(seconds[local] / seconds[jailed])
        found.millis.append(1e3 * seconds[local] / (2 * count))
        for waits, session in ((found.local_waits, local), (found.jailed_waits, jailed)):
            time.sleep(_REST_S)
            started = time.perf_counter()
            session.logits(images)
            waits.append(1e3 * (time.perf_counter() - started))
    work = [_processor_s(session, images, count) for session in (local, jailed)]
    found.work.append(work[1] / work[0])


def _block_s(session: ModelSession, images: Images, count: int) -> float:
    """Seconds of a pass over so many batches."""
    size = len(images)
    samples = tuple(Sample(f"{at:06}", at % 1000, Path(), 0, None) for at in range(size * count))
    dataset = Dataset("imagenet-1k", "val", Path(), "flat", class_table("imagenet-1k"), samples, complete=False)
    copies = cycle(images.copy() for _ in range(4))  # a CUDA device keeps what it was given last
    batches = [Batch(start, size, next(copies)) for start in range(0, len(dataset), size)]
    assert len(dataset.labels_N) == len(dataset.sample_ids)  # both are made when they are first asked for
    time.sleep(_REST_S)
    started = time.perf_counter()
    (outcome,) = answer([session], batches, dataset)
    seconds = time.perf_counter() - started
    if isinstance(outcome, BenchError):
        raise outcome
    return seconds


def _processor_s(session: ModelSession, images: Images, count: int) -> float:
    """Processor time of so many batches, of this process and of all its children: what a busy machine cannot hide."""
    import psutil

    def spent() -> float:
        own = psutil.Process()
        times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
        return sum(item.user + item.system for item in times)

    before = spent()
    _block_s(session, images, 2 * count)
    return spent() - before


def _start_s(level: str, place: Path, spec: RunSpec) -> float:
    """Seconds until a model is ready; for a process of its own without the time until torch is imported."""
    started = time.perf_counter()
    with BACKENDS[level]().start(open_submission(str(place)), spec) as session:
        seconds = time.perf_counter() - started
        keeper = getattr(session, "_keeper", None)
        return seconds if keeper is None else seconds - keeper.hello.seconds


def _bare_start() -> None:
    probe.cache_clear()
    probe()


def _median_ms(step: object, count: int) -> float:
    times = []
    for _ in range(count):
        started = time.perf_counter()
        step()  # type: ignore[operator]
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)


def _written(folder: Path, depth: int) -> Path:
    place = folder / "bench" / f"depth{depth}"
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.py").write_text(_MODEL)
    (place / "submission.toml").write_text(
        'format_version = 1\ntitle = "Convolutions"\n[model]\nsource = "python"\nfile = "model.py"\n'
        f'factory = "build_model"\nkwargs = {{ depth = {depth} }}\n'
    )
    return place


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--level", default="sandbox", choices=["process", "sandbox"])
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--img-size", type=int, default=128)
    parser.add_argument("--depths", type=int, nargs="+", default=[4, 6, 8, 14])
    parser.add_argument("--audited", action="store_true", help="ask for each batch alone, as under an audit")
    parser.add_argument("--starts", type=int, default=4, help="so often both sides are started anew")
    parser.add_argument("--pairs", type=int, default=6, help="rounds a start")
    parser.add_argument("--block-s", type=float, default=0.5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
