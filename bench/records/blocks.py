"""Raw times of a throughput run, kept beside its result, from which every summary can be computed again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bench.files import canonical_json, digest_of
from bench.records.base import FileRecord, Record
from bench.records.protocol import Precision
from bench.records.throughput import CompileMode, Scenario

__all__ = ["Blocks", "LoadRun", "MachineState", "OrderStatistic", "Replicate", "TimedBlock"]

Count = Annotated[int, Field(ge=0)]


class MachineState(Record):
    """The machine at one moment; what cannot be read is missing, never 0."""

    load_1min: float | None = None
    """Processes that ran or waited, on average over a minute."""
    busy_ticks: Count | None = None
    """Time of all cores that was not idle since the machine started, in ticks of the kernel."""
    steal_ticks: Count | None = None
    """Time that other virtual machines took, in the same ticks."""
    total_ticks: Count | None = None
    """All time of all cores, in the same ticks."""
    pressure_us: Count | None = None
    """How long some process waited for a core, in microseconds since the machine started."""
    core_throttles: Count | None = None
    """How often a core was slowed down because it was hot, all cores together."""
    sm_clock_mhz: Count | None = None
    """Clock of the GPU."""
    temperature_c: int | None = None
    """Temperature of the GPU."""
    power_w: float | None = None
    """Power that the GPU draws."""
    energy_mj: Count | None = None
    """Energy that the GPU drew since its driver was loaded, in millijoules."""
    power_cap_ns: Count | None = None
    """How long the GPU was slowed down by its power limit; normal at large batches."""
    thermal_ns: Count | None = None
    """How long by heat, software and hardware together."""
    power_brake_ns: Count | None = None
    """How long by the hardware's power brake."""
    num_foreign: Count | None = None
    """Compute processes of others on the GPU."""
    device_memory_mib: float | None = None
    """Memory of the GPU that the measured process holds."""


class TimedBlock(Record):
    """One timed burst of steps."""

    num_steps: Annotated[int, Field(gt=0)]
    """How many steps."""
    wall_ns: Annotated[int, Field(gt=0)]
    """All of them, by the host's clock."""
    event_ms: float | None = None
    """All of them, as the device's own events tell."""
    step_ns: float | None = None
    """The median step, where each is timed."""
    step_p95_ns: float | None = None
    """The 95th percentile of the steps, where each is timed."""
    cpu_ns: Count
    """Processor time of the process meanwhile."""
    involuntary_switches: Count = 0
    """How often the process lost its core."""
    invalid: str | None = None
    """Why the block does not count; never because of its value."""


class OrderStatistic(Record):
    """A percentile of many latencies with its 95 % interval: three of the latencies themselves."""

    level: Annotated[float, Field(gt=0, lt=1)]
    """Which percentile, such as 0.99."""
    value_ns: Count
    """The percentile."""
    low_ns: Count
    """Lower end of the interval."""
    high_ns: Count
    """Upper end of the interval."""


class LoadRun(Record):
    """Requests at random times at one rate."""

    load: float
    """The rate as a fraction of what full batches reach."""
    rate_img_s: float
    """The rate."""
    seed: int
    """The seed of the arrivals."""
    num_requests: Count
    """How many requests."""
    percentiles: tuple[OrderStatistic, ...]
    """Of the latencies from when each request was due."""
    seconds: float
    """From the first due request to the last answer."""


class Replicate(Record):
    """What one fresh process gave."""

    first_step_s: float
    """The first step, which pays for compiling, in seconds."""
    warm_s: float
    """How long the warm-up took, in seconds."""
    is_warm: bool
    """Its last two windows agreed to 1 %."""
    blocks: tuple[TimedBlock, ...] = ()
    """The blocks, in order."""
    latencies_ns: tuple[Count, ...] = ()
    """Scenario `latency`: every request, in order."""
    loads: tuple[LoadRun, ...] = ()
    """Scenario `server`: the loads, rising."""
    peak_memory_mib: float | None = None
    """High-water mark since the model was loaded: allocated on a CUDA device, else resident in the process."""
    reserved_memory_mib: float | None = None
    """The same of what the allocator of a CUDA device holds."""
    host_memory_mib: float | None = None
    """The same of the process, where it works on a CUDA device."""
    energy_j: float | None = None
    """Energy of the device over a steady window, in joules."""
    energy_window_s: float | None = None
    """How long the window was, in seconds."""
    energy_images: Count | None = None
    """How many images were answered in it."""
    matmul_tflop_s: float | None = None
    """What a product of two 8192 x 8192 matrices reached on the device in the row's arithmetic."""
    graph_breaks: Count | None = None
    """Where `torch.compile` had to leave the graph."""
    recompiles: Count | None = None
    """How often it compiled again."""
    own_cpu_s: float
    """Processor time that the process took from its start to its end, in seconds."""
    before: MachineState
    """The machine before the process started."""
    after: MachineState
    """And after it ended."""


class Blocks(FileRecord):
    """One row: all its processes, and what else its summary is computed from."""

    scenario: Scenario
    """What was timed."""
    batch_size: Annotated[int, Field(gt=0)]
    """Images a step; for `end-to-end` a block is one step over all files."""
    images_per_step: Annotated[int, Field(gt=0)]
    """Images that a timed step answers."""
    mode: CompileMode
    """How the model was compiled."""
    precision: Precision
    """In which arithmetic."""
    device: str
    """The device's name."""
    num_cores: Annotated[int, Field(gt=0)]
    """Cores of the machine whose times the ticks count."""
    flops_img: Count | None = None
    """Operations an image, two a multiply-add; for `training` forward and backward."""
    num_params: Count | None = None
    """Parameters of the model."""
    target_ms: float | None = None
    """Scenario `server`: what the upper bound of p99 must not exceed."""
    output_gap: float | None = None
    """Largest difference from the evaluation's logits, over the largest logit; missing where the evaluation's own path
    was timed."""
    replicates: Annotated[tuple[Replicate, ...], Field(min_length=1)]
    """The processes, in order."""

    def to_text(self) -> str:
        """The record on one line: thousands of times, which nobody reads one below the other."""
        return canonical_json(self.as_json()) + "\n"

    def sha256(self) -> str:
        """The digest that the result names."""
        return digest_of(self.as_json())
