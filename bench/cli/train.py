"""`bench train`: from a submission without weights to one with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import (
    data_option,
    json_option,
    note,
    print_json,
    progress_bar,
    protocol_option,
    workers_option,
)

if TYPE_CHECKING:
    from bench.training.loop import EpochReport

__all__ = ["train"]


@click.command(short_help="Train a submission under a fixed recipe.")
@click.argument("submission", metavar="SUBMISSION")
@protocol_option
@data_option
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the trained submission goes, as TEAM/NAME below it.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:0, mps or auto.")
@workers_option
@json_option
def train(submission: str, protocol: str, data: Path, out: Path, device: str, workers: int, as_json: bool) -> None:
    """Train a submission from its initial weights and write it with the weights that it then has.

    The last line on stdout is the trained submission's folder, which `bench evaluate` takes. Where an equal training
    (same protocol, images, submission and version of bench) has left it there already, nothing is trained.

    \b
    Example:
      bench data synth shapes10
      bench train submissions/demo/lenet5 --protocol shapes10-train --data shapes10 --out trained
      bench evaluate trained/demo/lenet5 --protocol shapes10-val --data shapes10
    """
    from bench.training.waiting import let_threads_sleep

    let_threads_sleep()  # before anything loads torch

    from bench.data.contents import dataset_digest
    from bench.data.dataset import open_dataset
    from bench.models.source import open_submission
    from bench.protocols import load_protocol
    from bench.training.train import num_images_seen, recipe_of
    from bench.training.train import train as run

    fixed = load_protocol(protocol)
    recipe_of(fixed)  # another kind of protocol is refused before anything is read
    entry = open_submission(submission)
    dataset = open_dataset(data, fixed.dataset)
    with progress_bar("Checking the dataset", len(dataset)) as advance:
        digest = dataset_digest(dataset, cache_folder=None, num_threads=workers, on_progress=advance)
    reports: list[EpochReport] = []
    with progress_bar(f"Training {entry.label}", num_images_seen(fixed, dataset)) as advance:
        trained = run(
            entry,
            fixed,
            dataset,
            out,
            device=device,
            num_threads=workers,
            digest=digest,
            on_progress=advance,
            on_epoch=reports.append,
        )
    if trained.reused:
        note(f"{entry.label}: trained already; remove {trained.folder} to train again.")
    elif reports:
        last = reports[-1]
        note(f"{entry.label}: {last.epoch} epochs, loss {last.loss:.3f}, top-1 while training {100 * last.top1:.1f}%")
    if as_json:
        epochs = [report._asdict() for report in reports]
        print_json({"folder": str(trained.folder), "reused": trained.reused, "epochs": epochs})
    else:
        click.echo(trained.folder)
