"""A training as one watches it: a live view in a terminal, plain lines elsewhere; both made from the events alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.training.events import Event, Listener

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["Picture", "line_of", "live_view", "rows_of", "seconds_left", "seen"]

_BARS = "\N{LOWER ONE EIGHTH BLOCK}\N{LOWER ONE QUARTER BLOCK}\N{LOWER THREE EIGHTHS BLOCK}\N{LOWER HALF BLOCK}" + (
    "\N{LOWER FIVE EIGHTHS BLOCK}\N{LOWER THREE QUARTERS BLOCK}\N{LOWER SEVEN EIGHTHS BLOCK}\N{FULL BLOCK}"
)
_MOST_LOSSES = 40
_REFRESHES_A_SECOND = 4


@dataclass(frozen=True)
class Picture:
    """What the view shows: a fold over the events."""

    title: str
    epochs: int = 0
    steps: int = 0
    """Optimizer steps of the whole budget."""
    epoch: int = 0
    step: int = 0
    images: int = 0
    loss: float | None = None
    train_top1: float | None = None
    learning_rate: float | None = None
    img_s: float | None = None
    wait_share: float | None = None
    memory_mib: float | None = None
    top1: float | None = None
    top1_epoch: int = 0
    losses: tuple[float, ...] = ()
    """Of the last steps that were told."""
    began: float | None = None
    """When steps began, and at which one."""
    began_step: int = 0
    now: float = 0.0
    note: str = ""
    """The last event that is worth a sentence."""


def seen(picture: Picture, event: Event) -> Picture:
    """The picture after an event."""
    write, change = _NOTES.get(event["kind"]), _CHANGES.get(event["kind"])
    note = None if write is None else write(event)
    picture = replace(picture, now=event["time"], note=note or picture.note)
    return picture if change is None else change(picture, event)


def _started(picture: Picture, event: Event) -> Picture:
    epochs, steps = event.get("epochs") or 0, event.get("steps_per_epoch") or 0
    return replace(picture, epochs=epochs, steps=epochs * steps)


def _moved(picture: Picture, event: Event) -> Picture:
    """How far it is; the clock of the view begins with the first step where nothing said that all was ready."""
    step, images = event.get("step") or picture.step, event.get("images") or picture.images
    picture = replace(picture, epoch=event.get("epoch") or picture.epoch, step=step, images=images)
    return picture if picture.began is not None else replace(picture, began=event["time"], began_step=step)


def _stepped(picture: Picture, event: Event) -> Picture:
    loss = event.get("loss")
    return replace(
        _moved(picture, event),
        loss=loss,
        train_top1=event.get("top1"),
        learning_rate=event.get("learning_rate"),
        img_s=event.get("img_s"),
        wait_share=event.get("wait_share"),
        memory_mib=event.get("memory_mib"),
        losses=picture.losses if loss is None else (*picture.losses, loss)[-_MOST_LOSSES:],
    )


_CHANGES: dict[str, Callable[[Picture, Event], Picture]] = {
    "start": _started,
    "ready": lambda picture, event: replace(picture, began=event["time"]),
    "restart": lambda picture, event: replace(picture, began_step=event.get("step") or 0),
    "step": _stepped,
    "epoch": _moved,
    "evaluate": lambda picture, event: replace(
        picture, top1=_ranked(event).get("top1"), top1_epoch=event.get("epoch") or 0
    ),
}


def seconds_left(picture: Picture) -> float | None:
    """How long the rest of the budget takes if it goes on like this; None before the first steps."""
    done = picture.step - picture.began_step
    if picture.began is None or done <= 0 or not picture.steps:
        return None
    return (picture.now - picture.began) / done * max(0, picture.steps - picture.step)


def rows_of(picture: Picture) -> list[tuple[str, str]]:
    """Labels and values of the view; what is not known is a dash."""
    left = seconds_left(picture)
    evaluated = "-" if picture.top1 is None else f"{100 * picture.top1:.2f} % after epoch {picture.top1_epoch}"
    rate = "-" if picture.learning_rate is None else f"{picture.learning_rate:.3g}"
    loss = "-" if picture.loss is None else f"{picture.loss:.4f}  {spark(picture.losses)}"
    return [
        ("epoch", f"{picture.epoch} of {picture.epochs}, step {picture.step:,} of {picture.steps:,}"),
        ("loss", loss),
        ("top-1, training images", "-" if picture.train_top1 is None else f"{100 * picture.train_top1:.2f} %"),
        ("top-1, evaluated", evaluated),
        ("learning rate", rate),
        ("images a second", "-" if picture.img_s is None else f"{picture.img_s:,.0f}"),
        ("waiting for data", "-" if picture.wait_share is None else f"{100 * picture.wait_share:.1f} % of the time"),
        ("memory", "-" if picture.memory_mib is None else f"{picture.memory_mib:,.0f} MiB"),
        ("time left", "-" if left is None else duration(left)),
    ]


def line_of(event: Event) -> str | None:
    """An event as a line of a log; None for those that would only fill it."""
    write = _LINES.get(event["kind"])
    return None if write is None else write(event)


def duration(seconds: float) -> str:
    """A length of time in its two largest units.

    >>> duration(7384), duration(95), duration(0.4)
    ('2 h 03 min', '1 min 35 s', '0 s')
    """
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600:,} h {whole % 3600 // 60:02} min"
    return f"{whole // 60} min {whole % 60:02} s" if whole >= 60 else f"{whole} s"


def spark(values: tuple[float, ...]) -> str:
    """Values as a row of bars between the smallest and the largest.

    >>> spark((3.0, 1.0)) == _BARS[-1] + _BARS[0]
    True
    """
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = high - low or 1.0
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in values)


def _ranked(event: Event) -> Mapping[str, Any]:
    """What an evaluation found, of the average of the weights where there is one."""
    return event.get("ema_metrics") or event.get("metrics") or {}


def _epoch_line(event: Event) -> str:
    parts = [f"epoch {event['epoch']}", f"loss {_number(event.get('loss'), '.4f')}"]
    if event.get("top1") is not None:
        parts.append(f"top-1 while training {100 * event['top1']:.1f} %")
    if event.get("img_s") is not None:
        parts.append(f"{event['img_s']:,.0f} images/s")
    if event.get("wait_s") is not None and event.get("train_s"):
        parts.append(f"{100 * event['wait_s'] / event['train_s']:.1f} % waiting for data")
    if event.get("memory_mib") is not None:
        parts.append(f"{event['memory_mib']:,.0f} MiB")
    return ", ".join(parts)


def _evaluate_line(event: Event) -> str:
    found = event.get("metrics") or {}
    words = f"evaluated after epoch {event['epoch']}: top-1 {_percent(found)}"
    if event.get("ema_metrics"):
        words += f", of the averaged weights {_percent(event['ema_metrics'])}"
    return f"{words}, in {duration(event['seconds'])}"


def _target_line(event: Event) -> str:
    confirmed = event.get("confirmed")
    return f"target: {100 * event['value']:.2f} %, a second evaluation says {_number(confirmed, '.2%')}"


_LINES: dict[str, Callable[[Event], str | None]] = {
    "ready": lambda event: f"ready after {duration(event['seconds'])}",
    "compile": lambda event: f"compiled in {duration(event['seconds'])}" if event["seconds"] else None,
    "epoch": _epoch_line,
    "evaluate": _evaluate_line,
    "target": _target_line,
    "skip": lambda event: f"left out {event.get('sample')}: {event.get('message')}",
    "restart": lambda event: f"going on from step {event['step']:,}",
    "end": lambda event: f"done after {duration(event.get('train_s') or 0)} of training",
    "failure": lambda event: f"failed: {event.get('message')}",
}


_NOTES = {kind: write for kind, write in _LINES.items() if kind not in ("epoch", "evaluate")}
"""What the view says below its values; epochs and evaluations are among them."""


def _percent(metrics: Mapping[str, Any]) -> str:
    return _number(metrics.get("top1"), ".2%").replace("%", " %")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


@contextmanager
def live_view(title: str, console: Console | None = None) -> Iterator[Listener]:
    """Shows a training while it runs: a view that is drawn anew in a terminal, a line an epoch elsewhere.

    Args:
        title: What is trained.
        console: Where it is shown; None for stderr.

    Yields:
        A listener for `EventLog`.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.markup import escape

    console = console or Console(stderr=True)
    if not console.is_terminal:

        def tell(event: Event) -> None:
            if (line := line_of(event)) is not None:
                console.print(f"{title}: {line}", markup=False, highlight=False, soft_wrap=True)

        yield tell
        return
    picture = Picture(escape(title))
    with Live(console=console, refresh_per_second=_REFRESHES_A_SECOND, transient=True) as live:

        def show(event: Event) -> None:
            nonlocal picture
            picture = seen(picture, event)
            live.update(_drawn(picture))

        yield show


def _drawn(picture: Picture) -> RenderableType:
    """The view for rich."""
    from rich.console import Group
    from rich.markup import escape
    from rich.padding import Padding
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column()
    for label, value in rows_of(picture):
        table.add_row(label, escape(value))
    bar = ProgressBar(total=max(1, picture.steps), completed=picture.step, width=60)
    # A bar alone does not end its line.
    parts: list[RenderableType] = [Text.from_markup(f"[bold]{picture.title}[/bold]"), Padding(bar, 0), table]
    if picture.note:
        parts.append(Text(picture.note, style="dim"))
    return Group(*parts)
