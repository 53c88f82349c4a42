"""From raw times to the costs of a result, and what a reader must know; the same blocks always give the same costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, median, stdev
from typing import NamedTuple

from bench.measure.latency import LEVELS, least_requests, order_statistics
from bench.measure.machine_state import complaints
from bench.measure.peaks import peak_of
from bench.records.blocks import Blocks, OrderStatistic, Replicate, TimedBlock
from bench.records.result import Cost

__all__ = ["Estimated", "between_processes", "block_rate", "costs_of", "notes_of"]

_THROUGHPUT = {
    "offline": "throughput_img_s",
    "training": "train_throughput_img_s",
    "end-to-end": "end_to_end_img_s",
}
_LAUNCH_BOUND = 1.05


_OF_THE_MODEL = ("GFLOP", "GMAC", "parameters", "count")
"""Units of what does not depend on a device."""


class Estimated(NamedTuple):
    """A value over processes with its 95 % interval, which is missing for one process."""

    value: float
    low: float | None
    high: float | None


Line = tuple[str, str, Estimated | None]
"""A cost: its name, its unit, and its value where there is one."""


def between_processes(values: Sequence[float]) -> Estimated:
    """Exp of the median over processes of ln value, and the t interval of the mean of ln value.

    With y_p = ln value of process p and P processes: exp(mean(y) -+ t(.975, P - 1) s / sqrt(P)), widened where the
    median lies outside it. One process has no interval: steps of one process say nothing of another one.

    Args:
        values: One positive number a process.

    >>> between_processes([100.0])
    Estimated(value=100.0, low=None, high=None)
    """
    if len(values) == 1:
        return Estimated(values[0], None, None)
    from scipy.stats import t

    logs = [math.log(value) for value in values]
    value = math.exp(median(logs))
    half = float(t.ppf(0.975, len(logs) - 1)) * stdev(logs) / math.sqrt(len(logs))
    low, high = math.exp(fmean(logs) - half), math.exp(fmean(logs) + half)
    return Estimated(value, min(low, value), max(high, value))


def block_rate(block: TimedBlock, images_per_step: int) -> float:
    """Images a second of a block: of its median step on a CPU, of all steps by the host's clock on a CUDA device."""
    if block.event_ms is None and block.step_ns is not None:
        return images_per_step / block.step_ns * 1e9
    return images_per_step * block.num_steps / block.wall_ns * 1e9


def counted(replicate: Replicate) -> list[TimedBlock]:
    """The blocks that count; all of them where none does, which the notes say."""
    return [block for block in replicate.blocks if block.invalid is None] or list(replicate.blocks)


def costs_of(blocks: Blocks) -> dict[str, Cost]:
    """Everything that a row costs; what was not measured, or not often enough, is not there."""
    costs: dict[str, Cost] = {}
    for part in (_speeds, _waits, _machine, _compiling, _definition):
        for name, unit, found in part(blocks):
            if found is not None:
                device = blocks.device if unit not in _OF_THE_MODEL else None
                costs[name] = Cost(value=found.value, ci_low=found.low, ci_high=found.high, unit=unit, device=device)
    return costs


def _speeds(blocks: Blocks) -> Iterator[Line]:
    """Images a second, and the share of what the device could do."""
    if (name := _THROUGHPUT.get(blocks.scenario)) is None:
        return
    every = [counted(replicate) for replicate in blocks.replicates]
    rate = between_processes([median(block_rate(block, blocks.images_per_step) for block in found) for found in every])
    yield name, "img/s", rate
    yield "mfu", "fraction", _scaled(rate, _utilisation_of_one(blocks))
    yield "matmul_utilisation", "fraction", _scaled(rate, _matmul_share_of_one(blocks))
    if blocks.scenario == "training":
        for field, label in (("step_ns", "p50"), ("step_p95_ns", "p95")):
            steps = [[getattr(block, field) for block in found] for found in every]
            if all(value is not None for values in steps for value in values):
                yield f"step_{label}_ms", "ms", between_processes([median(values) / 1e6 for values in steps])


def _waits(blocks: Blocks) -> Iterator[Line]:
    """Latencies of single requests, and the rate at which they stay within a target."""
    if blocks.scenario == "latency":
        for level, found in _latencies(blocks.replicates).items():
            yield f"latency_p{round(100 * level)}_ms", "ms", found
    if blocks.scenario == "server" and (best := _best_load(blocks)) is not None:
        rates = [replicate.loads[best].rate_img_s for replicate in blocks.replicates]
        yield "server_rate_img_s", "img/s", between_processes(rates)
        yield "server_p99_ms", "ms", _hull([_p99(replicate, best) for replicate in blocks.replicates])


def _machine(blocks: Blocks) -> Iterator[Line]:
    """Memory and energy."""
    for name in ("peak_memory_mib", "reserved_memory_mib", "host_memory_mib"):
        yield name, "MiB", _largest(blocks.replicates, name)
    yield "energy_j_img", "J/img", _energy(blocks.replicates)
    yield "power_w", "W", _power(blocks.replicates)


def _compiling(blocks: Blocks) -> Iterator[Line]:
    """The first step with an empty cache and with a full one, and what the compiler had to give up."""
    if blocks.mode != "compiled":
        return
    first, *others = [replicate.first_step_s for replicate in blocks.replicates]
    yield "compile_cold_s", "s", Estimated(first, None, None)
    yield "compile_warm_s", "s", Estimated(median(others), None, None) if others else None
    for name in ("graph_breaks", "recompiles"):
        yield name, "count", _largest(blocks.replicates, name)


def _definition(blocks: Blocks) -> Iterator[Line]:
    """What does not depend on the machine."""
    if blocks.flops_img is not None:
        yield "gflops", "GFLOP", Estimated(blocks.flops_img / 1e9, None, None)
        if blocks.scenario != "training":
            yield "gmacs", "GMAC", Estimated(blocks.flops_img / 2e9, None, None)
    if blocks.num_params is not None:
        yield "num_params", "parameters", Estimated(blocks.num_params, None, None)


def _largest(replicates: Sequence[Replicate], name: str) -> Estimated | None:
    values = [value for replicate in replicates if (value := getattr(replicate, name)) is not None]
    return Estimated(max(values), None, None) if values else None


def _utilisation_of_one(blocks: Blocks) -> float | None:
    """The share of the device's dense peak that one image a second uses."""
    peak = peak_of(blocks.device, blocks.precision)
    return None if peak is None or blocks.flops_img is None else blocks.flops_img / (peak * 1e12)


def _matmul_share_of_one(blocks: Blocks) -> float | None:
    """The same of what a large matrix product reached on it."""
    reached = next((item.matmul_tflop_s for item in blocks.replicates if item.matmul_tflop_s), None)
    return None if reached is None or blocks.flops_img is None else blocks.flops_img / (reached * 1e12)


def _scaled(found: Estimated, factor: float | None) -> Estimated | None:
    if factor is None:
        return None
    return Estimated(found.value * factor, *(None if end is None else end * factor for end in (found.low, found.high)))


def _latencies(replicates: Sequence[Replicate]) -> dict[float, Estimated]:
    """Percentiles for which every process has requests enough."""
    found: dict[float, list[OrderStatistic]] = {}
    for replicate in replicates:
        for item in order_statistics(replicate.latencies_ns):
            found.setdefault(item.level, []).append(item)
    return {level: _hull(items) for level, items in found.items() if len(items) == len(replicates)}


def _hull(items: Sequence[OrderStatistic]) -> Estimated:
    """The median over processes, and an interval that holds those of all processes; in milliseconds."""
    middle = math.exp(median(math.log(max(1, item.value_ns)) for item in items))
    low, high = min(item.low_ns for item in items), max(item.high_ns for item in items)
    return Estimated(middle / 1e6, low / 1e6, high / 1e6)


def _p99(replicate: Replicate, place: int) -> OrderStatistic:
    return next(item for item in replicate.loads[place].percentiles if item.level == 0.99)


def _best_load(blocks: Blocks) -> int | None:
    """The place of the largest load at which, as at all lower ones, every process stays within the target."""
    best = None
    for place in range(min(len(replicate.loads) for replicate in blocks.replicates)):
        for replicate in blocks.replicates:
            p99 = next((item for item in replicate.loads[place].percentiles if item.level == 0.99), None)
            if p99 is None or p99.high_ns > (blocks.target_ms or 0) * 1e6:
                return best
        best = place
    return best


def _energy(replicates: Sequence[Replicate]) -> Estimated | None:
    values = [item.energy_j / item.energy_images for item in replicates if item.energy_j and item.energy_images]
    return between_processes(values) if values else None


def _power(replicates: Sequence[Replicate]) -> Estimated | None:
    values = [item.energy_j / item.energy_window_s for item in replicates if item.energy_j and item.energy_window_s]
    return between_processes(values) if values else None


def notes_of(blocks: Blocks) -> tuple[str, ...]:
    """What a reader must know: a machine that was shared or throttled, and processes that never became steady."""
    replicates, said = blocks.replicates, list[str]()
    if unsteady := sum(not replicate.is_warm for replicate in replicates):
        said.append(f"{unsteady} of {len(replicates)} processes were not steady when the warm-up ended.")
    every = [block for replicate in replicates for block in replicate.blocks]
    if invalid := [block for block in every if block.invalid is not None]:
        reasons = ", ".join(sorted({str(block.invalid) for block in invalid}))
        said.append(f"{len(invalid)} of {len(every)} blocks do not count: {reasons}.")
        if any(all(block.invalid for block in replicate.blocks) for replicate in replicates):
            said.append("In some process no block counts; its times are used all the same, and are not to be trusted.")
    events = [(block.wall_ns, block.event_ms) for block in every if block.event_ms]
    if events and median(wall / 1e6 / event for wall, event in events) > _LAUNCH_BOUND:
        said.append("Launch-bound: the device waits for the host for more than 5 % of the time.")
    if blocks.scenario == "server" and _best_load(blocks) is None:
        said.append(f"At no load the upper bound of p99 stays within {blocks.target_ms:g} ms.")
    if blocks.scenario == "latency":
        num = min(len(replicate.latencies_ns) for replicate in replicates)
        missing = [f"p{round(100 * level)}" for level in LEVELS if num < least_requests(max(level, 1 - level))]
        if missing:
            said.append(f"{num:,} requests a process are too few for {', '.join(missing)}: n/a.")
    states = [(replicate.before, replicate.after) for replicate in replicates]
    own_cpu_s = sum(replicate.own_cpu_s for replicate in replicates)
    said += complaints(states, own_cpu_s=own_cpu_s, num_cores=blocks.num_cores)
    return tuple(said)
