"""How speed is measured: the part of a protocol of kind `throughput`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bench.records.base import Record

__all__ = ["BatchSizes", "CompileMode", "MemoryFormat", "Scenario", "Throughput"]

Scenario = Literal["offline", "latency", "server", "training", "end-to-end"]
CompileMode = Literal["eager", "compiled", "cuda-graph"]
MemoryFormat = Literal["channels_last", "contiguous"]
Positive = Annotated[int, Field(gt=0)]
Sizes = Annotated[tuple[Positive, ...], Field(min_length=1)]


class BatchSizes(Record):
    """Images a step, fixed for each kind of device and never derived from its free memory; a row each."""

    cpu: Sizes
    """On a CPU."""
    cuda: Sizes
    """On a CUDA device."""


class Throughput(Record):
    """What is timed, how often and for how long; `docs/throughput.md` says how."""

    scenario: Scenario
    """`offline`: forward passes on staged inputs; `latency`: one request after the other; `server`: requests at random
    times, counted from when each was due; `training`: whole training steps; `end-to-end`: from JPEG files to logits."""
    batch_sizes: BatchSizes
    """Images a step; in the scenario `server` the most that are answered together."""
    other_batch_sizes: bool = False
    """Whether `--batch-size` may replace them."""
    modes: Annotated[tuple[CompileMode, ...], Field(min_length=1)] = ("eager",)
    """Rows of their own: plain PyTorch, `torch.compile`, and, on CUDA devices only, a captured CUDA graph."""
    memory_format: MemoryFormat = "channels_last"
    """How the numbers of images and weights lie in memory."""
    num_replicates: Positive = 5
    """Fresh processes a row: the variance lies between them, not between steps."""
    num_blocks: Positive = 10
    """Timed bursts a process."""
    block_s: Annotated[float, Field(gt=0)] = 0.5
    """The least length of a block, in seconds."""
    warm_s: Annotated[float, Field(gt=0)] = 3.0
    """The least length of a warm-up, in seconds; it goes on until two windows agree to 1 %, ten times as long at
    most."""
    num_requests: Positive | None = None
    """Requests a process (`latency`), or at least so many at each load (`server`)."""
    loads: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    """Scenario `server`: rates of arrival, as fractions of the images a second that full batches reach."""
    load_s: Annotated[float, Field(gt=0)] | None = None
    """Scenario `server`: the least length of each load, in seconds."""
    target_ms: Annotated[float, Field(gt=0)] | None = None
    """Scenario `server`: what the upper bound of p99 must not exceed, in milliseconds."""
    num_images: Positive | None = None
    """Scenario `end-to-end`: how many files, the first ones in canonical order; a block reads all of them."""
    energy_s: Annotated[float, Field(ge=0)] = 0.0
    """Length of the window in which energy is measured, in seconds, where the device can tell; 0 for none."""

    @model_validator(mode="after")
    def _keys_fit_the_scenario(self) -> Self:
        needs = {
            "latency": {"num_requests"},
            "server": {"num_requests", "loads", "load_s", "target_ms"},
            "end-to-end": {"num_images"},
        }.get(self.scenario, set())
        for key in ("num_requests", "loads", "load_s", "target_ms", "num_images"):
            if (key in needs) != bool(getattr(self, key)):
                raise ValueError(f"the scenario {self.scenario!r} {'needs' if key in needs else 'has no'} {key}")
        if self.scenario in ("training", "end-to-end") and "cuda-graph" in self.modes:
            raise ValueError(f"the scenario {self.scenario!r} has no mode 'cuda-graph'")
        if self.scenario == "latency" and {*self.batch_sizes.cpu, *self.batch_sizes.cuda} != {1}:
            raise ValueError("the scenario 'latency' has batch size 1")
        if list(self.loads) != sorted(set(self.loads)):
            raise ValueError("loads must rise")
        return self
