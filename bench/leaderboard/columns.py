"""The columns of a leaderboard: one declaration drives header, cells, width, sorting and the words that explain it.

To add a column: a `Column` here and its name in a board.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from bench.errors import RecordError, nearest
from bench.leaderboard.column import Column
from bench.leaderboard.column_kinds import (
    facet_column,
    interval_column,
    measured_column,
    metric_column,
    throughput_column,
    training_column,
)
from bench.records.board import Join

__all__ = ["COLUMNS", "column_of", "columns_of"]

_DECLARED = "; declared by the submission where it brings code of its own"


_ALL = (
    Column(
        name="rank",
        title="#",
        help="Rank, and the ranks that are possible at 95%; equal counts share a rank.",
        group="result",
        kind="rank",
        source="rank",
        higher_is_better=False,
        width=150,
    ),
    Column(
        name="model",
        title="Model",
        help="The submission and its team.",
        group="result",
        kind="model",
        source="submission.title",
        width=320,
    ),
    metric_column("top1", "Top-1", percent=True, digits=2),
    interval_column("top1", "top-1 accuracy"),
    metric_column("top5", "Top-5", percent=True, digits=2),
    interval_column("top5", "top-5 accuracy"),
    metric_column("top1_error", "Top-1 error", percent=True, digits=2, width=124),
    metric_column("top5_error", "Top-5 error", percent=True, digits=2, width=124),
    metric_column("mean_per_class", "Per class", percent=True, digits=2, width=128),
    metric_column("macro_precision", "Precision", percent=True, digits=2, width=128),
    metric_column("macro_f1", "F1", percent=True, digits=2),
    metric_column("ece", "ECE", percent=True, digits=2),
    metric_column("nll", "NLL", percent=False, digits=4),
    metric_column("brier", "Brier", percent=False, digits=4),
    Column(
        name="num_samples",
        title="Images",
        help="Number of images that were measured.",
        group="run",
        kind="number",
        source="dataset.num_samples",
        higher_is_better=True,
        width=88,
    ),
    Column(
        name="num_params",
        title="Params",
        help=f"Number of parameters, in millions{_DECLARED}.",
        group="cost",
        kind="number",
        source="costs.num_params.value",
        digits=2,
        scale=1e-6,
        unit="M",
        higher_is_better=False,
        width=104,
    ),
    Column(
        name="gmacs",
        title="GMACs",
        help=f"Multiply-accumulate operations of one image, in billions{_DECLARED}.",
        group="cost",
        kind="number",
        source="costs.gmacs.value",
        digits=3,
        higher_is_better=False,
        width=104,
    ),
    Column(
        name="macts",
        title="Activations",
        help="Outputs of all convolutions and matrix products for one image, in millions.",
        group="cost",
        kind="number",
        source="costs.macts.value",
        digits=2,
        unit="M",
        higher_is_better=False,
        width=128,
    ),
    Column(
        name="top1_sd",
        title="SD",
        help="Standard deviation of top-1 over the attempts of a training, in points.",
        group="accuracy",
        kind="percent",
        source="metrics.top1.sd",
        digits=2,
        scale=100,
        unit="points",
        width=104,
    ),
    Column(
        name="attempts",
        title="Attempts",
        help="Trainings with seeds that bench drew; every one counts.",
        group="run",
        kind="number",
        source="training.num_attempts",
        width=104,
    ),
    Column(
        name="missed",
        title="Missed",
        help="Attempts that did not reach the target of the protocol.",
        group="run",
        kind="number",
        source="training.num_missed",
        higher_is_better=False,
        width=92,
    ),
    training_column(
        "training_time_s", "Training time", "whole trainings: steps and waiting for data", unit="s", digits=1
    ),
    training_column("time_to_target_s", "To target", "the way to the protocol's target", unit="s", digits=1),
    training_column("epochs_to_target", "Epochs to target", "the way to the protocol's target", unit="", digits=0),
    throughput_column("throughput_img_s", "Throughput", "Inference"),
    throughput_column("train_throughput_img_s", "Training", "Training steps"),
    throughput_column(
        "server_rate_img_s", "Served", "Requests that arrive at random and stay within the target at p99"
    ),
    measured_column("latency_p50_ms", "Latency p50", "Median latency of single images", "ms", digits=2),
    measured_column("latency_p99_ms", "Latency p99", "99th percentile of the latency of single images", "ms", digits=2),
    measured_column("peak_memory_mib", "Memory", "Largest memory of the device that was in use", "MiB", digits=0),
    measured_column("energy_j_img", "Energy", "Energy of one image", "J/img", digits=3),
    Column(
        name="input_size",
        title="Input",
        help="Side of the square input, in pixels.",
        group="run",
        kind="number",
        source="input.geometry.crop",
        unit="px",
        higher_is_better=False,
        width=92,
    ),
    facet_column(
        "precision", "Arithmetic", "The arithmetic that the model ran in.", "precision", width=112, group="run"
    ),
    facet_column("device", "Device", "The kind of device that it ran on.", "device_type", width=88, group="run"),
    facet_column(
        "isolation",
        "Isolation",
        "How far the submission's code was kept from labels and results: none, process or sandbox.",
        "isolation",
        width=104,
        group="run",
    ),
    facet_column(
        "status",
        "Status",
        "Who stands for the numbers: verified, self-reported or imported.",
        "status",
        width=120,
        group="run",
    ),
    facet_column(
        "extra_training_data",
        "Extra data",
        "Training data beyond ILSVRC-2012, as the submission states it.",
        "submission.extra_training_data",
        width=150,
        group="entry",
    ),
    facet_column("license", "Licence", "Licence of the weights.", "submission.license", width=140, group="entry"),
    facet_column("source", "Source", "Where the model comes from.", "submission.source", width=112, group="entry"),
    Column(
        name="date",
        title="Date",
        help="Day of the run, UTC.",
        group="run",
        kind="date",
        source="created_at",
        width=112,
    ),
)

COLUMNS: dict[str, Column] = {column.name: column for column in _ALL}
"""Every column by name."""


def columns_of(names: Iterable[str], joins: Sequence[Join] = (), *, path: Any = None) -> list[Column]:
    """The columns with these names, in this order; `<join>.<column>` is a column of a board's join.

    Raises:
        RecordError: A name is unknown (the nearest ones are offered) or stands there twice.
    """
    by_name = {join.name: join for join in joins}
    found: list[Column] = []
    for name in names:
        prefix, _, rest = name.partition(".")
        join, own = (by_name.get(prefix), rest) if rest else (None, name)
        if own not in COLUMNS or (rest and join is None):
            known = [*COLUMNS, *(f"{prefix}.{column}" for prefix in by_name for column in COLUMNS)]
            raise RecordError(f"there is no column {name!r}: {nearest(name, known)}", path=path, key="columns")
        column = COLUMNS[own] if join is None else _joined(COLUMNS[own], join)
        if column in found:
            raise RecordError(f"the column {name!r} is there twice; remove one", path=path, key="columns")
        found.append(column)
    return found


def _joined(column: Column, join: Join) -> Column:
    """A column of another protocol's results, under the title of the join; the size of a model is that everywhere."""
    title = join.title if column.name in ("top1", "throughput_img_s") else f"{join.title} {column.title.lower()}"
    return replace(
        column,
        name=f"{join.name}.{column.name}",
        title=column.title if column.group == "cost" else title,
        help=f"{join.title}: {column.help}",
        group="shifted" if column.group in ("accuracy", "calibration") else column.group,
        source=f"{join.name}.{column.source}",
    )


def column_of(metric: str) -> Column:
    """How a metric is shown: its own column, or four significant digits for one that this version does not know."""
    if metric in COLUMNS:
        return COLUMNS[metric]
    return Column(
        name=metric, title=metric, help="", group="accuracy", kind="number", source=f"metrics.{metric}.value", digits=4
    )
