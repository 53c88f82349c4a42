"""The columns of a leaderboard: one declaration drives header, cells, width, sorting and the words that explain it.

Records hold fractions; percent exists only in this module. To add a column: a `Column` here and its name in a board.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import RecordError, nearest
from bench.metrics import METRICS
from bench.records.board import Join

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS",
    "DASH",
    "EN_DASH",
    "GROUP_TITLES",
    "Column",
    "Group",
    "column_of",
    "columns_of",
    "is_missing",
    "values_of",
]

Group = Literal["result", "accuracy", "calibration", "shifted", "throughput", "cost", "run", "entry"]
"""What a column belongs to; a board shows and hides its columns by group."""
GROUP_TITLES: dict[Group, str] = {
    "result": "Entry",
    "accuracy": "Accuracy",
    "calibration": "Calibration",
    "shifted": "Other test sets",
    "throughput": "Throughput",
    "cost": "Cost",
    "run": "Run",
    "entry": "Submission",
}
"""What stands above the columns of a group."""
Kind = Literal["rank", "model", "percent", "interval", "number", "text", "date"]
EN_DASH = "\N{EN DASH}"
DASH = EN_DASH
"""What a cell shows that has no value."""


def is_missing(value: Any) -> bool:
    """Whether a value of a data frame is missing: None, NaN or NA."""
    if isinstance(value, float):
        return value != value  # noqa: PLR0124 - NaN is not itself
    return value is None or type(value).__name__ == "NAType"  # pandas.NA, without importing pandas for it


def values_of(frame: pd.DataFrame, name: str) -> list[Any]:
    """A column of a data frame as a list; all missing where there is no such column."""
    return frame[name].tolist() if name in frame.columns else [None] * len(frame)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a board."""

    name: str
    """How a board file names it."""
    title: str
    """Its header."""
    help: str
    """A sentence: what it shows."""
    group: Group
    """What it belongs to."""
    kind: Kind
    """How its cells look."""
    source: str
    """The column of the data frame (`leaderboard/frame.py`) that it shows; for intervals, without `.ci_low`."""
    digits: int = 0
    """Digits behind the point."""
    scale: float = 1.0
    """What a value is multiplied with before it is shown (100 for percent, 1e-6 for millions)."""
    unit: str = ""
    """The unit that the header names."""
    higher_is_better: bool | None = None
    """Which end is the better one; None where there is none."""
    width: int = 96
    """Width in CSS pixels."""
    is_facet: bool = False
    """Its few values are boxes to filter by."""

    @property
    def numeric(self) -> bool:
        """Whether it is a number, aligned to the right."""
        return self.kind in ("rank", "percent", "number")

    @property
    def is_axis(self) -> bool:
        """Whether the plot can lay it along an axis."""
        return self.kind in ("percent", "number") and self.higher_is_better is not None

    @property
    def descending_first(self) -> bool:
        """Whether the first click on its header sorts from high to low: best first, newest first, text from A."""
        return self.kind == "date" or bool(self.higher_is_better)

    @property
    def label(self) -> str:
        """Title and unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def text(self, value: Any) -> str:
        """A value of the data frame as a cell shows it.

        >>> COLUMNS["top1"].text(0.7613)
        '76.13'
        """
        if is_missing(value):
            return DASH
        if self.kind == "date":
            return str(value)[:10]
        return f"{float(value) * self.scale:,.{self.digits}f}" if self.numeric else str(value)

    def words(self, value: Any) -> str:
        """A value with its unit, or with the column's name where it has none."""
        return f"{self.text(value)} {self.unit or self.title}"

    def interval(self, low: Any, high: Any) -> str:
        """An interval as a cell shows it, in the same unit as the values."""
        if is_missing(low) or is_missing(high):
            return DASH
        return EN_DASH.join(f"{float(end) * self.scale:,.{self.digits}f}" for end in (low, high))

    def difference(self, value: float) -> str:
        """A difference of two values, with its sign; points where the values are percent."""
        unit = " points" if self.scale == 100 else f" {self.unit}" if self.unit else ""
        return f"{value * self.scale:+,.{self.digits}f}{unit}"

    def shown(self, value: Any) -> float | None:
        """A value in the unit that the column shows, for drawing; None where it is missing."""
        return None if is_missing(value) else round(float(value) * self.scale, 6)


def _metric(name: str, title: str, *, percent: bool, digits: int, width: int = 92) -> Column:
    metric = METRICS[name]
    return Column(
        name=name,
        title=title,
        help=f"{metric.title}. {metric.help}",
        group="calibration" if metric.needs_probabilities else "accuracy",
        kind="percent" if percent else "number",
        source=f"metrics.{name}.value",
        digits=digits,
        scale=100 if percent else 1,
        unit="%" if percent else "",
        higher_is_better=metric.higher_is_better,
        width=width,
    )


def _interval(name: str, title: str) -> Column:
    return Column(
        name=f"{name}_interval",
        title="95% interval",
        help=f"95% interval of {title} in percent; the drawing is scaled to the rows on screen.",
        group="accuracy",
        kind="interval",
        source=f"metrics.{name}",
        digits=2,
        scale=100,
        higher_is_better=METRICS[name].higher_is_better,
        width=236,
    )


def _facet(name: str, title: str, help_: str, source: str, *, width: int, group: Group) -> Column:
    return Column(
        name=name, title=title, help=help_, group=group, kind="text", source=source, width=width, is_facet=True
    )


def _throughput(name: str, title: str, what: str) -> Column:
    return Column(
        name=name,
        title=title,
        help=f"{what}, images a second; compare only numbers of one machine and batch size.",
        group="throughput",
        kind="number",
        source=f"costs.{name}.value",
        unit="img/s",
        higher_is_better=True,
        width=116,
    )


_ALL = (
    Column(
        name="rank",
        title="#",
        help="Rank, and the ranks that are possible at 95%; equal counts share a rank.",
        group="result",
        kind="rank",
        source="rank",
        higher_is_better=False,
        width=112,
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
    _metric("top1", "Top-1", percent=True, digits=2),
    _interval("top1", "top-1 accuracy"),
    _metric("top5", "Top-5", percent=True, digits=2),
    _interval("top5", "top-5 accuracy"),
    _metric("top1_error", "Top-1 error", percent=True, digits=2, width=124),
    _metric("top5_error", "Top-5 error", percent=True, digits=2, width=124),
    _metric("mean_per_class", "Per class", percent=True, digits=2, width=128),
    _metric("macro_precision", "Precision", percent=True, digits=2, width=128),
    _metric("macro_f1", "F1", percent=True, digits=2),
    _metric("ece", "ECE", percent=True, digits=2),
    _metric("nll", "NLL", percent=False, digits=4),
    _metric("brier", "Brier", percent=False, digits=4),
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
        help="Number of parameters, in millions.",
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
        help="Multiply-accumulate operations of one image, in billions.",
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
    _throughput("throughput_img_s", "Throughput", "Inference"),
    _throughput("train_throughput_img_s", "Training", "Training steps"),
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
    _facet("precision", "Arithmetic", "The arithmetic that the model ran in.", "precision", width=112, group="run"),
    _facet("device", "Device", "The kind of device that it ran on.", "device_type", width=88, group="run"),
    _facet(
        "isolation",
        "Isolation",
        "How far the submission's code was kept from labels and results: none, process or sandbox.",
        "isolation",
        width=104,
        group="run",
    ),
    _facet(
        "status",
        "Status",
        "Who stands for the numbers: verified, self-reported or imported.",
        "status",
        width=120,
        group="run",
    ),
    _facet(
        "extra_training_data",
        "Extra data",
        "Training data beyond ILSVRC-2012, as the submission states it.",
        "submission.extra_training_data",
        width=150,
        group="entry",
    ),
    _facet("license", "Licence", "Licence of the weights.", "submission.license", width=140, group="entry"),
    _facet("source", "Source", "Where the model comes from.", "submission.source", width=112, group="entry"),
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
