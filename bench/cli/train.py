"""`bench train`: from a submission without weights to one with them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import (
    cache_folder_of,
    cache_options,
    data_option,
    device_option,
    json_option,
    note,
    precision_option,
    predictions_option,
    progress_bar,
    protocol_option,
    workers_option,
)
from bench.cli.training_view import show_trained, shown_training

if TYPE_CHECKING:
    from bench.records.protocol import Precision
    from bench.training.options import TrainOptions
    from bench.training.train import Trained

__all__ = ["train"]

_ISOLATIONS = ("none", "process", "sandbox", "auto")


@contextmanager
def _one_sentence_after_an_interrupt() -> Iterator[None]:
    """Ends with 130 after Ctrl-C, which all processes of a training get: one of them says what the user can do."""
    try:
        yield
    except KeyboardInterrupt:
        from bench.training.launch import is_launched

        # Under --processes the launcher says it, when all others have ended, and under torchrun the first rank.
        if not is_launched() and os.environ.get("RANK", "0") == "0":
            note("Interrupted; the same command with --resume goes on with what was saved.")
        raise SystemExit(130) from None


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
@click.option("--resume", is_flag=True, help="Go on with an unfinished training; begin where there is none.")
@click.option(
    "--attempt",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Which attempt at a score; each has a seed of its own, and N > 1 goes to OUT/attempt-N.",
)
@click.option(
    "--round-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the key of a round, from which seeds are drawn.  [default: the public round]",
)
@device_option
@precision_option
@click.option("--compile", "compiled", is_flag=True, help="Compile the network.")
@click.option(
    "--accumulate",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Cut a batch into N parts that pass one after the other, where memory is small.",
)
@click.option("--shard", is_flag=True, help="Spread weights and optimizer over the processes (FSDP).")
@click.option(
    "--deterministic/--no-deterministic",
    default=None,
    help="Take only kernels that repeat bit for bit.  [default: on a CPU]",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Train in N processes on this machine, by torchrun; on GPUs each has one.",
)
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    metavar="STEPS",
    help="Steps between two checkpoints.  [default: an epoch]",
)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    metavar="N",
    help="How many checkpoints to keep.",
)
@click.option(
    "--teacher",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="RESULT",
    help="The result of a run on the training images, for a recipe that learns from a teacher.",
)
@predictions_option
@click.option("--tensorboard", is_flag=True, help="Also write TensorBoard's event files, in training/tensorboard.")
@click.option(
    "--isolation",
    type=click.Choice(_ISOLATIONS),
    default="auto",
    show_default=True,
    help="How the submission's code is kept apart; a training runs in this process (none).",
)
@workers_option
@cache_options
@json_option
@click.pass_context
@_one_sentence_after_an_interrupt()
def train(
    context: click.Context,
    submission: str,
    protocol: str,
    data: Path,
    out: Path,
    resume: bool,
    attempt: int,
    round_key: Path | None,
    device: str,
    precision: Precision | None,
    compiled: bool,
    accumulate: int,
    shard: bool,
    deterministic: bool | None,
    processes: int,
    checkpoint_every: int | None,
    keep: int,
    teacher: Path | None,
    predictions: Path | None,
    tensorboard: bool,
    isolation: str,
    workers: int,
    cache_dir: Path | None,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Train a submission from its initial weights and write it with the weights that it then has.

    The last line on stdout is the trained submission's folder, which `bench evaluate` takes. Where an equal training
    (same protocol, images, submission, attempt and precision, by any version of bench) has left it there already,
    nothing is trained; where another one did, it is kept and named.

    A training that was killed goes on from its last checkpoint with --resume, and ends with the same weights. SIGTERM
    saves first and exits 75, with which schedulers queue it again. Several processes, on one machine or many, are
    started by torchrun or --processes; the recipe's batch is shared among them.

    \b
    Example:
      bench data synth shapes10
      bench train submissions/demo/lenet5 --protocol shapes10-train --data shapes10 --out trained
      bench evaluate trained/demo/lenet5 --protocol shapes10-val --data shapes10
      torchrun --nproc-per-node 8 -m bench train timm:resnet50 --protocol imagenet-train-a3 --data /data --out out
    """
    from bench.errors import BenchError, UsageError

    if isolation not in {"none", "auto"}:
        raise UsageError(f"--isolation {isolation} is not there for training: its code runs in this process (none)")
    if processes > 1:
        _launch(protocol, processes, accumulate)

    from bench.training.waiting import let_threads_sleep

    let_threads_sleep()  # before anything loads torch

    from bench.training.attempts import read_round_key
    from bench.training.distributed import num_ranks_here, rank_in_environment, speaks_alone
    from bench.training.options import TrainOptions

    if context.get_parameter_source("workers") is click.core.ParameterSource.DEFAULT:
        workers = max(1, workers // num_ranks_here())
    options = TrainOptions(
        device=device,
        precision=precision,
        compiled=compiled,
        accumulate=accumulate,
        shard=shard,
        deterministic=deterministic,
        num_threads=workers,
        checkpoint_every=checkpoint_every,
        keep=keep,
        resume=resume,
        attempt=attempt,
        round_key=None if round_key is None else read_round_key(round_key),
        teacher=teacher,
        predictions=predictions,
        tensorboard=tensorboard,
    )
    rank = rank_in_environment()
    try:
        trained = _train(submission, protocol, data, out, options, cache_folder_of(cache_dir, no_cache))
    except BenchError as error:
        if rank > 0 and not speaks_alone(error):
            raise SystemExit(error.exit_code) from error  # the first rank says it
        raise
    if rank == 0:
        show_trained(trained, as_json)


def _launch(protocol: str, processes: int, accumulate: int) -> None:
    """Starts this command in several processes; what is plainly wrong is said once, before."""
    from bench.protocols import load_protocol
    from bench.training.launch import launch
    from bench.training.parallel import check_split
    from bench.training.train import recipe_of

    check_split(recipe_of(load_protocol(protocol)).batch_size, processes, accumulate)
    launch(sys.argv[1:], processes)


def _train(
    submission: str, protocol: str, data: Path, out: Path, options: TrainOptions, cache_folder: Path | None
) -> Trained:
    """Opens what is named, and trains it while one watches."""
    from bench.data.contents import dataset_digest
    from bench.data.dataset import open_dataset
    from bench.models.source import open_submission
    from bench.protocols import load_protocol
    from bench.training.distributed import rank_in_environment
    from bench.training.meanwhile import find_evaluator
    from bench.training.train import recipe_of
    from bench.training.train import train as run

    fixed = load_protocol(protocol)
    recipe_of(fixed)  # another kind of protocol is refused before anything is read
    entry = open_submission(submission)
    dataset = open_dataset(data, fixed.dataset, index_folder=cache_folder)
    on_note = note if rank_in_environment() == 0 else None
    evaluator = find_evaluator(fixed, data, options, cache_folder, on_note=on_note)
    if rank_in_environment() > 0:
        return run(entry, fixed, dataset, out, options, cache_folder=cache_folder, make_evaluator=evaluator, digest="")

    def digest() -> str:
        with progress_bar("Checking the dataset", len(dataset)) as advance:
            return dataset_digest(
                dataset, cache_folder=cache_folder, num_threads=options.num_threads, on_progress=advance
            )

    with shown_training(entry.label, len(dataset)) as (advance, listener):
        return run(
            entry,
            fixed,
            dataset,
            out,
            options,
            digest=digest,
            cache_folder=cache_folder,
            make_evaluator=evaluator,
            listeners=[listener],
            on_progress=advance,
            on_note=note,
        )
