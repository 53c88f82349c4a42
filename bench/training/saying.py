"""What the first and the last events of a training say."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, StoreError
from bench.training.events import EventLog
from bench.training.progress import Progress

if TYPE_CHECKING:
    import torch

__all__ = ["flops_of", "peak_memory_mib", "say_end", "say_failure", "say_ready", "say_start"]


def say_start(log: EventLog, facts: dict[str, Any]) -> None:
    """What is trained, how, on what, with which seed, on which machine.

    Args:
        log: Where events go; only for a log with a file the machine is asked for what it is.
        facts: What is known without asking the machine.
    """
    if log.path is None:
        return
    import torch

    from bench.measure.environment import environment

    kind = facts["device_type"]
    of_machine = environment(kind) | {
        "precision": facts["precision"],
        "compiled": facts["compiled"],
        "num_threads": torch.get_num_threads(),
    }
    device = torch.cuda.get_device_name() if kind == "cuda" else of_machine.get("cpu", kind)
    log.emit("start", **facts, device=device, environment=of_machine)


def say_ready(log: EventLog, progress: Progress) -> None:
    """How long it took until the first step can run."""
    log.emit("ready", seconds=progress.startup_s)
    log.emit("compile", seconds=progress.compile_s)


def say_failure(log: EventLog, error: BenchError, progress: Progress, steps_per_epoch: int) -> None:
    """Why there are no weights."""
    epoch = progress.step // steps_per_epoch + 1
    with contextlib.suppress(StoreError):  # the disk is full, which is perhaps what failed
        log.emit(
            "failure",
            outcome=error.outcome,
            message=str(error),
            epoch=epoch,
            step=progress.step,
            images=progress.images,
            train_s=progress.train_s,
        )


def say_end(log: EventLog, progress: Progress, steps_per_epoch: int, device: str) -> None:
    """The budget is used up, or the target reached."""
    log.emit(
        "end",
        outcome="ok",
        epoch=progress.step // steps_per_epoch,
        step=progress.step,
        images=progress.images,
        train_s=progress.train_s,
        wait_s=progress.wait_s,
        evaluate_s=progress.evaluate_s,
        start_s=progress.startup_s,
        compile_s=progress.compile_s,
        energy_j=progress.energy_j or None,
        peak_memory_mib=peak_memory_mib(device),
        num_skipped=progress.num_skipped,
        num_overflows=progress.num_overflows,
        num_restarts=progress.num_restarts,
        best=progress.best or None,
    )


def flops_of(module: torch.nn.Module, crop: int) -> int | None:
    """Operations of the forward and backward pass of one image; None where they cannot be counted.

    Args:
        module: The network as it was built.
        crop: Side of the image, in pixels.
    """
    from bench.measure.flops import count_flops

    try:
        return count_flops(module, crop, backward=True)
    except Exception:  # the submission's own code may raise anything
        return None


def peak_memory_mib(device: str) -> float:
    """The most memory that a GPU had to give so far, or that this process held where there is none, in MiB."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**20
    from bench.measure.high_water import high_water_mib

    return high_water_mib()
