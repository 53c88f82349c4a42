"""How a training is run on a machine: nothing of it may bend the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageError
from bench.records.protocol import Precision, Protocol

__all__ = ["TrainOptions", "chosen_precision"]


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What the user of `bench train` decides."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:0` or `mps`; with several ranks each takes the GPU of its number."""
    precision: Precision | None = None
    """The arithmetic, of those that the protocol allows; None for its default."""
    compiled: bool = False
    """Compile the network."""
    accumulate: int = 1
    """Parts of a rank's share of the batch that pass the network one after the other."""
    shard: bool = False
    """Spread weights and optimizer over the ranks (FSDP2)."""
    deterministic: bool | None = None
    """Only deterministic kernels; None for so on a CPU, and the fastest on a GPU."""
    num_threads: int = 1
    """Threads that decode and augment images, on each rank."""
    checkpoint_every: int | None = None
    """Steps between two checkpoints; None for at the end of each epoch alone."""
    keep: int = 2
    """How many checkpoints are kept."""
    resume: bool = False
    """Go on from the last checkpoint, where there is one."""
    attempt: int = 1
    """Which of the attempts that make a score."""
    teacher: Path | None = None
    """The result of the run whose predictions a recipe with a teacher learns from."""
    predictions: Path | None = None
    """The folder of those predictions; None for the one beside the teacher's results."""
    tensorboard: bool = False
    """Write TensorBoard's event files beside the events."""
    round_key: bytes | None = None
    """The key of a round, from which the seed is drawn; None for the public round."""


def chosen_precision(protocol: Protocol, wanted: Precision | None) -> Precision:
    """The arithmetic of a training.

    Raises:
        UsageError: The protocol does not allow it.
    """
    allowed: tuple[Precision, ...] = ("fp32",) if protocol.precision is None else protocol.precision.allowed
    default: Precision = "fp32" if protocol.precision is None else protocol.precision.default
    if wanted is not None and wanted not in allowed:
        raise UsageError(f"the protocol {protocol.id!r} trains in {', '.join(allowed)}; it does not allow {wanted}")
    return wanted or default
