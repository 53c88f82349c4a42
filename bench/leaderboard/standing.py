"""Who stands where: a board's results ranked, with the ranks that are possible, and all others with the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bench.leaderboard.board import LoadedBoard
from bench.leaderboard.joins import join_results, unmatched_rows
from bench.leaderboard.reasons import reasons
from bench.metrics import METRICS
from bench.records.correctness import Correctness
from bench.stats.ranking import (
    paired_p_values,
    rank_intervals,
    rank_intervals_by_tests,
    ranks,
    unpaired_p_values,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TRUST", "RankRule", "Standing", "standing"]

TRUST = {"verified": 0, "self-reported": 1, "imported": 2}
"""Who stands for a result: each status is ranked on its own, and an entry's row is its most trusted run."""

RankRule = Literal["paired", "mixed", "intervals"]
"""How rank intervals were found: exact McNemar tests of all pairs, Holm-corrected within the row; the same, with
two-proportion z tests for the pairs whose answers to each image are not kept; overlap of 95 % intervals."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a board shows: data frames with the columns of `leaderboard/frame.py` and these of their own."""

    loaded: LoadedBoard
    ranked: pd.DataFrame
    """One row an entry, verified ones first, then best first, with `rank`, `rank_low`, `rank_high` (each within the
    entry's status), and the columns of the joins; at its end the rows of the joins that have no rank."""
    unranked: pd.DataFrame
    """Every other run of the board's protocol that its entry's row does not stand for, with `reason`, newest first."""
    rank_rule: RankRule
    """How the rank intervals were found; the weakest rule where statuses differ."""

    @property
    def num_ranked(self) -> int:
        """How many rows have a rank."""
        return int(self.ranked["rank"].notna().sum())


def standing(
    loaded: LoadedBoard, frame: pd.DataFrame, correctness: Callable[[str], Correctness | None] = lambda _: None
) -> Standing:
    """Ranks the results of a frame as a board wants it.

    Ranked are complete results of the board's protocol in its current version, of the statuses and training data that
    the board allows; one row an entry: its verified run before its self-reported one, then the latest. Its other such
    runs stand on the submission's page; all other runs are listed unranked with the reason.

    Args:
        loaded: The board.
        frame: All results, from `frame_of`.
        correctness: From a run's id to which images it got right, where that is kept.
    """
    import pandas as pd

    runs = frame[(frame["protocol.id"] == loaded.board.protocol).to_numpy(dtype=bool)]
    why = reasons(loaded, runs)
    may_rank = np.array([reason is None for reason in why], dtype=bool)
    best = _best_runs(runs[may_rank])
    parts, rules = [], []
    for status in sorted(loaded.board.statuses, key=TRUST.__getitem__):
        ranked, rule = _ranked(loaded.rank_by, best[(best["status"] == status).to_numpy(dtype=bool)], correctness)
        parts.append(ranked)
        if len(ranked):
            rules.append(rule)
    rows = pd.concat(parts, ignore_index=True)
    others = unmatched_rows(rows, frame, loaded.board.joins)
    if len(others):
        rows = pd.concat([rows, others.sort_values("entry", kind="stable")], ignore_index=True)
    unranked = runs[~may_rank].assign(reason=[reason for reason in why if reason is not None])
    return Standing(
        loaded=loaded,
        ranked=join_results(rows, frame, loaded.board.joins),
        unranked=unranked.sort_values("run", ascending=False, kind="stable", ignore_index=True),
        rank_rule=max(rules, key=("paired", "mixed", "intervals").index, default="intervals"),
    )


def _best_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """One run an entry: the one that others stand for comes first, then the latest."""
    trust = runs["status"].map(TRUST).astype("int64")
    order = runs.assign(_trust=-trust).sort_values(["_trust", "run"], ascending=False, kind="stable")
    return order.drop_duplicates("entry").drop(columns="_trust")


def _ranked(
    rank_by: str, best: pd.DataFrame, correctness: Callable[[str], Correctness | None]
) -> tuple[pd.DataFrame, RankRule]:
    """The rows of one status in order of rank."""
    stem, higher = f"metrics.{rank_by}", METRICS[rank_by].higher_is_better
    rank_N = _exact_ranks(best, stem, higher_is_better=higher)
    low_N, high_N, rule = _possible_ranks(rank_by, best, correctness)
    best = best.assign(rank=rank_N, rank_low=low_N, rank_high=high_N)
    best = best.astype({"rank": "Int64", "rank_low": "Int64", "rank_high": "Int64"})
    return best.sort_values(["rank", "entry"], kind="stable", ignore_index=True), rule


def _exact_ranks(best: pd.DataFrame, stem: str, *, higher_is_better: bool) -> Any:
    """Ranks from counts where every entry has one, so that equal counts are equal and nothing else is."""
    count_N, num_samples_N = _numbers(best, f"{stem}.count"), _numbers(best, f"{stem}.num_samples")
    by_count = bool(len(best)) and not np.isnan(count_N).any() and bool((num_samples_N == num_samples_N[0]).all())
    return ranks(count_N if by_count else _numbers(best, f"{stem}.value"), higher_is_better=higher_is_better)


def _possible_ranks(
    rank_by: str, best: pd.DataFrame, correctness: Callable[[str], Correctness | None]
) -> tuple[Any, Any, RankRule]:
    """Best and worst possible ranks: by tests where the answers to each image are kept, else by intervals."""
    stem = f"metrics.{rank_by}"
    bits = {run: found for run in best["run"] if (found := correctness(run)) is not None}
    if rank_by in ("top1", "top5") and len(bits) > 1:
        count_N, num_samples_N = _numbers(best, f"{stem}.count"), _numbers(best, f"{stem}.num_samples")
        p_NN = unpaired_p_values(count_N, num_samples_N)
        digests = best["dataset.digest"].to_numpy()
        kept_N = np.array([run in bits for run in best["run"]], dtype=bool)
        paired_NN = np.zeros(p_NN.shape, dtype=bool)
        for digest in set(digests[kept_N]):
            (at,) = np.nonzero(kept_N & (digests == digest))
            right_NS = np.stack([getattr(bits[run], f"{rank_by}_N") for run in best["run"].iloc[at]])
            p_NN[np.ix_(at, at)] = paired_p_values(right_NS)
            paired_NN[np.ix_(at, at)] = True
        low_N, high_N = rank_intervals_by_tests(count_N / num_samples_N, p_NN)
        return low_N, high_N, "paired" if paired_NN.all() else "mixed"
    low_N, high_N = (_numbers(best, f"{stem}.{end}") for end in ("ci_low", "ci_high"))
    unknown_N = np.isnan(low_N) | np.isnan(high_N)
    low_N, high_N = np.where(unknown_N, -np.inf, low_N), np.where(unknown_N, np.inf, high_N)
    return *rank_intervals(low_N, high_N, higher_is_better=METRICS[rank_by].higher_is_better), "intervals"


def _numbers(frame: pd.DataFrame, name: str) -> Any:
    """A column as float64 with NaN for what is missing, all of it where there is no such column."""
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
