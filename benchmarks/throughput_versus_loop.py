"""Measured throughput beside a loop written by hand, in the same run: the harness must cost nothing.

    python benchmarks/throughput_versus_loop.py [SUBMISSION] [--pairs 10] [--batch-size 32] [--device cpu]

A pair is one process of `bench throughput` and one process with the plainest loop that is right: load, warm up,
synchronise, read the clock, step, synchronise, read the clock. A coin says which comes first, and both have as many
blocks of as many steps. What is compared is what each would report, images a second of the median block. The ratio
is 1 where measuring costs nothing; its spread says how far the machine allows to tell.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
from pathlib import Path

from bench.cli.common import default_cache_folder
from bench.measure.fingerprint import num_physical, physical_cores
from bench.models.source import open_submission
from bench.records.throughput import BatchSizes, Throughput
from bench.throughput.replicate import Limits, measure_replicate
from bench.throughput.rows import Setup, text_of
from bench.throughput.summary import between_processes, block_rate

TARGET = 0.01

LOOP = """
import json, os, statistics, sys, time
setup = json.loads(sys.argv[1])
if setup["cores"]:
    os.sched_setaffinity(0, setup["cores"])
import torch
from bench.backends.arithmetic import arithmetic
from bench.backends.memory import keep_freed_memory
from bench.models.build import build_model
from bench.models.source import open_submission
from pathlib import Path

torch.set_num_threads(setup["num_threads"])
torch.set_num_interop_threads(1)
keep_freed_memory()
built = build_model(open_submission(setup["submission"]), cache_folder=Path(setup["cache_folder"]))
device = setup["device"]
model = built.module.to(device).to(memory_format=torch.channels_last)
size = built.input.img_size
images = [torch.randn(setup["batch_size"], 3, size, size).to(device).to(memory_format=torch.channels_last)
          for _ in range(4)]
synchronize = torch.cuda.synchronize if device.startswith("cuda") else (lambda: None)
rates = []
with arithmetic("fp32"), torch.inference_mode():
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < setup["warm_s"] or steps < 10:
        model(images[steps % 4])
        synchronize()
        steps += 1
    begun = time.perf_counter()
    for step in range(10):
        model(images[step % 4])
    synchronize()
    number = max(10, round(setup["block_s"] / ((time.perf_counter() - begun) / 10)))
    for _ in range(setup["num_blocks"]):
        if device.startswith("cuda"):
            start = time.perf_counter()
            for step in range(number):
                model(images[step % 4])
            synchronize()
            rates.append(number * setup["batch_size"] / (time.perf_counter() - start))
        else:
            times = []
            for step in range(number):
                start = time.perf_counter()
                model(images[step % 4])
                times.append(time.perf_counter() - start)
            rates.append(setup["batch_size"] / statistics.median(times))
print(json.dumps(statistics.median(rates)))
"""


def main() -> None:
    """Measures the pairs and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("submission", nargs="?", default="submissions/demo/small-alexnet")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--block-s", type=float, default=0.5)
    parser.add_argument("--warm-s", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    threads = num_physical()
    setup = Setup(
        submission=text_of(open_submission(options.submission)),
        cache_folder=str(default_cache_folder()),
        scenario="offline",
        batch_size=options.batch_size,
        mode="eager",
        precision="fp32",
        memory_format="channels_last",
        device=options.device,
        num_threads=threads,
        cores=tuple(physical_cores()[:threads]) if options.device == "cpu" else (),
    )
    spec = Throughput(
        scenario="offline",
        batch_sizes=BatchSizes(cpu=(options.batch_size,), cuda=(options.batch_size,)),
        num_blocks=options.blocks,
        block_s=options.block_s,
        warm_s=options.warm_s,
    )
    coins = random.Random(options.seed)  # noqa: S311 - no secret
    ratios = []
    print("pair  first    bench img/s  loop img/s   ratio")
    for number in range(options.pairs):
        order = ["bench", "loop"] if coins.random() < 0.5 else ["loop", "bench"]
        found = {who: _bench(setup, spec) if who == "bench" else _loop(setup, spec) for who in order}
        ratios.append(found["bench"] / found["loop"])
        print(f"{number:4}  {order[0]:7} {found['bench']:12,.1f} {found['loop']:11,.1f}  {ratios[-1]:.4f}", flush=True)
    _report(ratios)


def _bench(setup: Setup, spec: Throughput) -> float:
    replicate = measure_replicate(setup, spec, 1, limits=Limits(), environment={}, gpu=None)
    return statistics.median(block_rate(block, setup.batch_size) for block in replicate.blocks)


def _loop(setup: Setup, spec: Throughput) -> float:
    facts = setup.as_json() | {"warm_s": spec.warm_s, "block_s": spec.block_s, "num_blocks": spec.num_blocks}
    command = [sys.executable, "-c", LOOP, json.dumps(facts)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.cwd())
    return float(json.loads(done.stdout))


def _report(ratios: list[float]) -> None:
    found = between_processes(ratios)
    print(f"\nmedian ratio {found.value:.4f}, the target is 1 within {TARGET:.0%}")
    if found.low is not None and found.high is not None:
        spread = statistics.stdev(math.log(ratio) for ratio in ratios)
        print(f"95 % interval {found.low:.4f} to {found.high:.4f}; standard deviation between pairs {spread:.2%}")


if __name__ == "__main__":
    main()
