"""A submission in the process that measures it: everything that is asked of it, one method each.

The worker of the gate makes it and calls its methods; all answers are plain JSON. Memory that does not suffice is an
answer too (`oom`), not an error.

Shape letters: N images, H and W pixels, C outputs.
"""

from __future__ import annotations

import functools
import gc
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import cycle
from typing import Any, ParamSpec

from bench.measure.arrivals import arrival_times, serve
from bench.measure.high_water import forget_high_water, high_water_mib
from bench.measure.latency import order_statistics
from bench.records.result import Scalar
from bench.throughput.checking import Made, compared
from bench.throughput.forwards import captured, file_pass
from bench.throughput.loops import back_to_back, request_latencies, step_by_step, warm_up
from bench.throughput.rows import Setup

__all__ = ["Timed"]

_WARM_STEPS, _WARM_PASSES = 10, 2
_MATMUL_SIDE = 8192

P = ParamSpec("P")


def _or_out_of_memory(method: Callable[P, dict[str, Any]]) -> Callable[P, dict[str, Any]]:
    @functools.wraps(method)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        try:
            return method(*args, **kwargs)
        except Exception as error:  # the submission's own code may raise anything
            from bench.backends.memory import is_out_of_memory

            cause = error.__cause__ or error  # the evaluation's own path wraps what torch raised
            if is_out_of_memory(cause):
                return {"oom": str(cause).partition("\n")[0]}
            raise

    return wrapped


class Timed:
    """One row of one submission; the cores are bound before torch is imported.

    Args:
        setup: A `Setup` as JSON.
    """

    def __init__(self, setup: dict[str, Any]) -> None:
        self.setup = Setup.parse(setup)
        if self.setup.cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, self.setup.cores)
        import torch

        torch.set_num_threads(self.setup.num_threads)
        torch.set_num_interop_threads(1)
        self._held = ExitStack()
        self._is_cuda = self.setup.device.startswith("cuda")
        if self._is_cuda:
            torch.cuda.set_device(torch.device(self.setup.device).index or 0)  # it takes no plain "cuda"

    def __call__(self) -> None:
        """One step, as the worker knows it."""
        self._step()

    def facts(self) -> dict[str, Any]:
        """The fields of the fingerprint as this row finds them, the whole environment, and the device's names."""
        import torch

        from bench.backends.arithmetic import arithmetic
        from bench.measure.environment import environment
        from bench.measure.fingerprint import gpu_uuid, machine_fields, software_fields

        setup = self.setup
        settings: dict[str, Scalar] = {"precision": setup.precision, "memory_format": setup.memory_format}
        with arithmetic(setup.precision):
            software = software_fields(settings)
        plain = environment("cuda" if self._is_cuda else "cpu")
        name = torch.cuda.get_device_name(setup.device) if self._is_cuda else str(plain.get("cpu", "CPU"))
        return {
            "environment": plain,
            "machine": machine_fields(setup.device, num_threads=setup.num_threads),
            "software": software,
            "device": name,
            "uuid": gpu_uuid(setup.device) if self._is_cuda else None,
        }

    @_or_out_of_memory
    def check(self, num_images: int) -> dict[str, Any]:
        """Compares what is timed with the evaluation on so many images; see `compared`."""

        def made() -> Made:
            self.load()
            return Made(self._ready.module, self._answer)

        return compared(self.setup, num_images, made)

    @_or_out_of_memory
    def load(self) -> dict[str, Any]:
        """Loads the model, stages inputs, and makes the step; high-water marks of memory count from here."""
        import torch

        from bench.backends.steps import NUM_STAGED, ready_model, staged_inputs, training_step

        setup = self.setup
        if setup.scenario == "end-to-end":
            self._step = file_pass(setup, self._held)
        else:
            self._ready = ready_model(
                setup.submission,
                setup.cache_folder,
                setup.precision,
                setup.device,
                memory_format=setup.memory_format,
            )
            self._held.enter_context(self._ready.held)
            staged = staged_inputs(
                NUM_STAGED, setup.batch_size, self._ready.img_size, setup.device, setup.memory_format
            )
            self._staged, self._inputs = staged, cycle(staged)
            self._answer = self._forward()
            if setup.scenario == "training":
                self._training = functools.partial(
                    training_step, self._ready, staged, compiled=setup.mode == "compiled"
                )
                self._step = self._first_training_step
            else:
                self._held.enter_context(torch.inference_mode())
                self._step = self._next_answer
        self._forget_high_water()
        return {}

    def _forward(self) -> Callable[[Any], Any]:
        """From inputs on the device to logits on the device, in the row's mode."""
        import torch

        ready, mode = self._ready, self.setup.mode
        model = torch.compile(ready.module) if mode == "compiled" else ready.module

        def forward(inputs_NCHW: Any) -> Any:
            with ready.autocast():
                return model(inputs_NCHW)

        return forward if mode != "cuda-graph" else captured(forward, self._staged[0])

    def _next_answer(self) -> None:
        self._answer(next(self._inputs))

    def _first_training_step(self) -> None:
        """The model becomes one in training with its first step, not before it was checked."""
        self._step = self._training()
        self._step()

    @_or_out_of_memory
    def first(self) -> dict[str, Any]:
        """The first step, which pays for compiling, for choosing kernels, and for memory."""
        start = time.perf_counter()
        self._step()
        self._synchronize()
        seconds = time.perf_counter() - start
        if self.setup.mode == "compiled":
            self._num_graphs = _dynamo_count("stats", "unique_graphs")
        return {"seconds": seconds}

    @_or_out_of_memory
    def warm(self, warm_s: float) -> dict[str, Any]:
        """Runs the step until it is steady."""
        least = _WARM_PASSES if self.setup.scenario == "end-to-end" else _WARM_STEPS
        return warm_up(self._step, self._synchronize, warm_s=warm_s, least_steps=least)

    @_or_out_of_memory
    def block(self, num_steps: int) -> dict[str, Any]:
        """Times a block of steps."""
        is_pass = self.setup.scenario == "end-to-end"
        if not self._is_cuda or is_pass:
            return step_by_step(self._step, self._synchronize, num_steps, num_untimed=0 if is_pass else 2)
        training = self.setup.scenario == "training"
        return back_to_back(self._step, self._synchronize, num_steps, event=self._event, each=training)

    def _event(self) -> Any:
        import torch

        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    @_or_out_of_memory
    def requests(self, num_requests: int) -> dict[str, Any]:
        """One request after the other."""
        return {"latencies_ns": request_latencies(self._step, self._synchronize, num_requests)}

    @_or_out_of_memory
    def serve(self, rate_img_s: float, num_requests: int, seed: int) -> dict[str, Any]:
        """Requests at random times; as many as wait are answered together.

        Compiled models and graphs have one shape of inputs, so they always compute a full batch.
        """
        full = self.setup.mode != "eager"

        def answer(num: int) -> None:
            inputs_NCHW = next(self._inputs)
            self._answer(inputs_NCHW if full else inputs_NCHW[:num])
            self._synchronize()

        start = time.perf_counter()
        due = arrival_times(rate_img_s, num_requests, seed=seed)
        latencies = serve(due, answer, batch_size=self.setup.batch_size)
        return {
            "seconds": time.perf_counter() - start,
            "percentiles": [item.as_json() for item in order_statistics(latencies)],
        }

    @_or_out_of_memory
    def spin(self, seconds: float) -> dict[str, Any]:
        """Steps for a while, for what is read from outside meanwhile; tells how many images and how long."""
        start, num_steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            for _ in range(10):
                self._step()
            self._synchronize()
            num_steps += 10
        return {"images": num_steps * self.setup.images_per_step, "seconds": time.perf_counter() - start}

    def costs(self) -> dict[str, Any]:
        """High-water marks of memory, in MiB, processor time, and what was compiled."""
        import torch

        host = high_water_mib()
        found: dict[str, Any] = {"own_cpu_s": sum(os.times()[:4]), "peak_memory_mib": host}
        if self._is_cuda:
            found |= {
                "host_memory_mib": host,
                "peak_memory_mib": torch.cuda.max_memory_allocated(self.setup.device) / 2**20,
                "reserved_memory_mib": torch.cuda.max_memory_reserved(self.setup.device) / 2**20,
            }
        if self.setup.mode == "compiled":
            found["graph_breaks"] = _dynamo_count("graph_break", None)
            found["recompiles"] = max(0, _dynamo_count("stats", "unique_graphs") - self._num_graphs)
        return found

    @_or_out_of_memory
    def matmul(self) -> dict[str, Any]:
        """What a product of two large matrices reaches on the device, in 10^12 operations a second."""
        import torch

        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.setup.precision, torch.float32)
        side = _MATMUL_SIDE
        one, other = (torch.randn(side, side, device=self.setup.device, dtype=dtype) for _ in range(2))
        block = back_to_back(lambda: torch.matmul(one, other), self._synchronize, 20, event=self._event, each=False)
        return {"matmul_tflop_s": 20 * 2 * side**3 / (block["event_ms"] * 1e9)}

    def _synchronize(self) -> None:
        if self._is_cuda:
            import torch

            torch.cuda.synchronize(self.setup.device)

    def _forget_high_water(self) -> None:
        gc.collect()
        if self._is_cuda:
            import torch

            torch.cuda.synchronize(self.setup.device)
            torch.cuda.reset_peak_memory_stats(self.setup.device)
        forget_high_water()


def _dynamo_count(group: str, name: str | None) -> int:
    """A counter of the compiler, or the sum of a group of them."""
    from torch._dynamo.utils import counters

    found = counters[group]
    return int(found[name] if name is not None else sum(found.values()))
