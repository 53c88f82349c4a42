"""What stands at the top of a board: a few facts, and how its ranks are to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.leaderboard.column import Column, values_of
from bench.leaderboard.columns import column_of
from bench.leaderboard.standing import RankRule, Standing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RANK_RULES", "Headline", "headline", "last_change"]

FAST = 1000.0
"""Images a second that a fast entry reaches."""
GOOD = 0.8
"""Top-1 accuracy that a good entry reaches."""
RANK_RULES: dict[RankRule, str] = {
    "paired": "Beside the rank: the ranks that are possible at 95%, by exact McNemar tests of every pair of entries on "
    "the same images, Holm-corrected for each entry.",
    "mixed": "Beside the rank: the ranks that are possible at 95%, Holm-corrected for each entry: by exact McNemar "
    "tests where the answers of both entries to each image are kept, by two-proportion z tests for all other pairs.",
    "intervals": "Beside the rank: the ranks that are possible when every 95% interval is taken at its worst (overlap "
    "of intervals, a safe and wide rule).",
}
"""How rank intervals were found, in plain words."""


class Headline(NamedTuple):
    """One fact."""

    label: str
    value: str
    small: str = ""
    """What stands small behind it: the unit, the interval."""


def headline(standing: Standing) -> list[Headline]:
    """The facts: results, the best one, and with a throughput also the best fast one and the fastest good one.

    They are about the rows of the most trusted status that the board has.
    """
    facts = [Headline("Results", f"{standing.num_ranked:,}")]
    if not standing.num_ranked:
        return facts
    column, stem = column_of(standing.loaded.rank_by), f"metrics.{standing.loaded.rank_by}"
    frame = standing.ranked[standing.ranked["rank"].notna()]
    frame = frame[frame["status"] == frame["status"].iloc[0]]
    best = frame.iloc[0].to_dict()
    interval = column.interval(best.get(f"{stem}.ci_low"), best.get(f"{stem}.ci_high"))
    facts.append(
        Headline(
            f"Best {column.title.lower()}", f"{column.text(best[f'{stem}.value'])} {column.unit}".strip(), interval
        )
    )
    speed = throughput_column(standing)
    if speed is not None and column.name == "top1":
        facts += _speed_facts(frame, column, speed)
    if len(facts) < 4 and (day := last_change(standing)):
        facts.append(Headline("Last change", day))
    return facts


def throughput_column(standing: Standing) -> Column | None:
    """The throughput that a board's facts speak of: the one it is plotted against, or else its first."""
    columns = [item for item in standing.loaded.columns if item.source.endswith("costs.throughput_img_s.value")]
    wanted = standing.loaded.board.plot_against
    return next((item for item in columns if item.name == wanted), columns[0] if columns else None)


def _speed_facts(frame: pd.DataFrame, accuracy: Column, speed: Column) -> list[Headline]:
    machine = "" if speed.title == "Throughput" else f" on {speed.title}"
    pairs = [
        (value, pace)
        for value, pace in zip(values_of(frame, accuracy.source), values_of(frame, speed.source), strict=True)
        if value == value and pace == pace and value is not None and pace is not None  # noqa: PLR0124 - NaN is not itself
    ]
    facts = []
    if fast := [value for value, pace in pairs if pace >= FAST]:
        facts.append(
            Headline(
                f"Best at \N{GREATER-THAN OR EQUAL TO} {FAST:,.0f} img/s", f"{accuracy.text(max(fast))} %", machine
            )
        )
    if good := [pace for value, pace in pairs if value >= GOOD]:
        label = f"Fastest at \N{GREATER-THAN OR EQUAL TO} {GOOD:.0%}"
        facts.append(Headline(label, f"{speed.text(max(good))} {speed.unit}", machine))
    return facts


def last_change(standing: Standing) -> str:
    """The day of a board's newest run or of what was last withdrawn, or an empty text."""
    frames = (standing.ranked, standing.unranked)
    names = ("created_at", "retraction.created_at")
    days = [day[:10] for frame in frames for name in names for day in frame[name] if isinstance(day, str)]
    return max(days, default="")
