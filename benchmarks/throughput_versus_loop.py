"""Measured throughput beside a loop written by hand, in the same run: the harness must cost nothing.

    python benchmarks/throughput_versus_loop.py [SUBMISSION] [--pairs 10] [--batch-size 32] [--device cpu] [--threads 1]

A pair is the process of `bench throughput` and one with the plainest loop that is right: load, warm up, synchronise,
read the clock, step, synchronise, read the clock. Both stay resident and take turns, block by block of as many steps,
in drawn order, so that what else runs on the machine meets both. A pair gives the median over its blocks of the ratio
of their images a second: 1 where measuring costs nothing. The spread between pairs says how well the machine can tell.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

from bench.cli.common import default_cache_folder
from bench.measure.fingerprint import physical_cores
from bench.models.source import open_submission
from bench.records.blocks import TimedBlock
from bench.throughput.replicate import Limits, started
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
with arithmetic("fp32"), torch.inference_mode():
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < setup["warm_s"] or steps < 10:
        model(images[steps % 4])
        synchronize()
        steps += 1
    print("ready", flush=True)
    for line in sys.stdin:
        number = int(line)
        for step in range(2):
            model(images[step])
        synchronize()
        if device.startswith("cuda"):
            start = time.perf_counter()
            for step in range(number):
                model(images[step % 4])
            synchronize()
            rate = number * setup["batch_size"] / (time.perf_counter() - start)
        else:
            times = []
            for step in range(number):
                start = time.perf_counter()
                model(images[step % 4])
                times.append(time.perf_counter() - start)
            rate = setup["batch_size"] / statistics.median(times)
        print(rate, flush=True)
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
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    threads = options.threads
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
    coins = random.Random(options.seed)  # noqa: S311 - no secret
    ratios = []
    print("pair  bench img/s  loop img/s   ratio")
    for number in range(options.pairs):
        found = list(_pair(setup, coins, options))
        ratios.append(math.exp(statistics.median(math.log(block.bench / block.loop) for block in found)))
        rates = [statistics.median(getattr(block, who) for block in found) for who in ("bench", "loop")]
        print(f"{number:4} {rates[0]:12,.1f} {rates[1]:11,.1f}  {ratios[-1]:.4f}", flush=True)
    _report(ratios)


class Rates(NamedTuple):
    """Images a second of two blocks, one right after the other."""

    bench: float
    loop: float


def _pair(setup: Setup, coins: random.Random, options: argparse.Namespace) -> Iterator[Rates]:
    """Two resident processes that take turns."""
    facts = json.dumps(setup.as_json() | {"warm_s": options.warm_s})
    with (
        started(setup, Limits(), {}) as (ask, _),
        subprocess.Popen(
            [sys.executable, "-c", LOOP, facts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(setup.num_threads)},
        ) as loop,
    ):
        assert loop.stdin is not None
        assert loop.stdout is not None
        assert loop.stdout.readline() == "ready\n"
        ask("load")
        ask("first")
        step_s = ask("warm", warm_s=options.warm_s, expected_s=10 * options.warm_s)["step_s"]
        num_steps = max(10, math.ceil(options.block_s / step_s))

        def block(who: str) -> float:
            if who == "bench":
                answer = TimedBlock(**ask("block", num_steps=num_steps, expected_s=num_steps * step_s))
                return block_rate(answer, setup.batch_size)
            assert loop.stdin is not None
            assert loop.stdout is not None
            loop.stdin.write(f"{num_steps}\n")
            loop.stdin.flush()
            return float(loop.stdout.readline())

        for _ in range(options.blocks):
            order = ["bench", "loop"] if coins.random() < 0.5 else ["loop", "bench"]
            yield Rates(**{who: block(who) for who in order})


def _report(ratios: list[float]) -> None:
    found = between_processes(ratios)
    print(f"\nmedian ratio {found.value:.4f}, the target is 1 within {TARGET:.0%}")
    if found.low is not None and found.high is not None:
        spread = statistics.stdev(math.log(ratio) for ratio in ratios)
        print(f"95 % interval {found.low:.4f} to {found.high:.4f}; standard deviation between pairs {spread:.2%}")


if __name__ == "__main__":
    main()
