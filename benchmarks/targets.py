"""The targets of evaluation, each against a reference in the same run.

    python benchmarks/targets.py [ROW ...] [--pairs 5]

Rows: warm, cold, eight, memory, first-batch, scoring. Figures are medians of interleaved pairs with their range.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from workload import (
    CROP_PCT,
    IMG_SIZE,
    MODELS,
    Clock,
    Ratios,
    bare_forward,
    build,
    plain_decode,
    preloaded,
    write_photos,
    write_submissions,
)

from bench.backends.base import RunSpec
from bench.backends.inference import answer
from bench.backends.local import LocalBackend
from bench.data.cache import open_crops
from bench.data.contents import dataset_digest
from bench.data.dataset import Dataset, open_dataset
from bench.data.loader import batches_a_turn, iter_batches
from bench.data.transforms import geometry_of
from bench.models.source import open_submission
from bench.protocols import load_protocol
from bench.records.submission import InputSpec

THREADS = len(os.sched_getaffinity(0))
BATCH = 32
GEOMETRY = geometry_of(InputSpec(img_size=IMG_SIZE, crop_pct=CROP_PCT))
Options = argparse.Namespace


def _open(data: Path, limit: int | None = None) -> Dataset:
    return open_dataset(data, load_protocol("imagenet-val-open").dataset, allow_partial=True, limit=limit)


def _pass(dataset: Dataset, folder: Path, cache_folder: Path) -> float:
    """Wall time of one evaluation pass of a started model, in seconds."""
    digest = dataset_digest(dataset, cache_folder=cache_folder, num_threads=THREADS)
    spec = RunSpec(device="cpu", precision="fp32", num_classes=1000, cache_folder=cache_folder)
    with ExitStack() as stack:
        session = stack.enter_context(LocalBackend().start(open_submission(str(folder)), spec))
        cache = open_crops(cache_folder, dataset, digest, GEOMETRY, "single", on_note=print)
        assert cache is not None
        stack.enter_context(cache)
        with Clock() as clock:
            turn = batches_a_turn(GEOMETRY, "single", BATCH)
            batches = iter_batches(dataset, GEOMETRY, batch_size=BATCH, num_threads=THREADS, cache=cache, turn=turn)
            (answered,) = answer([session], batches, dataset, turn=turn)
    assert not isinstance(answered, Exception), answered
    return clock.seconds


def warm(options: Options, data: Path, work: Path) -> None:
    """Images/s from a warm cache over the bare forward pass on preloaded batches."""
    dataset = _open(data, limit=min(options.photos, 512))
    batches = preloaded(plain_decode([sample.path for sample in dataset.samples], THREADS), BATCH)
    for name in (*MODELS[:2], "mobilenetv3_small_050", "resnet18"):
        (folder,) = write_submissions(work / "warm", [name])
        model = build(name)
        _pass(dataset, folder, work / "cache")  # fills the cache, and warms the model
        ratios = []
        for _ in range(options.pairs):
            with Clock() as bare:
                bare_forward(model, batches)
            ratios.append(bare.seconds / _pass(dataset, folder, work / "cache"))
        print(f"warm, {name}: images/s over the bare forward pass: {Ratios(tuple(ratios))}", flush=True)


def cold(options: Options, data: Path, work: Path) -> None:
    """Images/s of a pass that decodes and fills an empty cache, over plain Pillow on the same threads, no model."""
    dataset = _open(data)
    paths = [sample.path for sample in dataset.samples]
    digest = dataset_digest(dataset, cache_folder=work / "cache", num_threads=THREADS)
    plain_decode(paths[:64], THREADS)
    ratios = {"with the cache": [], "without": []}
    for pair in range(options.pairs):
        with Clock() as plain:
            plain_decode(paths, THREADS)
        folder = work / f"cold-{pair}"
        for kind, cache in (
            ("with the cache", open_crops(folder, dataset, digest, GEOMETRY, "single", on_note=print)),
            ("without", None),
        ):
            with Clock() as ours:
                for _batch in iter_batches(dataset, GEOMETRY, batch_size=BATCH, num_threads=THREADS, cache=cache):
                    pass
            ratios[kind].append(plain.seconds / ours.seconds)
            if cache is not None:
                cache.close()
        shutil.rmtree(folder)
    for kind, values in ratios.items():
        print(f"cold, {kind}: images/s over plain Pillow decode and resize: {Ratios(tuple(values))}", flush=True)


_START = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from workload import MODELS, build
for name in MODELS: build(name)
"""


def eight(options: Options, data: Path, work: Path) -> None:
    """Wall time of one command for eight models, cold, over one start, one decode pass and the bare forward passes."""
    dataset = _open(data)
    paths = [sample.path for sample in dataset.samples]
    folders = write_submissions(work / "eight")
    ratios = []
    for pair in range(options.pairs):
        with Clock() as start:
            subprocess.run([sys.executable, "-c", _START], check=True)
        with Clock() as decode:
            images_NHWC = plain_decode(paths, THREADS)
        batches, forward_s = preloaded(images_NHWC, BATCH), 0.0
        for name in MODELS:
            model = build(name)
            with Clock() as forward:
                bare_forward(model, batches)
            forward_s += forward.seconds
        with Clock() as ours:
            _command(folders, data, work / f"eight-{pair}", work / f"eight-cache-{pair}")
        bound_s = start.seconds + decode.seconds + forward_s
        ratios.append(ours.seconds / bound_s)
        print(
            f"  start {start.seconds:.1f} s, decode {decode.seconds:.1f} s, forward {forward_s:.1f} s; "
            f"command {ours.seconds:.1f} s",
            flush=True,
        )
        shutil.rmtree(work / f"eight-cache-{pair}")
    print(f"eight light models: wall time over start + decode + forward: {Ratios(tuple(ratios))}", flush=True)


def _command(folders: list[Path], data: Path, work: Path, cache: Path, *more: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "bench", "evaluate", *map(str, folders), "--protocol", "imagenet-val-open"]
    words += ["--data", str(data), "--allow-partial", "--device", "cpu", "--results", str(work / "results")]
    child = subprocess.Popen([*words, "--cache-dir", str(cache), *more], stdout=subprocess.DEVNULL, text=True)
    if child.wait():
        sys.exit("the command failed")
    return child


def memory(options: Options, data: Path, work: Path) -> None:
    """Anonymous memory of an evaluation of 50,000 images at 224 px, over what the model and torch take."""
    many = work / "many"
    sources = sorted((data / "val").rglob("*.JPEG"))
    for number in range(1, options.images + 1):
        source = sources[number % len(sources)]
        target = many / "val" / source.parent.name / f"ILSVRC2012_val_{number:08d}.JPEG"
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)
    (folder,) = write_submissions(work / "memory", ["mobilenetv3_small_050"], img_size=224)
    words = [sys.executable, "-m", "bench", "evaluate", str(folder), "--protocol", "imagenet-val-open", "--data"]
    words += [str(many), "--allow-partial", "--device", "cpu", "--results", str(work / "memory-results")]
    child = subprocess.Popen([*words, "--cache-dir", str(work / "memory-cache")], stdout=subprocess.DEVNULL)
    samples = []
    while child.poll() is None:
        samples.append(_anonymous_mib(child.pid))
        time.sleep(1)
    base = _anonymous_of(f"{_START}\nimport timm\nmodel = build('mobilenetv3_small_050')")
    quarter = max(1, len(samples) // 4)
    first, last = statistics.median(samples[quarter : 2 * quarter]), statistics.median(samples[-quarter:])
    beyond = f"torch and models {base:.0f} MiB, {max(samples) - base:.0f} MiB beyond"
    trend = f"second quarter {first:.0f} MiB, last quarter {last:.0f} MiB"
    print(f"memory, {options.images:,} images at 224 px: RssAnon {max(samples):.0f} MiB; {beyond}; {trend}", flush=True)


def _anonymous_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def _anonymous_of(code: str) -> float:
    """RssAnon of a process after running some code, in MiB."""
    tail = "\nprint([line.split()[1] for line in open('/proc/self/status') if line.startswith('RssAnon')][0])"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) / 1024


_FIRST_BATCH = """
import os, sys
import bench.backends.inference as inference
give = inference._Track.give
def stop(track, batch):
    give(track, batch)
    os._exit(0)
inference._Track.give = stop
from bench.cli.main import main
sys.argv = ["bench", *sys.argv[1:]]
main()
"""


def first_batch(options: Options, data: Path, work: Path) -> None:
    """Time from the command to the first answered batch, warm cache, over import torch and building the model."""
    name = "mobilenetv3_small_050"
    (folder,) = write_submissions(work / "first", [name])
    cache = work / "first-cache"
    _command([folder], data, work / "first-filled", cache)
    words = ["evaluate", str(folder), "--protocol", "imagenet-val-open", "--data", str(data), "--allow-partial"]
    words += ["--device", "cpu", "--cache-dir", str(cache), "--results", str(work / "first-results")]
    ratios = []
    for _ in range(options.pairs):
        with Clock() as bare:
            code = f"import torch, timm; timm.create_model({name!r}, num_classes=1000)"
            subprocess.run([sys.executable, "-c", code], check=True)
        with Clock() as ours:
            subprocess.run([sys.executable, "-c", _FIRST_BATCH, *words], check=True, stderr=subprocess.DEVNULL)
        ratios.append(ours.seconds / bare.seconds)
    print(f"first batch: wall time over import torch, timm and building the model: {Ratios(tuple(ratios))}", flush=True)


def scoring(options: Options, data: Path, work: Path) -> None:  # noqa: ARG001 - one signature for all rows
    """Seconds that scoring 50,000 x 1000 logits takes on one core, all metrics and intervals."""
    code = """
import time, numpy as np
from bench.data.classes import class_table
from bench.metrics.topk import predictions_from_logits
from bench.protocols import load_protocol
from bench.score import score
labels_N = np.repeat(np.arange(1000), 50)
logits_NC = np.random.default_rng(0).standard_normal((50_000, 1000), dtype=np.float32)
logits_NC[np.arange(50_000), labels_N] += 3.5
ids = tuple(map(str, range(50_000)))
started = time.perf_counter()
predictions = predictions_from_logits(ids, logits_NC, labels_N)
score(predictions, labels_N, load_protocol("imagenet-val-closed"), class_table("imagenet-1k"))
print(time.perf_counter() - started)
"""
    alone = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    seconds = []
    for _ in range(options.pairs):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=alone)
        seconds.append(float(done.stdout))
    print(f"scoring 50,000 x 1000 logits on one core: {Ratios(tuple(seconds))} s", flush=True)


ROWS: dict[str, Callable[[Options, Path, Path], None]] = {
    "warm": warm,
    "cold": cold,
    "eight": eight,
    "memory": memory,
    "first-batch": first_batch,
    "scoring": scoring,
}


def main() -> None:
    """Measures the named rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=list(ROWS), choices=list(ROWS), metavar="ROW")
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--images", type=int, default=50_000, help="for the row memory")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "bench-photos")
    options = parser.parse_args()
    data = write_photos(options.data / str(options.photos), options.photos)
    sizes = [path.stat().st_size for path in data.rglob("*.JPEG")]
    print(f"{len(sizes):,} photos of {np.mean(sizes) / 1000:.0f} kB in the mean, {THREADS} threads", flush=True)
    with tempfile.TemporaryDirectory() as work:
        for row in options.rows:
            ROWS[row](options, data, Path(work))


if __name__ == "__main__":
    main()
