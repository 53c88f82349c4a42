"""A training's events as TensorBoard reads them; only where the extra `train` is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import UsageError
from bench.training.events import Event, Listener

__all__ = ["scalars_of", "tensorboard_listener"]

_OF_STEPS = {
    "loss": "training/loss",
    "top1": "training/top1",
    "learning_rate": "training/learning_rate",
    "img_s": "speed/images_per_second",
    "wait_share": "speed/share_of_time_waiting_for_data",
    "memory_mib": "speed/memory_mib",
}


def scalars_of(event: Event) -> dict[str, float]:
    """What TensorBoard draws of an event: from tag to value; rates are fractions."""
    if event["kind"] == "step":
        found = {tag: event.get(name) for name, tag in _OF_STEPS.items()}
    elif event["kind"] == "evaluate":
        found = {f"evaluation/{name}": value for name, value in (event.get("metrics") or {}).items()}
        found |= {f"evaluation/{name}_of_average": value for name, value in (event.get("ema_metrics") or {}).items()}
        found["evaluation/seconds"] = event.get("seconds")
    else:
        found = {}
    return {tag: float(value) for tag, value in found.items() if value is not None}


@contextmanager
def tensorboard_listener(folder: Path, *, resumed_at: int | None = None) -> Iterator[Listener]:
    """Writes TensorBoard's event files.

    Args:
        folder: Where they go; `tensorboard --logdir` reads it.
        resumed_at: The step that an interrupted run goes on from: what was drawn beyond it is hidden.

    Yields:
        A listener for `EventLog`.

    Raises:
        UsageError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            "TensorBoard is not installed: `pip install ilsvrc-bench[train]`; without it all curves are in "
            "training/events.jsonl too"
        ) from error
    writer = SummaryWriter(str(folder), purge_step=resumed_at)

    def write(event: Event) -> None:
        for tag, value in scalars_of(event).items():
            writer.add_scalar(tag, value, event["step"], walltime=event["time"])

    try:
        yield write
    finally:
        writer.close()
