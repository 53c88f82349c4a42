"""Answers in Parquet: logits, ranked classes, or the predictions that bench wrote for an earlier run.

Shape letters: N samples, C classes, K ranked classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.classes import ClassTable
from bench.errors import NonFiniteError, OutputError, PredictionsError
from bench.metrics.topk import predictions_from_logits, predictions_from_ranked
from bench.records.predictions import NUM_KEPT, Predictions, check_sample_ids

__all__ = ["read_parquet", "read_table"]

_NO_ANSWER = -1


def read_table(path: Path) -> Any:
    """A Parquet file with a column `sample_id` and answers.

    Raises:
        PredictionsError: It is something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise PredictionsError("there is no such file", path=path) from error
    except (OSError, pa.ArrowInvalid) as error:
        raise PredictionsError(f"is no Parquet file ({str(error).splitlines()[0]})", path=path) from error
    columns = set(table.column_names)
    if "sample_id" not in columns or not columns & {"logits", "classes", "top_classes"}:
        raise PredictionsError(
            f"has the columns {', '.join(sorted(columns))}; expected sample_id and logits, or sample_id and classes",
            path=path,
        )
    ids = table["sample_id"]
    if ids.null_count or not (pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type)):
        raise PredictionsError(
            f"column 'sample_id' has type {ids.type} and {ids.null_count} nulls, expected text in each row", path=path
        )
    return table


def read_parquet(
    path: Path,
    classes: ClassTable,
    sample_ids: tuple[str, ...],
    labels_N: npt.NDArray[np.int64],
    *,
    background: bool,
) -> Predictions:
    """The predictions in a Parquet file; arguments and errors are those of `read_answers`."""
    table = read_table(path)
    columns = set(table.column_names)
    names = table["sample_id"].to_pylist()
    check_sample_ids(names, sample_ids, path=path)
    place = {name: index for index, name in enumerate(names)}
    order_N = np.array([place[name] for name in sample_ids], np.int64)
    if "top_classes" in columns:
        return _reordered(Predictions.read(path), order_N, sample_ids, labels_N, classes, path)
    rows = _list_column(table, "logits" if "logits" in columns else "classes", path)
    if "logits" in columns:
        logits_NC = _logits(rows, sample_ids, order_N, classes.num_classes + background, path)[:, int(background) :]
        return predictions_from_logits(sample_ids, np.ascontiguousarray(logits_NC), labels_N)
    return predictions_from_ranked(sample_ids, _ranked(rows, order_N, sample_ids, classes, path), classes.num_classes)


def _list_column(table: Any, name: str, path: Path) -> Any:
    """A column of lists of numbers, as one chunk without nulls."""
    import pyarrow as pa

    column = table[name].combine_chunks()
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    wanted = pa.types.is_floating if name == "logits" else pa.types.is_integer
    if not is_list or not wanted(kind.value_type):
        noun = "floats" if name == "logits" else "integers"
        raise PredictionsError(f"column {name!r} has type {kind}, expected lists of {noun}", path=path)
    if column.null_count or column.flatten().null_count:
        raise PredictionsError(f"column {name!r} holds nulls", path=path)
    return column


def _logits(
    rows: Any, sample_ids: tuple[str, ...], order_N: npt.NDArray[np.int64], num_outputs: int, path: Path
) -> npt.NDArray[np.float32]:
    """The logits (N, num_outputs) in the order of the sample ids, all finite."""
    lengths_N = rows.value_lengths().to_numpy(zero_copy_only=False)[order_N]
    if (wrong := lengths_N != num_outputs).any():
        first = int(np.flatnonzero(wrong)[0])
        raise OutputError(
            f"image {sample_ids[first]} has {lengths_N[first]} logits, expected {num_outputs}", path=path, key="logits"
        )
    with np.errstate(over="ignore"):  # becomes infinite, and is refused below
        values = rows.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    logits_NC: npt.NDArray[np.float32] = values.reshape(-1, num_outputs)[order_N]
    if not (finite_N := np.isfinite(logits_NC).all(axis=1)).all():
        first = int(np.flatnonzero(~finite_N)[0])
        raise NonFiniteError(f"image {sample_ids[first]} has NaN or infinite logits", path=path, key="logits")
    return logits_NC


def _ranked(
    rows: Any, order_N: npt.NDArray[np.int64], sample_ids: tuple[str, ...], classes: ClassTable, path: Path
) -> npt.NDArray[np.int16]:
    """Class indices (N, 10) in the order of the sample ids, -1 behind the last answer."""
    ranked_NK = np.full((len(sample_ids), NUM_KEPT), _NO_ANSWER, np.int16)
    lists = rows.to_pylist()
    for index, position in enumerate(order_N):
        answer = lists[position]
        if len(answer) > NUM_KEPT or any(not 0 <= value < classes.num_classes for value in answer):
            raise PredictionsError(
                f"image {sample_ids[index]} has {answer}, expected at most {NUM_KEPT} class indices "
                f"0..{classes.num_classes - 1}",
                path=path,
                key="classes",
            )
        ranked_NK[index, : len(answer)] = answer
    return ranked_NK


def _reordered(
    found: Predictions,
    order_N: npt.NDArray[np.int64],
    sample_ids: tuple[str, ...],
    labels_N: npt.NDArray[np.int64],
    classes: ClassTable,
    path: Path,
) -> Predictions:
    """Predictions that bench wrote, in the order of the sample ids, after a look at what can be checked."""
    if found.num_classes != classes.num_classes:
        raise OutputError(
            f"chooses from {found.num_classes} classes, but {classes.name} has {classes.num_classes}", path=path
        )
    ordered = Predictions(
        sample_ids=sample_ids,
        top_classes_NK=found.top_classes_NK[order_N],
        top_log_probs_NK=found.top_log_probs_NK[order_N],
        label_log_prob_N=found.label_log_prob_N[order_N],
        sum_squared_probs_N=found.sum_squared_probs_N[order_N],
        num_classes=found.num_classes,
    )
    if ordered.has_probabilities:
        _check_label_probabilities(ordered, labels_N, path)
    return ordered


def _check_label_probabilities(found: Predictions, labels_N: npt.NDArray[np.int64], path: Path) -> None:
    """Refuses a probability of the label that the ranked classes contradict."""
    is_label_NK = found.top_classes_NK == labels_N[:, None]
    ranked_N = is_label_NK.any(axis=1)
    at_N = is_label_NK.argmax(axis=1)
    expected_N = np.take_along_axis(found.top_log_probs_NK, at_N[:, None], axis=1)[:, 0]
    lowest_N = found.top_log_probs_NK[:, -1]
    tolerance = 1e-5
    equal_N = np.abs(found.label_log_prob_N - expected_N) <= tolerance
    wrong_N = np.where(ranked_N, ~equal_N, found.label_log_prob_N > lowest_N + tolerance)
    if wrong_N.any():
        first = int(np.flatnonzero(wrong_N)[0])
        raise PredictionsError(
            f"image {found.sample_ids[first]}: the label's probability does not agree with the ranked classes; the "
            "file belongs to other labels, or was altered",
            path=path,
        )
