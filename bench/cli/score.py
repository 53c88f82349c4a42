"""`bench score`: a file of answers against the ground truth; nothing is stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from bench.cli.common import json_option, note, print_json, print_table, protocol_option, show_estimate

if TYPE_CHECKING:
    from bench.data.dataset import Dataset
    from bench.data.groundtruth import GroundTruth
    from bench.records.protocol import Protocol

__all__ = ["score"]


@click.command(short_help="Score a file of predictions; nothing is stored.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@protocol_option
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), envvar="BENCH_DATA", show_envvar=True, help="The dataset."
)
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The devkit's ground truth instead of a dataset: one ILSVRC2012 id a line, in file-name order.",
)
@click.option("--allow-partial", is_flag=True, help="Score on the part of the split that is there.")
@json_option
@click.pass_context
def score(
    context: click.Context,
    file: Path,
    protocol: str,
    data: Path | None,
    labels: Path | None,
    allow_partial: bool,
    as_json: bool,
) -> None:
    """Score a file of predictions under a protocol; nothing is stored.

    FILE is a devkit text (up to five ILSVRC2012 ids a line, best first, in file-name order), a CSV with the columns
    ImageId,PredictionString, or a Parquet file with sample_id and either logits or classes.

    \b
    Examples:
      bench score answers.txt --protocol imagenet-val-closed --labels ILSVRC2012_validation_ground_truth.txt
      bench score logits.parquet --protocol imagenet-val-open --data /data/imagenet --json
    """
    from bench.errors import UsageError
    from bench.protocols import load_protocol
    from bench.score import score_file

    if labels is not None and context.get_parameter_source("data") is ParameterSource.ENVIRONMENT:
        data = None  # BENCH_DATA is where --data is not given; --labels is more explicit
    if data is not None and labels is not None:
        raise UsageError("give either --data or --labels, not both")
    fixed = load_protocol(protocol)
    if fixed.kind != "evaluate":
        raise UsageError(f"the protocol {fixed.id!r} is of kind {fixed.kind!r}, this needs kind 'evaluate'")
    truth = _truth(data, labels, fixed, allow_partial=allow_partial)
    result = score_file(file, fixed, sample_ids=truth.sample_ids, labels_N=truth.labels_N)
    if not result.dataset.complete:
        note(f"Partial: {len(truth.labels_N):,} of the {fixed.dataset.num_samples:,} images of {fixed.id}.")
    for sentence in result.notes:
        note(f"Note: {sentence}")
    if as_json:
        print_json([result.as_json()])
        return
    rows = [
        [name, show_estimate(found), "" if found.count is None else str(found.count)]
        for name, found in result.metrics.items()
    ]
    print_table(f"{file.name}: {result.dataset.num_samples:,} images", ["metric", "value", "count"], rows)


def _truth(data: Path | None, labels: Path | None, protocol: Protocol, *, allow_partial: bool) -> Dataset | GroundTruth:
    from bench.data.classes import class_table
    from bench.data.dataset import open_dataset
    from bench.data.groundtruth import read_devkit
    from bench.errors import DataError, UsageError

    if data is not None:
        return open_dataset(data, protocol.dataset, allow_partial=allow_partial)
    if labels is None:
        raise UsageError("give --data DIR or --labels GROUND_TRUTH.txt")
    truth = read_devkit(labels, class_table(protocol.dataset.name))
    wanted = protocol.dataset.num_samples
    if len(truth.labels_N) != wanted and not allow_partial:
        raise DataError(
            f"has {len(truth.labels_N):,} lines, {protocol.id} needs {wanted:,}; --allow-partial scores what is there",
            path=labels,
        )
    return truth
