"""What a column is, and how its values become the text of a cell: the only place where fractions become percent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DASH", "EN_DASH", "GROUP_TITLES", "Column", "Group", "is_missing", "values_of"]

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
        """A value of the data frame as a cell shows it."""
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
