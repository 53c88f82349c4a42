"""Boards: which results one ranks, in which order, and for every other one the reason in words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import BenchError, RecordError, UsageError, nearest
from bench.leaderboard.columns import Column, columns_of, is_missing
from bench.metrics import METRICS
from bench.protocols import load_protocol, protocol_ids
from bench.records.board import Board
from bench.records.protocol import Protocol
from bench.stats.ranking import rank_intervals, ranks

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LoadedBoard", "Standing", "board_ids", "load_board", "load_boards", "standing"]

_TRUST = {"verified": 0, "self-reported": 1, "imported": 2}
"""Which of an entry's runs is shown: the one that others stand for comes first, then the latest."""


@dataclass(frozen=True, kw_only=True)
class LoadedBoard:
    """A board with the protocol and the columns that it names."""

    board: Board
    protocol: Protocol
    columns: tuple[Column, ...]
    protocol_digest: str

    @property
    def rank_by(self) -> str:
        """The metric that decides the order."""
        return self.protocol.metrics.rank_by


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a board shows: data frames with the columns of `leaderboard/frame.py` and these of their own."""

    loaded: LoadedBoard
    ranked: pd.DataFrame
    """One row an entry, best first, with `rank`, `rank_low` and `rank_high`."""
    unranked: pd.DataFrame
    """Every other run of the board's protocol that its entry's row does not stand for, with `reason`, newest first."""


def board_ids(folder: Path) -> list[str]:
    """The names of the board files in a folder, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_board(path: Path) -> LoadedBoard:
    """The board in a file, checked against the protocols and columns that there are.

    Raises:
        RecordError: The file is no valid board, or names a protocol or a column that does not exist.
    """
    board = Board.load(path)
    if board.id != path.stem:
        raise RecordError(f"is {board.id!r}, but the file is named {path.name!r}", path=path, key="id")
    if board.protocol not in protocol_ids():
        raise RecordError(
            f"there is no protocol {board.protocol!r}: {nearest(board.protocol, protocol_ids())}",
            path=path,
            key="protocol",
        )
    protocol = load_protocol(board.protocol)
    columns = columns_of(board.columns, path=path)
    if "model" not in board.columns:
        raise RecordError("the column 'model' is missing; it links to the submissions", path=path, key="columns")
    return LoadedBoard(board=board, protocol=protocol, columns=tuple(columns), protocol_digest=protocol.digest())


def load_boards(folder: Path) -> tuple[list[LoadedBoard], list[BenchError]]:
    """All boards of a folder in the order of the index page, and what is wrong with the files that are not valid.

    Raises:
        UsageError: There is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder of boards {str(folder)!r}; name one with --boards")
    loaded, broken = [], []
    for name in board_ids(folder):
        try:
            loaded.append(load_board(folder / f"{name}.toml"))
        except BenchError as error:
            broken.append(error)
    return sorted(loaded, key=lambda item: (item.board.order, item.board.id)), broken


def standing(loaded: LoadedBoard, frame: pd.DataFrame) -> Standing:
    """Ranks the results of a frame as a board wants it.

    Ranked are complete results of the board's protocol in its current version, of the statuses and training data that
    the board allows; one row an entry: its verified run before its self-reported one, then the latest. Its other such
    runs stand on the submission's page; all other runs are listed unranked with the reason.

    Args:
        loaded: The board.
        frame: All results, from `frame_of`.
    """
    runs = frame[(frame["protocol.id"] == loaded.board.protocol).to_numpy(dtype=bool)]
    reasons = _reasons(loaded, runs)
    may_rank = np.array([reason is None for reason in reasons], dtype=bool)
    ranked = _ranked(loaded, runs[may_rank])
    unranked = runs[~may_rank].assign(reason=[reason for reason in reasons if reason is not None])
    unranked = unranked.sort_values("run", ascending=False, kind="stable", ignore_index=True)
    return Standing(loaded=loaded, ranked=ranked, unranked=unranked)


def _ranked(loaded: LoadedBoard, runs: pd.DataFrame) -> pd.DataFrame:
    trust = runs["status"].map(_TRUST).astype("int64")
    order = runs.assign(_trust=-trust).sort_values(["_trust", "run"], ascending=False, kind="stable")
    best = order.drop_duplicates("entry").drop(columns="_trust")
    stem, higher = f"metrics.{loaded.rank_by}", METRICS[loaded.rank_by].higher_is_better
    value_N = _numbers(best, f"{stem}.value")
    low_N, high_N = (_numbers(best, f"{stem}.{end}") for end in ("ci_low", "ci_high"))
    unknown_N = np.isnan(low_N) | np.isnan(high_N)
    low_N, high_N = np.where(unknown_N, -np.inf, low_N), np.where(unknown_N, np.inf, high_N)
    best_rank_N, worst_rank_N = rank_intervals(low_N, high_N, higher_is_better=higher)
    best = best.assign(
        rank=_exact_ranks(best, stem, value_N, higher_is_better=higher), rank_low=best_rank_N, rank_high=worst_rank_N
    )
    best = best.astype({"rank": "Int64", "rank_low": "Int64", "rank_high": "Int64"})
    return best.sort_values(["rank", "entry"], kind="stable", ignore_index=True)


def _exact_ranks(best: pd.DataFrame, stem: str, value_N: Any, *, higher_is_better: bool) -> Any:
    """Ranks from counts where every entry has one, so that equal counts are equal and nothing else is."""
    count_N, num_samples_N = _numbers(best, f"{stem}.count"), _numbers(best, f"{stem}.num_samples")
    by_count = bool(len(best)) and not np.isnan(count_N).any() and bool((num_samples_N == num_samples_N[0]).all())
    return ranks(count_N if by_count else value_N, higher_is_better=higher_is_better)


def _numbers(frame: pd.DataFrame, name: str) -> Any:
    """A column as float64 with NaN for what is missing, all of it where there is no such column."""
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)


def _reasons(loaded: LoadedBoard, runs: pd.DataFrame) -> list[str | None]:
    """For each run why the board does not rank it, or None."""
    value = f"metrics.{loaded.rank_by}.value"
    names = (
        "state",
        "retraction.reason",
        "retraction.superseded_by",
        "status",
        "failure.outcome",
        "protocol.version",
        "protocol.digest",
        "dataset.complete",
        "dataset.num_samples",
        "precision",
        "submission.extra_training_data",
        value,
    )
    columns = [runs[name].tolist() if name in runs.columns else [None] * len(runs) for name in names]
    return [_reason(loaded, dict(zip(names, row, strict=True)), value) for row in zip(*columns, strict=True)]


def _reason(loaded: LoadedBoard, run: dict[str, Any], value: str) -> str | None:  # noqa: PLR0911 - one line a rule
    """Why a run is not ranked; the first rule that applies."""
    board, protocol = loaded.board, loaded.protocol
    if run["state"] == "retracted":
        return f"retracted: {run['retraction.reason']}"
    if run["state"] == "superseded":
        return f"superseded by {run['retraction.superseded_by']}: {run['retraction.reason']}"
    if run["status"] == "failed":
        return f"failed: {run['failure.outcome']}"
    if run["status"] not in board.statuses:
        return f"status {run['status']}; this board ranks {' and '.join(board.statuses)} results"
    if run["protocol.version"] != protocol.version:
        return (
            f"measured under version {run['protocol.version']} of the protocol, the current one is {protocol.version}"
        )
    if is_missing(run["protocol.digest"]):
        if protocol.kind != "reported":
            return "the result does not say which text of the protocol it was measured under"
    elif run["protocol.digest"] != loaded.protocol_digest:
        return f"measured under another text of the protocol (digest {run['protocol.digest'][:12]})"
    if not run["dataset.complete"]:
        return f"partial: {run['dataset.num_samples']:,} of {protocol.dataset.num_samples:,} images"
    if not is_missing(run["precision"]) and protocol.precision and run["precision"] not in protocol.precision.allowed:
        return f"the protocol does not allow {run['precision']}"
    if board.extra_training_data == "none" and run["submission.extra_training_data"] != "none":
        return f"trained on extra data ({run['submission.extra_training_data']}), which this board does not rank"
    if is_missing(run[value]):
        return f"has no {loaded.rank_by}"
    return None
