"""Real gates on this machine: equal code, and code with 5 % more real work, idle and beside a noisy neighbour.

    python benchmarks/gate_real.py --kind aa --gates 8 [--minutes 60] [--state gate-real]
    python benchmarks/gate_real.py --table

A gate compares 20 batches through a small network with the same again (`aa`), or with 21 batches (`planted`): work that
is really done, never a recorded time that is scaled. Every second gate has a neighbour, a
process that computes for about two seconds of every four. The rule and its constants are those of `bench gate`.

The state folder keeps the raw blocks of every gate; a killed run goes on where it was. All gates count, none is left
out; the table has a 95 % Clopper-Pearson bound for each rate.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.files import pretty_json, read_json, write_atomic
from bench.gate.config import GateConfig, Row
from bench.gate.decision import Levels, looks_for
from bench.gate.report import as_json, percent

HERE = Path(__file__).resolve()
EXTRA = {"aa": 0.0, "planted": 0.05}
NUM_BATCHES, BATCH_SIZE, IMG_SIZE = 20, 8, 64
"""5 % of 20 batches are one."""
VERDICTS = ("REGRESSION", "OK", "INCONCLUSIVE", "INVALID", "MISMATCH")
_NEIGHBOUR = """
import time
import torch
torch.set_num_threads(1)
matrix = torch.randn(768, 768)
while True:
    end = time.perf_counter() + 2
    while time.perf_counter() < end:
        matrix @ matrix
    time.sleep(2)
"""


def step(extra: float = 0.0, threads: int = 1) -> Callable[[], Any]:
    """A small network over 20 batches, and over as many more as the extra work asks for.

    Equal batches, so that the work grows by what is planted: one longer batch may take another path in the libraries
    (84 in place of 80 images took twice the time on one machine).

    Args:
        extra: The share of further batches.
        threads: Threads of torch.
    """
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    ).eval()  # fmt: skip
    staged = [torch.randn(BATCH_SIZE, 3, IMG_SIZE, IMG_SIZE) for _ in range(NUM_BATCHES)]
    inputs = [*staged, *staged[: round(extra * NUM_BATCHES)]]

    def run() -> None:
        with torch.inference_mode():
            for images_NCHW in inputs:
                model(images_NCHW)

    def outputs() -> list[list[float]]:
        with torch.inference_mode():
            rows: list[list[float]] = model(staged[0]).tolist()
        return rows

    run.outputs = outputs  # type: ignore[attr-defined]
    return run


@contextmanager
def neighbour(is_there: bool) -> Iterator[None]:
    """A process that computes now and then, or none."""
    if not is_there:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", _NEIGHBOUR], start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def one_gate(kind: str, number: int, state: Path, config: GateConfig, minutes: float | None) -> dict[str, Any]:
    """Runs a gate, or goes on with one; returns its summary, which it also keeps."""
    from bench.gate.collect import Launch, Timing
    from bench.gate.machine import machine_here
    from bench.gate.raw import RawFile
    from bench.gate.report import GateReport, verdict_over
    from bench.gate.suite import Suite
    from bench.measure.environment import environment
    from bench.version import __version__

    folder = state / f"{kind}-{number:03d}"
    if (folder / "summary.json").is_file():
        found: dict[str, Any] = read_json(folder / "summary.json")
        return found
    is_noisy = number % 2 == 1
    (row,) = config.rows
    launches = {
        side: Launch(
            python=sys.executable,
            folder=HERE.parent,
            target=f"{HERE}:step",
            arguments={"extra": EXTRA[kind] if side == "head" else 0.0, "threads": row.threads},
            path=(str(HERE.parent.parent),),
            environment={"OMP_NUM_THREADS": str(row.threads)},
        )
        for side in ("base", "head")
    }
    timing = Timing(num_blocks=config.num_blocks, block_s=config.block_s, warm_s=config.warm_s)
    before, began = machine_here(), time.monotonic()
    settings = {
        "kind": kind, "number": number, "noisy": is_noisy, "machine": before, "row": row.as_json(),
        "timing": [timing.num_blocks, timing.block_s, timing.warm_s],
    }  # fmt: skip
    suite = Suite(
        sides={row.name: launches},  # type: ignore[dict-item]
        raw=RawFile(folder / "pairs.jsonl", settings),
        timing=timing,
        seed=number,
        budget_s=None if minutes is None else 60 * minutes,
    )
    with neighbour(is_noisy):
        reports = suite.run(config.rows)
    after = machine_here()
    report = GateReport(
        verdict=verdict_over(reports, before, after), rows=tuple(reports), seed=number, environment=environment(),
        sides={side: {"name": f"{kind}, extra work {launches[side].arguments['extra']:.0%}"} for side in launches},
        machine=before, machine_after=after, version=__version__, num_blocks=timing.num_blocks,
    )  # fmt: skip
    write_atomic(folder / "regression.json", pretty_json(as_json(report)))
    (entry,) = reports
    look = entry.decision.looks[-1] if entry.decision is not None and entry.decision.looks else None
    summary = {
        "kind": kind, "number": number, "noisy": is_noisy, "verdict": report.verdict, "pairs": len(entry.valid_pairs),
        "replaced": len(entry.pairs) - len(entry.valid_pairs), "estimate": None if look is None else look.estimate,
        "minutes": round((time.monotonic() - began) / 60, 2), "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_1min": round(os.getloadavg()[0], 2),
    }  # fmt: skip
    if entry.verdict == "INCONCLUSIVE" and (look is None or look.num_pairs < looks_for(1)[-1]):
        return summary  # the time was over: the gate goes on in a later run
    write_atomic(folder / "summary.json", pretty_json(summary))
    return summary


def bounds(count: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share by Clopper and Pearson."""
    from scipy.stats import beta

    low = float(beta.ppf(0.025, count, total - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, total - count)) if count < total else 1.0
    return low, high


def table(state: Path) -> str:
    """Every finished gate of a state folder in one table: counts and 95 % intervals, all gates and none left out."""
    found = [read_json(path) for path in sorted(state.glob("*/summary.json"))]
    headers = ["gates", "number", *VERDICTS, "share of REGRESSION", "median estimate", "pairs", "minutes"]
    lines = [f"| {' | '.join(headers)} |"]
    lines.append("|---" * len(headers) + "|")
    for kind, words in (("aa", "equal code"), ("planted", "5 % more work")):
        for is_noisy in (False, True):
            mine = [item for item in found if item["kind"] == kind and item["noisy"] == is_noisy]
            lines += [_line(f"{words}, {'noisy neighbour' if is_noisy else 'idle'}", mine)] if mine else []
        both = [item for item in found if item["kind"] == kind]
        lines += [_line(f"{words}, all", both)] if both else []
    return "\n".join(lines)


def _line(words: str, found: list[dict[str, Any]]) -> str:
    counts = Counter(item["verdict"] for item in found)
    low, high = bounds(counts["REGRESSION"], len(found))
    estimates = sorted(item["estimate"] for item in found if item["estimate"] is not None)
    middle = percent(estimates[len(estimates) // 2]) if estimates else "-"
    cells = [words, str(len(found)), *(str(counts[verdict]) for verdict in VERDICTS)]
    cells += [f"{counts['REGRESSION'] / len(found):.0%} ({low:.1%} to {high:.1%})", middle]
    cells += [f"{sum(item[key] for item in found) / len(found):.1f}" for key in ("pairs", "minutes")]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Runs gates until there are enough or the time is over, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=EXTRA, default="aa", help="equal code, or 5 %% more work")
    parser.add_argument("--gates", type=int, default=8, help="how many gates of this kind there shall be in the end")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes; a later run goes on")
    parser.add_argument("--state", type=Path, default=Path("gate-real"), help="folder of raw blocks and summaries")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--blocks", type=int, default=10, help="pairs of blocks a pair; less only to try the script")
    parser.add_argument("--block-s", type=float, default=0.5, help="seconds a block; less only to try the script")
    parser.add_argument("--warm-s", type=float, default=3.0, help="seconds of warm-up; less only to try the script")
    parser.add_argument("--table", action="store_true", help="measure nothing, print the table")
    options = parser.parse_args()
    deadline = None if options.minutes is None else time.monotonic() + 60 * options.minutes
    row = Row(name="step", target=f"{HERE.name}:step", threads=options.threads)
    config = GateConfig(rows=(row,), num_blocks=options.blocks, block_s=options.block_s, warm_s=options.warm_s)
    print(f"levels {Levels()}, looks {looks_for(1)}, tolerance {row.tolerance:.0%}", file=sys.stderr)
    for number in range(0 if options.table else options.gates):
        left = None if deadline is None else (deadline - time.monotonic()) / 60
        if left is not None and left <= 0:
            break
        summary = one_gate(options.kind, number, options.state, config, left)
        print(json.dumps(summary), file=sys.stderr, flush=True)
    print(table(options.state))


if __name__ == "__main__":
    main()
