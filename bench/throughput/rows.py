"""Rows of a protocol on a device, and what a process needs to know to measure one."""

from __future__ import annotations

from typing import NamedTuple

from bench.errors import UsageError
from bench.models.source import LoadedSubmission
from bench.protocols import allowed_precision
from bench.records.base import Record
from bench.records.protocol import DatasetSpec, Precision, Protocol
from bench.records.throughput import CompileMode, MemoryFormat, Scenario, Throughput

__all__ = ["Row", "Setup", "rows_of", "spec_of", "text_of", "throughput_precision"]


class Row(NamedTuple):
    """What one result is about: rows are never averaged."""

    batch_size: int
    mode: CompileMode

    @property
    def words(self) -> str:
        """How messages name it."""
        return f"batch {self.batch_size}, {self.mode}"


class Setup(Record):
    """A row of one submission as its process is told."""

    submission: str
    """The folder, or the short form."""
    cache_folder: str
    """Where downloaded weights are kept."""
    scenario: Scenario
    """What is timed."""
    batch_size: int
    """Images a step."""
    mode: CompileMode
    """How the model is compiled."""
    precision: Precision
    """The arithmetic."""
    memory_format: MemoryFormat
    """How images and weights lie in memory."""
    device: str
    """A torch device."""
    num_threads: int
    """Threads that compute."""
    cores: tuple[int, ...] = ()
    """The cores that the process is bound to; none for all that it may use."""
    dataset: DatasetSpec | None = None
    """Scenario `end-to-end`: which images."""
    data: str = ""
    """Scenario `end-to-end`: the folder of the dataset."""
    num_images: int = 0
    """Scenario `end-to-end`: how many images a pass."""

    @property
    def images_per_step(self) -> int:
        """Images that a timed step answers."""
        return self.num_images if self.scenario == "end-to-end" else self.batch_size


def text_of(submission: LoadedSubmission) -> str:
    """The text by which another process opens the same submission."""
    if submission.folder is not None:
        return str(submission.folder)
    model = submission.manifest.model
    return f"{model.source}:{model.name}" + (f"/{model.weights}" if model.weights else "")


def spec_of(protocol: Protocol) -> Throughput:
    """What a protocol says about speed.

    Raises:
        UsageError: Nothing: it is of another kind.
    """
    if protocol.throughput is None:
        raise UsageError(f"the protocol {protocol.id!r} is of kind {protocol.kind!r}, this needs kind 'throughput'")
    return protocol.throughput


def rows_of(protocol: Protocol, device_type: str, batch_sizes: tuple[int, ...] = ()) -> list[Row]:
    """The rows that a protocol asks for on a kind of device, in its order.

    Args:
        protocol: Of kind `throughput`.
        device_type: `cpu` or `cuda`.
        batch_sizes: Other batch sizes that the user asks for.

    Raises:
        UsageError: The protocol measures no speed, is not for this device, or fixes its batch sizes.
    """
    spec = spec_of(protocol)
    if device_type not in ("cpu", "cuda"):
        raise UsageError(f"speed is measured on cpu and cuda, not on {device_type!r}; use --device cpu")
    fixed: tuple[int, ...] = getattr(spec.batch_sizes, device_type)
    if batch_sizes and set(batch_sizes) != set(fixed) and not spec.other_batch_sizes:
        sizes = ", ".join(str(size) for size in fixed)
        raise UsageError(f"the protocol {protocol.id!r} fixes its batch sizes on {device_type}: {sizes}")
    modes = [mode for mode in spec.modes if mode != "cuda-graph" or device_type == "cuda"]
    return [Row(size, mode) for mode in modes for size in dict.fromkeys(batch_sizes or fixed)]


def throughput_precision(protocol: Protocol, asked: Precision | None) -> Precision:
    """The arithmetic of a run.

    Raises:
        UsageError: The protocol does not allow it.
    """
    spec_of(protocol)
    return allowed_precision(protocol, asked)
