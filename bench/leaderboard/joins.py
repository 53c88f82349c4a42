"""Joins: numbers of other protocols beside the ranked rows of a board, and rows for those that fit none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.leaderboard.column import is_missing
from bench.records.board import Join

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["join_results", "open_settings", "unmatched_rows"]

_ARCHITECTURE = ("submission.architecture", "input.geometry.crop")
_MEASURED = ("metrics.", "costs.", "environment.")
_SETTINGS = ("gpu", "precision", "memory_format")
"""What somebody chose who measured; newer software follows on older, but no setting follows on another."""


def join_results(ranked: pd.DataFrame, results: pd.DataFrame, joins: tuple[Join, ...]) -> pd.DataFrame:
    """The ranked rows with the columns of each join, as `<join>.<column>`; many rows may share one joined result.

    Args:
        ranked: The rows of a board.
        results: All results, from `frame_of`.
        joins: The joins of the board.
    """
    for join in joins:
        joined = _results_of(results, join)
        keys = _keys(ranked, join)
        place = {key: index for index, key in enumerate(_keys(joined, join)) if key is not None}
        at = np.array([-1 if key is None else place.get(key, -1) for key in keys], dtype=np.int64)
        names = ["run", "entry", *(name for name in joined.columns if name.startswith(_MEASURED))]
        # Row -1 of `reindex` is a row of missing values.
        columns = joined[names].reset_index(drop=True).reindex(at).set_axis(ranked.index)
        ranked = ranked.join(columns.add_prefix(f"{join.name}."))
    return ranked


def unmatched_rows(ranked: pd.DataFrame, results: pd.DataFrame, joins: tuple[Join, ...]) -> pd.DataFrame:
    """Results of the joins that are to be listed and fit no ranked row, one row a key: the first join's that has it."""
    import pandas as pd

    parts, seen = [], set[Any]()
    for join in joins:
        if join.unmatched == "listed":
            seen |= {key for key in _keys(ranked, join) if key is not None}
            joined = _results_of(results, join)
            keys = _keys(joined, join)
            is_new = np.array([key is not None and key not in seen for key in keys], dtype=bool)
            parts.append(joined[is_new])
            seen |= {key for key in keys if key is not None}
    return pd.concat(parts, ignore_index=True) if parts else results.iloc[:0]


def open_settings(results: pd.DataFrame, join: Join) -> list[str]:
    """The settings in which results of one model differ that a join takes alike: what it shows of them is chance.

    Args:
        results: All results, from `frame_of`.
        join: A join of a board.
    """
    found = _fitting(results, join)
    names = [name for name in _SETTINGS if f"environment.{name}" in found.columns and name not in join.environment]
    return [name for name in names if _differs(_keys(found, join), found[f"environment.{name}"].tolist())]


def _differs(keys: list[Any], values: list[Any]) -> bool:
    first: dict[Any, Any] = {}
    known = ((key, value) for key, value in zip(keys, values, strict=True) if key is not None and not is_missing(value))
    return any(first.setdefault(key, value) != value for key, value in known)


def _results_of(results: pd.DataFrame, join: Join) -> pd.DataFrame:
    """The current results of a join, one a key: verified before others, then the latest."""
    found = _fitting(results, join)
    trusted = (found["status"] == "verified") & found["doubt"].isna()
    found = found.assign(_trusted=trusted, _key=_keys(found, join))
    found = found.sort_values(["_trusted", "run"], ascending=False, kind="stable").drop_duplicates("_key")
    return found.drop(columns=["_trusted", "_key"]).sort_values("run", kind="stable", ignore_index=True)


def _fitting(results: pd.DataFrame, join: Join) -> pd.DataFrame:
    """All current results that a join takes."""
    fits = (results["protocol.id"] == join.protocol) & (results["state"] == "current") & (results["status"] != "failed")
    for name, value in join.environment.items():
        column = f"environment.{name}"
        fits &= (results[column] == value) if column in results.columns else False
    return results[fits.fillna(False).to_numpy(dtype=bool)]


def _keys(frame: pd.DataFrame, join: Join) -> list[Any]:
    """What must be equal, a row; None where something of it is not known."""
    if join.on == "entry":
        return list(frame["entry"])
    pairs = zip(*(frame[name] for name in _ARCHITECTURE), strict=True)
    return [None if is_missing(name) or is_missing(size) else (name, int(size)) for name, size in pairs]
