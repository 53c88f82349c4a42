"""What the sandbox costs: its start, each batch, and warm throughput beside the same model in this process.

    python benchmarks/sandbox.py                        # about two minutes on two cores
    python benchmarks/sandbox.py --device cuda --batch-size 256 --img-size 224

Throughput is measured as an evaluation runs: the host ranks a batch while two more are in flight. Both sides hold the
same model at once and take turns, block by block, so that a noise of the machine hits both; the figure is the median
of the ratios of four neighbouring blocks, two a side. It is printed with the interquartile range of these ratios.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bench.backends import BACKENDS
from bench.backends.base import Images, ModelSession, RunSpec
from bench.metrics.topk import rank_logits
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
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        images = np.random.default_rng(0).integers(
            0, 256, (options.batch_size, options.img_size, options.img_size, 3), dtype=np.uint8
        )
        started = time.perf_counter()
        found = probe()
        print(f"probe of the machine       {1e3 * (time.perf_counter() - started):8.1f} ms  {found}")
        print(f"layers                     {', '.join(probe_layers())}")
        print(f"start of a bare sandbox    {_median_ms(_bare_start, 9):8.1f} ms")
        spec = RunSpec(device=options.device, precision="fp32", num_classes=1000, cache_folder=Path(folder))
        place = _written(Path(folder), 0)
        starts = {level: [_start_s(level, place, spec) for _ in range(3)] for level in ("local", "process", "sandbox")}
        for level, seconds in starts.items():
            print(
                f"start to a ready model     {1e3 * statistics.median(seconds):8.0f} ms  {level} (torch's import apart)"
            )
        for depth in options.depths:
            place = _written(Path(folder), depth)
            with ExitStack() as both:
                local, jailed = (
                    both.enter_context(BACKENDS[level]().start(open_submission(str(place)), spec))
                    for level in ("local", options.level)
                )
                _compare(local, jailed, images, options)
        stack.close()


def _compare(local: ModelSession, jailed: ModelSession, images: Images, options: argparse.Namespace) -> None:
    """One line of the table."""
    for session in (local, jailed):
        _block_s(session, images, 5)
    count = max(4, int(options.block_s / (_block_s(local, images, 5) / 5)))
    ratios, millis, waits = [], [], {"local": [], "jailed": []}
    for pair in range(options.pairs):
        # Each side before and after the other: a machine that gets slower or faster meanwhile cancels out.
        order = (local, jailed, jailed, local) if pair % 2 == 0 else (jailed, local, local, jailed)
        seconds = {local: 0.0, jailed: 0.0}
        for session in order:
            seconds[session] += _block_s(session, images, count)
        ratios.append(seconds[local] / seconds[jailed])
        millis.append(1e3 * seconds[local] / (2 * count))
        for name, session in (("local", local), ("jailed", jailed)):
            time.sleep(_REST_S)
            started = time.perf_counter()
            session.logits(images)
            waits[name].append(1e3 * (time.perf_counter() - started))
    work = {session: _processor_s(session, images, count) for session in (local, jailed)}
    low, middle, high = statistics.quantiles(ratios, n=4)
    alone = statistics.median(waits["jailed"]) - statistics.median(waits["local"])
    print(
        f"batch of {statistics.median(millis):7.2f} ms: throughput {options.level} / local {middle:.3f} "
        f"[{low:.3f}, {high:.3f}] of {len(ratios)} rounds of 2 x {count} batches; one by one {alone:+.2f} ms a batch; "
        f"processor time {options.level} / local {work[jailed] / work[local]:.3f}"
    )


def _block_s(session: ModelSession, images: Images, count: int) -> float:
    """Seconds for so many batches, two in flight while the host ranks one, as an evaluation does it."""
    labels = np.zeros(len(images), np.int64)
    in_flight: deque = deque()
    time.sleep(_REST_S)
    started = time.perf_counter()
    for _ in range(count):
        in_flight.append(session.submit(images))
        if len(in_flight) > 2:
            rank_logits(in_flight.popleft()(), labels)
    while in_flight:
        rank_logits(in_flight.popleft()(), labels)
    return time.perf_counter() - started


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
    parser.add_argument("--depths", type=int, nargs="+", default=[2, 8, 24])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--block-s", type=float, default=0.5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
