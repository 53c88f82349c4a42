"""Trains the demo's networks several times: do they order as expected, and how fast do they learn?

    python benchmarks/reference_runs.py [--attempts 3] [--out DIR] [--write]

Each attempt has a seed that bench draws, and each attempt is scored. Prints mean and standard deviation of each network
and whether the order LeNet-5, small AlexNet, tiny ResNet holds for every attempt; `--write` stores the courses as the
protocol's reference runs, with which `bench check` compares. About four minutes on two cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.protocols import load_protocol
from bench.records.reference import ReferenceRun, ReferenceRuns
from bench.records.training import Attempts
from bench.store import Store
from bench.stored import read_attempts
from bench.training.reference import references_of

NETWORKS = ("lenet5", "small-alexnet", "tiny-resnet")
PROTOCOL = "shapes10-train"
SUBMISSIONS = Path(__file__).resolve().parents[1] / "submissions" / "demo"


def bench(*words: str | Path) -> None:
    """Runs a command of bench."""
    subprocess.run([sys.executable, "-m", "bench", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def run_of(network: str, attempts: Attempts, index: int) -> ReferenceRun:
    """The course of one attempt."""
    attempt = attempts.attempts[index]
    points = [(point.epoch, point.top1) for point in attempt.curve if point.top1 is not None]
    return ReferenceRun(
        network=network,
        seed=attempt.seed,
        epochs=tuple(epoch for epoch, _ in points),
        top1=tuple(top1 for _, top1 in points),
    )


def main() -> None:
    """Trains, scores and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    out = options.out or Path(tempfile.mkdtemp(prefix="bench-references-"))
    bench("data", "synth", out / "shapes10")
    common = ("--data", out / "shapes10", "--cache-dir", out / "cache")
    store, accuracies, runs = Store(out / "results"), [], []
    for network in NETWORKS:
        for number in range(1, options.attempts + 1):
            where = ("--out", out / "trained", "--attempt", str(number), "--resume")
            bench("train", SUBMISSIONS / network, "--protocol", PROTOCOL, *common, *where)
        bench("score-training", out / "trained" / "demo" / network, *common, "--results", store.results)
        stored = [one for one in store.of_entry("demo", network) if one.result.protocol.id == PROTOCOL][-1]
        attempts, top1 = read_attempts(stored), stored.result.metrics["top1"]
        assert attempts is not None
        accuracies.append([one.final["top1"].value for one in attempts.attempts])
        runs += [run_of(stored.result.submission.title, attempts, index) for index in range(len(attempts.attempts))]
        spread = "" if top1.sd is None else f" +- {100 * top1.sd:.2f} (SD)"
        values = ", ".join(f"{100 * value:.1f}" for value in accuracies[-1])
        print(f"{stored.result.submission.title}: {100 * top1.value:.2f}{spread} % ({values})", flush=True)
    ordered = [sorted(column) == list(column) for column in zip(*accuracies, strict=True)]
    print(f"in the expected order: {sum(ordered)} of {len(ordered)} attempts")
    if options.write:
        source = f"trained by benchmarks/reference_runs.py, {options.attempts} attempts a network, on a CPU in fp32"
        digest = load_protocol(PROTOCOL).digest()
        found = ReferenceRuns(protocol=PROTOCOL, protocol_digest=digest, source=source, runs=tuple(runs))
        references_of(PROTOCOL).write_text(found.to_text(), encoding="utf-8")
        print(references_of(PROTOCOL))


if __name__ == "__main__":
    main()
