"""`bench evaluate`: from submissions to results in the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import (
    cache_folder_of,
    cache_options,
    data_option,
    device_option,
    isolation_option,
    json_option,
    note,
    precision_option,
    predictions_option,
    print_json,
    print_table,
    progress_bar,
    progress_bars,
    protocol_option,
    results_option,
    show_estimate,
    workers_option,
)
from bench.cli.opening import open_submissions, say_trust

if TYPE_CHECKING:
    from bench.backends.isolation import Isolation
    from bench.data.dataset import Dataset
    from bench.errors import BenchError
    from bench.plan import Outcome
    from bench.records.protocol import Precision, Protocol

__all__ = ["evaluate"]


@click.command(short_help="Evaluate submissions under a protocol.")
@click.argument("submissions", nargs=-1, required=True, metavar="SUBMISSION...")
@protocol_option
@data_option
@click.option("--split", help="The split to evaluate on; must be the protocol's.")
@click.option("--allow-partial", is_flag=True, help="Evaluate what is there of an incomplete split; never ranked.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Evaluate only the first N images; never ranked."
)
@device_option
@click.option("--devices", metavar="I,J,...", help="Share the images among these CUDA devices, such as 0,1.")
@precision_option
@click.option(
    "--batch-size", type=click.IntRange(min=1), metavar="N", help="Images a batch.  [default: 32, cuda 256, mps 64]"
)
@click.option("--compile", "compiled", is_flag=True, help="Run models through torch.compile.")
@isolation_option
@click.option(
    "--audit/--no-audit",
    default=None,
    help="Put the audits' questions to models among the scored batches.  [default: with --verified]",
)
@click.option(
    "--verified",
    is_flag=True,
    help="A maintainer's run: results become verified, or the command says what they lack.",
)
@workers_option
@cache_options
@results_option
@predictions_option
@click.option("--rerun", is_flag=True, help="Measure again, even where an equal run is in the store.")
@json_option
def evaluate(
    submissions: tuple[str, ...],
    protocol: str,
    data: Path,
    split: str | None,
    allow_partial: bool,
    limit: int | None,
    device: str,
    devices: str | None,
    precision: Precision | None,
    batch_size: int | None,
    compiled: bool,
    isolation: Isolation,
    audit: bool | None,
    verified: bool,
    workers: int,
    cache_dir: Path | None,
    no_cache: bool,
    results: Path,
    predictions: Path | None,
    rerun: bool,
    as_json: bool,
) -> None:
    """Evaluate submissions under a protocol and keep the results.

    A SUBMISSION is a folder with a submission.toml, timm:NAME or torchvision:NAME/WEIGHTS. An equal run that is in
    the store is shown and not repeated. Submissions with equal input share the decoded images. When one fails, the
    others are still evaluated, and the exit code is 1.

    A maintainer re-runs submissions with --verified, which needs a sandbox with all its limits and audits that pass
    (docs/verification.md), and signs the results with `bench attest`.

    \b
    Examples:
      bench evaluate submissions/acme/vit --protocol imagenet-val-closed --data /data/imagenet
      bench evaluate timm:resnet50.a1_in1k torchvision:resnet50/IMAGENET1K_V2 \\
          --protocol imagenet-val-open --data /data/imagenet --device cuda --precision bf16
      bench evaluate submissions/acme/vit --protocol imagenet-val-open --data sample --allow-partial --json
      bench evaluate submissions/acme/vit --protocol imagenet-val-closed --data /data/imagenet --verified
    """
    from bench.backends.device import guess_device
    from bench.backends.run import RunOptions
    from bench.data.contents import dataset_digest
    from bench.data.dataset import open_dataset
    from bench.errors import BenchError, UsageError
    from bench.evaluate import check_can_verify, evaluate_all, precision_of
    from bench.protocols import load_protocol
    from bench.store import Store

    fixed = load_protocol(protocol)
    if fixed.hidden:
        raise UsageError(f"the labels of {fixed.id!r} are hidden: its challenge evaluates what `bench submit` packs")
    if split is not None and split != fixed.dataset.split:
        raise UsageError(f"the protocol {fixed.id!r} is about the split {fixed.dataset.split!r}, not {split!r}")
    options = RunOptions(
        device=_device(device, devices),
        precision=precision,
        batch_size=batch_size,
        num_threads=workers,
        cache_folder=cache_folder_of(cache_dir, no_cache),
        compiled=compiled,
        isolation=isolation,
        audit=verified if audit is None else audit,
    )
    # What needs no look at the data comes first: hashing ImageNet takes minutes.
    precision_of(fixed, options)
    if verified:
        check_can_verify(options)
    guess_device(options.device.partition(",")[0])
    entries, errors = open_submissions(submissions)
    if not entries:
        _end(errors, [], as_json=as_json)
        return
    dataset = open_dataset(data, fixed.dataset, allow_partial=allow_partial, limit=limit)
    with progress_bar("Checking the dataset", len(dataset)) as advance:
        digest = dataset_digest(dataset, cache_folder=options.cache_folder, num_threads=workers, on_progress=advance)
    _say_partial(dataset, fixed)
    say_trust(entries, isolation)
    with progress_bars([entry.label for entry in entries], len(dataset)) as advance_one:
        outcomes = evaluate_all(
            entries,
            fixed,
            dataset,
            Store(results, predictions),
            options,
            digest=digest,
            rerun=rerun,
            verified=verified,
            on_progress=advance_one,
            on_note=note,
        )
    errors += [
        (entry.label, item) for entry, item in zip(entries, outcomes, strict=True) if isinstance(item, BenchError)
    ]
    _end(errors, [item for item in outcomes if not isinstance(item, BenchError)], as_json=as_json)


def _end(errors: list[tuple[str, BenchError]], outcomes: list[Outcome], *, as_json: bool) -> None:
    """Prints what there is and says what failed; an only failure is raised as it is."""
    if len(errors) == 1 and not outcomes:
        raise errors[0][1]
    for name, error in errors:
        note(f"Error: {name}: {error}")
    _print(outcomes, as_json=as_json)
    if errors:
        raise click.exceptions.Exit(1)


def _device(device: str, devices: str | None) -> str:
    """The devices as `RunOptions` names them: `--devices 0,1` are `cuda:0,cuda:1`."""
    from bench.errors import UsageError

    if devices is None:
        return device
    names = [f"cuda:{name}" if name.isdigit() else name for name in devices.split(",")]
    if device != "auto":
        raise UsageError(f"give --device or --devices, not both: {device!r} and {devices!r}")
    return ",".join(names)


def _say_partial(dataset: Dataset, protocol: Protocol) -> None:
    if not dataset.complete:
        wanted = protocol.dataset.num_samples
        note(f"Partial: {len(dataset):,} of the {wanted:,} images of {protocol.id}; the result will not be ranked.")


def _print(outcomes: list[Outcome], *, as_json: bool) -> None:
    for outcome in outcomes:
        for sentence in outcome.result.notes:
            note(f"Note: {outcome.result.entry}: {sentence}")
    if as_json:
        print_json([outcome.result.as_json() for outcome in outcomes])
        return
    rows = []
    for result, path, reused in outcomes:
        metrics = result.metrics
        rows.append(
            [
                result.entry,
                *(show_estimate(metrics.get(name)) for name in ("top1", "top5")),
                f"{result.dataset.num_samples:,}",
                result.run,
                "from the store" if reused else str(path),
            ]
        )
    print_table(None, ["submission", "top-1 %", "top-5 %", "images", "run", "result"], rows, right=frozenset({3}))
