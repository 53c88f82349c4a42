"""`bench score-training`: from the attempts that `bench train` left to one result in the store."""

from __future__ import annotations

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
    predictions_option,
    print_json,
    print_table,
    progress_bar,
    progress_bars,
    results_option,
    workers_option,
)

if TYPE_CHECKING:
    from bench.records.protocol import Protocol
    from bench.records.result import Cost, Estimate, Result
    from bench.records.training import Attempts
    from bench.training.found import FoundAttempt

__all__ = ["score_training"]


@click.command(short_help="Score the attempts of a training, and keep the result.")
@click.argument("trained", type=click.Path(file_okay=False, path_type=Path), metavar="TRAINED")
@data_option
@click.option(
    "--protocol", metavar="ID", help="The training protocol's id, or its .toml file.  [default: that of the training]"
)
@device_option
@click.option(
    "--round-key",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The key that the round's seeds were drawn with.  [default: the public round]",
)
@workers_option
@cache_options
@results_option
@predictions_option
@json_option
def score_training(
    trained: Path,
    data: Path,
    protocol: str | None,
    device: str,
    round_key: Path | None,
    workers: int,
    cache_dir: Path | None,
    no_cache: bool,
    results: Path,
    predictions: Path | None,
    as_json: bool,
) -> None:
    """Evaluate the weights of every attempt at a training, and keep one result of the training protocol.

    TRAINED is the folder that `bench train` printed, OUT/TEAM/NAME; the attempts in OUT/attempt-2, OUT/attempt-3 and
    so on belong to it. Every attempt counts: a failed one too, and none can be left out. The score is the accuracy
    after the protocol's budget, mean and standard deviation over the attempts, and where the protocol has a target the
    median time to reach it, a miss being infinite.

    \b
    Example:
      for n in 1 2 3; do
        bench train submissions/acme/net --protocol imagenet-train-budget-16 --data /data --out trained --attempt $n
      done
      bench score-training trained/acme/net --data /data
    """
    from bench.training.waiting import let_threads_sleep

    let_threads_sleep()  # before anything loads torch

    from bench.backends.run import RunOptions
    from bench.data.contents import dataset_digest
    from bench.data.dataset import open_dataset
    from bench.store import Store
    from bench.stored import read_attempts
    from bench.training.attempts import read_round_key
    from bench.training.found import check_attempts, find_attempts
    from bench.training.scoring import evaluation_of
    from bench.training.scoring import score_training as run

    found = find_attempts(trained)
    fixed = _protocol_of(found[0], protocol)
    key = None if round_key is None else read_round_key(round_key)
    check_attempts(found, fixed, key)
    store = Store(results, predictions)
    options = RunOptions(device=device, num_threads=workers, cache_folder=cache_folder_of(cache_dir, no_cache))
    dataset = open_dataset(data, evaluation_of(fixed).dataset)
    with progress_bar("Checking the dataset", len(dataset)) as advance:
        digest = dataset_digest(dataset, cache_folder=options.cache_folder, num_threads=workers, on_progress=advance)
    with_weights = [f"attempt {one.number}" for one in found if one.submission is not None]
    note(f"Running the code of {found[0].folder.parent.name}/{found[0].folder.name} (isolation: none).")
    with progress_bars(with_weights, len(dataset)) as advance_one:
        outcome = run(found, fixed, dataset, store, options, digest=digest, round_key=key, on_progress=advance_one)
    attempts = read_attempts(store.get(outcome.result.run))
    for sentence in outcome.result.notes:
        note(f"Note: {sentence}")
    if as_json:
        print_json({"result": outcome.result.as_json(), "attempts": attempts.as_json() if attempts else None})
    elif attempts is not None:
        _print(outcome.result, attempts)
    note(f"{outcome.result.run}: {'from the store' if outcome.reused else outcome.path}")
    if outcome.result.failure is not None:
        note(f"Error: {outcome.result.failure.message}")
        raise click.exceptions.Exit(1)


def _protocol_of(attempt: FoundAttempt, named: str | None) -> Protocol:
    """The protocol that is named, or that of the training, which may have been a file.

    Raises:
        UsageError: Nothing is named, and the training's protocol is not among those that ship.
    """
    from bench.errors import UsageError
    from bench.protocols import load_protocol, protocol_ids

    used = str(attempt.start["protocol"])
    if named is None and used not in protocol_ids():
        raise UsageError(
            f"{attempt.folder} was trained under {used!r}, which does not ship; name its file with --protocol"
        )
    return load_protocol(named or used)


def _print(result: Result, attempts: Attempts) -> None:
    """A row an attempt, and what they come to."""
    has_target = result.training is not None and result.training.num_missed is not None
    headers = ["attempt", "seed", "epochs", "top-1, %", "training, s", "waiting, %", "evaluation, s"]
    headers += ["to target, s"] if has_target else []
    rows = []
    for one in attempts.attempts:
        top1 = one.final.get("top1")
        row = [
            str(one.number),
            str(one.seed),
            str(one.epochs),
            one.outcome if top1 is None else f"{100 * top1.value:.2f}",
            f"{one.train_s:,.1f}",
            "-" if one.wait_s is None or not one.train_s else f"{100 * one.wait_s / one.train_s:.1f}",
            "-" if one.evaluate_s is None else f"{one.evaluate_s:,.1f}",
        ]
        rows.append(
            row + ([("missed" if one.reached is None else f"{one.reached.train_s:,.1f}")] if has_target else [])
        )
    print_table(result.submission.title, headers, rows, right=frozenset(range(len(headers))))
    if (mean := result.metrics.get("top1")) is not None:
        click.echo(f"top-1: {_mean(mean)} %")
    if (median := result.costs.get("time_to_target_s")) is not None:
        click.echo(f"time to target: {_median(median)} s")
    elif has_target:
        click.echo("time to target: infinite, for half of the attempts or more missed it")


def _mean(estimate: Estimate) -> str:
    """A mean with its standard deviation, in percent."""
    sd = "" if estimate.sd is None else f" +- {100 * estimate.sd:.2f} (SD)"
    return f"{100 * estimate.value:.2f}{sd}"


def _median(cost: Cost) -> str:
    """A median with its range."""
    if cost.lowest is None:
        return f"{cost.value:,.1f}"
    return f"{cost.value:,.1f} (median; from {cost.lowest:,.1f} to {cost.highest or float('inf'):,.1f})"
