"""Why a board does not rank a run, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.leaderboard.admission import REJECTIONS
from bench.leaderboard.board import LoadedBoard
from bench.leaderboard.column import is_missing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["reasons"]

_TEXTS = ("failure.outcome", "failure.message", "ledger.challenge", "doubt")
"""Columns of which a missing cell is compared with text."""


def reasons(loaded: LoadedBoard, runs: pd.DataFrame) -> list[str | None]:
    """For each run of a board's protocol why the board does not rank it, or None.

    Args:
        loaded: The board.
        runs: Results, from `frame_of`.
    """
    value = f"metrics.{loaded.rank_by}.value"
    names = (
        "state",
        "retraction.reason",
        "retraction.superseded_by",
        "status",
        "failure.outcome",
        "failure.message",
        "ledger.challenge",
        "doubt",
        "protocol.version",
        "protocol.digest",
        "dataset.complete",
        "dataset.num_samples",
        "precision",
        "submission.extra_training_data",
        value,
    )
    columns = [runs[name].tolist() if name in runs.columns else [None] * len(runs) for name in names]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return [_reason(loaded, row | {key: None for key in _TEXTS if is_missing(row[key])}, value) for row in rows]


def _reason(loaded: LoadedBoard, run: dict[str, Any], value: str) -> str | None:  # noqa: PLR0911 - one line a rule
    """Why a run is not ranked; the first rule that applies."""
    board, protocol = loaded.board, loaded.protocol
    if (reason := _stands_no_more(run)) is not None:
        return reason
    if run["status"] not in board.statuses:
        return f"status {run['status']}; this board ranks {' and '.join(board.statuses)} results"
    if run["doubt"] is not None:
        return f"says verified without what that needs: {run['doubt']}"
    if board.challenge is not None and run["ledger.challenge"] != board.challenge:
        return f"was not evaluated in the challenge {board.challenge}"
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


def _stands_no_more(run: dict[str, Any]) -> str | None:
    """Why a run is ranked by no board: it was withdrawn, was not let in, or failed."""
    if run["state"] == "retracted":
        return f"retracted: {run['retraction.reason']}"
    if run["state"] == "superseded":
        return f"superseded by {run['retraction.superseded_by']}: {run['retraction.reason']}"
    if run["state"] == "penalised":
        return f"penalised, not comparable: {run['retraction.reason']}"
    if run["status"] != "failed":
        return None
    if run["ledger.challenge"] is not None and run["failure.outcome"] in REJECTIONS:
        return f"{REJECTIONS[run['failure.outcome']][0]}: {run['failure.message']}"
    return f"failed: {run['failure.outcome']}"
