"""How often the gate errs, simulated: false alarms and power, beside the rules of other tools on the same samples.

    python benchmarks/gate_simulation.py [--runs 300] [--null-runs 1500] [--scenarios shared ...]

The log time of an iteration is the true slowdown on the side of head, plus a drift of the machine (an
Ornstein-Uhlenbeck process, one path a job), an effect of the process, autocorrelated noise, and spikes. Nothing here
was measured; the rates say what the procedure does where noise is of these kinds. Seeded: equal runs print equal
tables. The other rules are our reading of the tools' defaults. They are applied to the very block times of the gate's
first ten pairs, and to what such tools usually have: 100 iterations of one process of base, stored by an earlier job
(on a machine of the same kind, which differs by 2 %), and of one process of head.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.gate.decision import decide
from bench.stats.intervals import wilson

PAIRS, BLOCKS, ITERATIONS = 30, 10, 5
ITERATION_S, GAP_S = 0.1, 15.0
HOST = 0.02
"""Standard deviation between machines of one kind."""
TOLERANCE = math.log1p(0.03)
SLOWDOWNS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.10)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Standard deviations are of the log time of an iteration."""

    within: float
    """Noise from iteration to iteration."""
    rho: float
    """Its correlation from one iteration of a process to its next."""
    spike_share: float
    spike_mean: float
    process: float
    """Between processes."""
    drift: float
    """Of the machine."""
    drift_s: float
    """How long the drift remembers, in seconds."""
    slow_share: float = 0.0
    """Processes that are slow as a whole, such as by another choice of convolution kernels."""
    slow_by: float = 0.0
    order_effect: float = 0.0
    """What the second block of a pair of blocks costs more."""


SCENARIOS = {
    "quiet": Scenario(
        within=0.003, rho=0.5, spike_share=0.002, spike_mean=0.05, process=0.002, drift=0.004, drift_s=60
    ),
    "shared": Scenario(
        within=0.005, rho=0.6, spike_share=0.01, spike_mean=0.10, process=0.007, drift=0.015, drift_s=60
    ),
    "shared, bimodal": Scenario(
        within=0.005, rho=0.6, spike_share=0.01, spike_mean=0.10, process=0.003, drift=0.015, drift_s=60,
        slow_share=0.3, slow_by=0.04,
    ),
    "shared, second block 2 % slower": Scenario(
        within=0.005, rho=0.6, spike_share=0.01, spike_mean=0.10, process=0.007, drift=0.015, drift_s=60,
        order_effect=0.02,
    ),
    "very noisy": Scenario(
        within=0.03, rho=0.7, spike_share=0.03, spike_mean=0.30, process=0.02, drift=0.06, drift_s=20
    ),
}  # fmt: skip


def block_times(scenario: Scenario, slowdown: float, num_runs: int, seed: int) -> Floats:
    """The log time of every block: the median of its iterations; shape (runs, pairs, sides, blocks), head is side 1."""
    random = np.random.default_rng(seed)
    shape = (num_runs, PAIRS, 2)
    process = random.normal(0, scenario.process, shape)
    process += scenario.slow_by * (random.random(shape) < scenario.slow_share)
    process[:, :, 1] += math.log1p(slowdown)
    noise = random.normal(0, scenario.within, shape)
    drift = random.normal(0, scenario.drift, num_runs)
    times = np.empty((*shape, BLOCKS))
    runs = np.arange(num_runs)
    fresh = math.sqrt(1 - scenario.rho**2)
    for pair in range(PAIRS):
        drift = _drifted(random, scenario, drift, GAP_S)
        for block in range(BLOCKS):
            head_first = random.integers(0, 2, num_runs)
            for turn in (0, 1):
                side = head_first if turn == 0 else 1 - head_first
                taken = np.empty((num_runs, ITERATIONS))
                for iteration in range(ITERATIONS):
                    drift = _drifted(random, scenario, drift, ITERATION_S)
                    own = scenario.rho * noise[runs, pair, side] + fresh * random.normal(0, scenario.within, num_runs)
                    noise[runs, pair, side] = own
                    spikes = random.exponential(scenario.spike_mean, num_runs)
                    spikes *= random.random(num_runs) < scenario.spike_share
                    taken[:, iteration] = drift + process[runs, pair, side] + own + spikes
                times[runs, pair, side, block] = np.median(taken, axis=1) + turn * scenario.order_effect
    return times


def stored_baseline(scenario: Scenario, slowdown: float, num_runs: int, seed: int) -> Floats:
    """Log times of 100 iterations of one process a side, each in a job of its own; shape (runs, sides, iterations)."""
    random = np.random.default_rng(seed)
    times = np.empty((num_runs, 2, 100))
    for side in (0, 1):
        start = random.normal(0, HOST, num_runs) + random.normal(0, scenario.process, num_runs)
        start += scenario.slow_by * (random.random(num_runs) < scenario.slow_share) + side * math.log1p(slowdown)
        drift, noise = random.normal(0, scenario.drift, num_runs), random.normal(0, scenario.within, num_runs)
        for iteration in range(100):
            drift = _drifted(random, scenario, drift, ITERATION_S)
            noise = scenario.rho * noise + math.sqrt(1 - scenario.rho**2) * random.normal(0, scenario.within, num_runs)
            spikes = random.exponential(scenario.spike_mean, num_runs)
            times[:, side, iteration] = (
                start + drift + noise + spikes * (random.random(num_runs) < scenario.spike_share)
            )
    return times


def _drifted(random: np.random.Generator, scenario: Scenario, drift: Floats, seconds: float) -> Floats:
    kept = math.exp(-seconds / scenario.drift_s)
    return kept * drift + math.sqrt(1 - kept * kept) * random.normal(0, scenario.drift, len(drift))


def gate(times: Floats) -> tuple[Counter[str], float]:
    """The verdicts of the gate, and how many pairs it used in the mean."""
    verdicts: Counter[str] = Counter()
    used = 0
    for differences in np.median(times[:, :, 1] - times[:, :, 0], axis=-1).tolist():
        row = decide({"row": differences}, {"row": TOLERANCE})["row"]
        verdicts[str(row.verdict)] += 1
        used += row.looks[-1].num_pairs
    return verdicts, used / len(times)


def _mann_whitney(base: Floats, head: Floats) -> float:
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(base, head).pvalue)


def _t_test(base: Floats, head: Floats) -> float:
    from scipy.stats import ttest_ind

    return float(ttest_ind(base, head).pvalue)


RULES: dict[str, Callable[[Floats, Floats], bool]] = {
    "TorchBench: median over 7 %": lambda base, head: bool(np.median(head) > 1.07 * np.median(base)),
    "asv: Mann-Whitney p < 0.002 and factor 1.1": lambda base, head: bool(
        np.median(head) > 1.1 * np.median(base) and _mann_whitney(base, head) < 0.002
    ),
    "the same with factor 1.02": lambda base, head: bool(
        np.median(head) > 1.02 * np.median(base) and _mann_whitney(base, head) < 0.002
    ),
    "pytest-benchmark: mean over 5 %": lambda base, head: bool(head.mean() > 1.05 * base.mean()),
    "pyperf: t-test p < 0.05, slower": lambda base, head: bool(
        head.mean() > base.mean() and _t_test(base, head) < 0.05
    ),
    "github-action-benchmark: twice as slow": lambda base, head: bool(head.mean() > 2 * base.mean()),
}
"""From a rule to whether it calls head slower, given the seconds of all blocks of both sides."""


def rule_hits(times: Floats) -> Counter[str]:
    """How often each rule says slower; log times of shape (runs, sides, samples)."""
    hits: Counter[str] = Counter()
    for base, head in np.exp(times):
        hits.update(name for name, rule in RULES.items() if rule(base, head))
    return hits


def share(count: int, num_runs: int) -> str:
    """A share with its 95 % Wilson interval, in percent."""
    low, high = wilson(count, num_runs)
    return f"{count / num_runs:.1%} ({low:.1%} to {high:.1%})"


def main() -> None:
    """Prints a table a scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300, help="simulated gates a true slowdown")
    parser.add_argument("--null-runs", type=int, default=1500, help="simulated gates of equal code")
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    options = parser.parse_args()
    for name in options.scenarios:
        print(f"\n### {name}\n\nTolerance 3 %, {PAIRS} pairs at most, {BLOCKS} blocks a pair.\n")
        print("| true slowdown | runs | REGRESSION | OK | INCONCLUSIVE | pairs used |", "|---" * 6 + "|", sep="\n")
        same: list[tuple[Counter[str], int]] = []
        stored: list[tuple[Counter[str], int]] = []
        for number, slowdown in enumerate(SLOWDOWNS):
            num_runs = options.runs if slowdown else options.null_runs
            times = block_times(SCENARIOS[name], slowdown, num_runs, seed=7 + number)
            verdicts, used = gate(times)
            cells = [share(verdicts[word], num_runs) for word in ("REGRESSION", "OK", "INCONCLUSIVE")]
            print(f"| {slowdown:.0%} | {num_runs:,} | {' | '.join(cells)} | {used:.1f} |", flush=True)
            first = times[:, :10].transpose(0, 2, 1, 3).reshape(num_runs, 2, -1)
            same.append((rule_hits(first), num_runs))
            stored.append((rule_hits(stored_baseline(SCENARIOS[name], slowdown, num_runs, seed=70 + number)), num_runs))
        print("\nShare of runs that a rule calls slower, on the same samples / against a stored baseline:\n")
        print("| rule |" + "".join(f" {slowdown:.0%} |" for slowdown in SLOWDOWNS))
        print("|---" * (1 + len(SLOWDOWNS)) + "|")
        for rule in RULES:
            cells = [
                f"{mine[rule] / num_runs:.1%} / {other[rule] / num_runs:.1%}"
                for (mine, num_runs), (other, _) in zip(same, stored, strict=True)
            ]
            print(f"| {rule} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
