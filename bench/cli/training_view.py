"""What `bench train` shows: a bar while images are prepared, the training while it runs, and how it went."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from bench.cli.common import note, print_json, progress_bar
from bench.version import __version__

if TYPE_CHECKING:
    from bench.training.events import Event, Listener
    from bench.training.train import Trained

__all__ = ["show_trained", "shown_training"]


@contextmanager
def shown_training(label: str, num_images: int) -> Iterator[tuple[Callable[[int], None], Listener]]:
    """A progress bar until the first step can run, and the view of the training from then on.

    Args:
        label: The submission.
        num_images: Images that are prepared.

    Yields:
        What takes progress, and what takes events.
    """
    from bench.training.live import live_view

    with ExitStack() as shown:
        bars = shown.enter_context(ExitStack())
        prepared: list[Callable[[int], None]] = []
        views: list[Listener] = []

        def advance(count: int) -> None:
            if not views:
                if not prepared:
                    prepared.append(bars.enter_context(progress_bar("Preparing images", num_images)))
                prepared[0](count)

        def listener(event: Event) -> None:
            if not views:
                bars.close()
                views.append(shown.enter_context(live_view(label)))
            views[0](event)

        yield advance, listener


def show_trained(trained: Trained, as_json: bool) -> None:
    """The folder, and how it went."""
    progress = trained.progress
    if trained.reused:
        by = "" if trained.bench_version == __version__ else f" by bench {trained.bench_version}, this is {__version__}"
        note(f"Trained already{by}; remove {trained.folder} to train again.")
    if as_json:
        went = None
        if progress is not None:
            went = {
                "epochs": progress.epochs,
                "steps": progress.step,
                "images": progress.images,
                "train_s": progress.train_s,
                "wait_s": progress.wait_s,
                "evaluate_s": progress.evaluate_s,
                "start_s": progress.startup_s,
                "compile_s": progress.compile_s,
                "num_overflows": progress.num_overflows,
                "num_skipped": progress.num_skipped,
                "num_restarts": progress.num_restarts,
            }
        print_json({"folder": str(trained.folder), "reused": trained.reused, "training": went})
    else:
        click.echo(trained.folder)
