"""Results as one pandas data frame: a row a run, a flat column a key of the record.

The name of a column is the path of the key in the record, joined by dots: `submission.team`, `protocol.digest`,
`metrics.top1.value`, `metrics.top1.ci_low`, `metrics.top1.count`, `costs.num_params.value`, `environment.torch`.
Rates are fractions from 0 to 1, as in the records. Besides:

- `entry`: `team/name`, what the runs of one submission share;
- `state`: `current`, `retracted`, `superseded` or `penalised`;
- `doubt`, for runs whose status verified is not borne out: what they lack;
- `signature`, for signed runs: `known key`, `unknown key` or `invalid`;
- `retraction.reason`, `retraction.by`, `retraction.created_at`, `retraction.superseded_by`.

Counts are nullable integers, what no record has is missing (NA); `BASE_COLUMNS` are there even without any results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from bench.records.result import Result
from bench.records.verified import may_be_verified
from bench.stored import Stored

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BASE_COLUMNS", "flat_row", "frame_of", "frame_of_rows"]

BASE_COLUMNS = (
    "run",
    "entry",
    "state",
    "status",
    "created_at",
    "bench_version",
    "submission.team",
    "submission.name",
    "submission.title",
    "submission.team_title",
    "submission.digest",
    "submission.source",
    "submission.architecture",
    "submission.license",
    "submission.extra_training_data",
    "submission.paper",
    "submission.code",
    "submission.claims.top1",
    "submission.claims.top5",
    "protocol.id",
    "protocol.version",
    "protocol.digest",
    "dataset.name",
    "dataset.split",
    "dataset.digest",
    "dataset.num_samples",
    "dataset.complete",
    "precision",
    "device_type",
    "isolation",
    "input.geometry.resize",
    "input.geometry.crop",
    "input.geometry.interpolation",
    "predictions.sha256",
    "origin",
    "doubt",
    "failure.outcome",
    "failure.message",
    "retraction.reason",
    "retraction.by",
    "retraction.created_at",
    "retraction.superseded_by",
)
"""The columns that every frame has, in this order, before those of metrics, costs and environment."""

_SKIPPED = {
    "audits",
    "format_version",
    "retraction.run",
    "retraction.format_version",
    "retraction.ruling",
    "retraction.ledger",
    "failure.log",
    "notes",
}
_PLAIN = frozenset({str, int, float, bool})
_WHOLE = (".count", ".num_samples", ".num_classes", ".num_bytes", ".version", ".crop", ".resize")


def frame_of(results: Iterable[Result | Stored]) -> pd.DataFrame:
    """The results as a data frame, a row a run, in the order given; see the module for the columns.

    Args:
        results: Results, or stored results, which also know whether they were retracted.
    """
    return frame_of_rows([flat_row(item) for item in results])


def frame_of_rows(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of `flat_row` as a data frame."""
    import pandas as pd

    columns: dict[str, list[Any]] = {name: [None] * len(rows) for name in BASE_COLUMNS}
    for index, row in enumerate(rows):
        for name, value in row.items():
            if name not in columns:
                columns[name] = [None] * len(rows)
            columns[name][index] = value
    fixed, others = list(BASE_COLUMNS), sorted(columns.keys() - set(BASE_COLUMNS))
    return pd.DataFrame({name: _series(name, columns[name]) for name in fixed + others})


def flat_row(item: Result | Stored) -> dict[str, Any]:
    """One result as a row of the frame: from column name to plain value, without what the record does not have."""
    result, retraction = (item.result, item.retraction) if isinstance(item, Stored) else (item, None)
    row: dict[str, Any] = {"entry": result.entry, "state": "current"}
    _flatten(result, "", row)
    if result.status == "verified" and (missing := may_be_verified(result.isolation, result.layers, result.audits)):
        row["doubt"] = "; ".join(missing)
    if retraction is not None:
        row["state"] = retraction.state
        _flatten(retraction, "retraction.", row)
    return row


def _flatten(value: BaseModel | dict[str, Any], prefix: str, row: dict[str, Any]) -> None:
    """Adds each key of a record to the row, under its path; tuples become text, missing values are left out."""
    for key, inner in (value if isinstance(value, dict) else value.__dict__).items():
        name = prefix + key
        if inner is None or name in _SKIPPED:
            continue
        if type(inner) in _PLAIN:
            row[name] = inner
        elif isinstance(inner, tuple):
            if inner:
                row[name] = " ".join(map(str, inner))
        else:
            _flatten(inner, f"{name}.", row)


def _series(name: str, values: list[Any]) -> pd.Series[Any]:
    import pandas as pd

    if name == "dataset.complete":
        return pd.Series(values, dtype="bool")
    if name.endswith(_WHOLE) and not name.startswith(("environment.", "timing.")):
        return pd.Series(values, dtype="Int64")
    kinds = {type(value) for value in values if value is not None}
    if not kinds or kinds == {str}:
        return pd.Series(values, dtype=None if kinds else "object")
    if kinds <= {float, int} and (float in kinds or name.startswith(("metrics.", "costs."))):
        return pd.Series(values, dtype="float64")
    if kinds == {int}:
        return pd.Series(values, dtype="Int64")
    return pd.Series(values, dtype="object")
