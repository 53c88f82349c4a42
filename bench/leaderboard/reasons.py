"""Why a board does not rank a run, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.leaderboard.board import LoadedBoard
from bench.leaderboard.column import is_missing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["reasons"]


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
