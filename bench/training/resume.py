"""Whether a training may go on from a checkpoint: what has to be as it was, and what may differ."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.errors import UsageError
from bench.records.base import Record
from bench.records.names import Sha256
from bench.records.protocol import Precision
from bench.training.events import read_events

if TYPE_CHECKING:
    import torch

__all__ = [
    "Lost",
    "Setting",
    "check_same_setting",
    "check_world_size",
    "lost_since",
    "rank_dependencies",
    "what_may_differ",
]


class Setting(Record):
    """What a training consists of; saved in each checkpoint."""

    protocol: str
    """The training protocol."""
    protocol_digest: Sha256
    """Its digest."""
    dataset_digest: Sha256
    """The digest of the training images."""
    trained_from: Sha256
    """The digest of the submission: its manifest, code and weights."""
    teacher: str | None = None
    """The run whose predictions are learned too."""
    attempt: int
    """Which of the attempts, from 1."""
    seed: int
    """Its seed."""
    precision: Precision
    """The arithmetic."""
    accumulate: int
    """Parts of a rank's share of the batch that pass the network one after the other."""
    compiled: bool
    """The network is compiled."""
    deterministic: bool
    """Only deterministic kernels."""
    sharded: bool
    """Weights and optimizer are spread over the ranks."""
    device_type: str
    """cpu, cuda or mps."""
    world_size: int
    """Processes."""
    num_threads: int
    """Threads of torch on the CPU, which may move the last bits."""
    torch: str
    """The version of torch."""
    bench_version: str
    """The version of bench."""


_MUST_BE_EQUAL = {
    "protocol": "the protocol",
    "protocol_digest": "the content of the protocol",
    "dataset_digest": "the training images",
    "trained_from": "the submission (its manifest, code or weights)",
    "teacher": "the teacher's run (--teacher)",
    "attempt": "the attempt (--attempt)",
    "seed": "the seed",
    "precision": "the precision (--precision)",
    "accumulate": "the accumulation (--accumulate)",
    "compiled": "compilation (--compile)",
    "deterministic": "determinism (--deterministic)",
    "sharded": "sharding (--shard)",
    "device_type": "the kind of device (--device)",
}
"""What moves the numbers, and how a person calls it. The number of processes is looked at apart."""
_MAY_DIFFER = {
    "num_threads": "threads of torch",
    "torch": "version of torch",
    "bench_version": "version of bench",
}
"""What may move the last bits."""


def check_same_setting(then: Setting, now: Setting, place: object) -> None:
    """Makes sure that a training goes on as it began.

    Args:
        then: What was saved.
        now: What was asked for.
        place: Where it was saved, for the error.

    Raises:
        UsageError: Names everything that changed.
    """
    changed = _changes(then, now, _MUST_BE_EQUAL)
    if changed:
        raise UsageError(
            f"{place} cannot go on: {'; '.join(changed)}. Resume with what it began with, or train in another --out"
        )


def what_may_differ(then: Setting, now: Setting) -> list[str]:
    """A phrase for each difference that may move the last bits of the weights."""
    return _changes(then, now, _MAY_DIFFER)


def _changes(then: Setting, now: Setting, names: dict[str, str]) -> list[str]:
    changed = []
    for name, words in names.items():
        before, after = getattr(then, name), getattr(now, name)
        if before != after:
            changed.append(f"{words} changed from {_short(before)} to {_short(after)}")
    return changed


def _short(value: object) -> str:
    words = {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    return words[:12] if len(words) == 64 else words


class Lost(NamedTuple):
    """Work after the checkpoint that has to be done again."""

    steps: int
    """As far as the events tell, which are written now and then."""
    seconds: float
    """Of the wall clock."""


def lost_since(events: Path | None, step: int, saved_at: float) -> Lost:
    """What was lost when a training ended after its last checkpoint.

    Args:
        events: Its events, not yet cut; None where another rank has them.
        step: The step of the checkpoint.
        saved_at: When it was made, in seconds since 1970.
    """
    if events is None or not events.is_file():
        return Lost(0, 0.0)
    later = [event for event in read_events(events) if event["time"] > saved_at]
    steps = max((event["step"] for event in later if "step" in event), default=step)
    return Lost(max(0, steps - step), max((event["time"] - saved_at for event in later), default=0.0))


def rank_dependencies(module: torch.nn.Module, *, mixes: bool, synced: bool, drew: bool) -> list[str]:
    """Why a training would not be the same on another number of ranks, beyond the last bits; empty where it would be.

    The global batch fixes images, order, augmentation and schedule on any number of ranks; what is left depends on the
    share of a rank.

    Args:
        module: The network.
        mixes: Images of a batch are mixed, each with another of the same rank.
        synced: Batch statistics are those of all ranks.
        drew: The network drew random numbers.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    reasons = []
    if not synced and any(isinstance(layer, _BatchNorm) for layer in module.modules()):
        reasons.append("batch normalisation takes the statistics of a rank's share of the batch")
    if mixes:
        reasons.append("images are mixed with others of the same rank")
    if drew:
        reasons.append("the network draws random numbers, such as dropout, on each rank")
    return reasons


def check_world_size(then: int, now: int, reasons: Iterable[str]) -> None:
    """Makes sure that another number of ranks gives the same training.

    Raises:
        UsageError: It does not.
    """
    found = list(reasons)
    if then != now and found:
        raise UsageError(
            f"the training began on {then} processes and cannot go on with {now}: {'; '.join(found)}. "
            f"Resume with {then}, or train in another --out"
        )
