"""The data beside each page: CSV that no spreadsheet runs as a formula (RFC 4180, UTF-8), and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.files import canonical_json
from bench.leaderboard.columns import is_missing

__all__ = ["csv_of_rows", "csv_text", "json_text", "plain"]

_FORMULA_STARTS = frozenset("=+-@\t\r\n\0\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}") | frozenset(
    "\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)


def csv_text(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV.

    Text that a spreadsheet would run gets a leading apostrophe; numbers stay numbers, so -0.5 does.

    Args:
        headers: The names of the columns.
        rows: The cells: text, numbers, booleans, or None for an empty cell.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_guarded(header) for header in headers])
    writer.writerows(
        [
            _guarded(value) if type(value) is str else str(value).lower() if type(value) is bool else value
            for value in row
        ]
        for row in rows
    )
    return out.getvalue()


def csv_of_rows(rows: Sequence[Mapping[str, Any]], first: Sequence[str] = ()) -> str:
    """Rows with names as CSV: the columns `first` in their order, then all others sorted by name."""
    others = {name for row in rows for name in row}.difference(first)
    headers = [*first, *sorted(others)]
    return csv_text(headers, ([row.get(name) for name in headers] for row in rows))


def _guarded(text: str) -> str:
    return f"'{text}" if text[:1] in _FORMULA_STARTS else text


def json_text(value: Any) -> str:
    """A value as one line of canonical JSON."""
    return canonical_json(value) + "\n"


def plain(value: Any) -> Any:
    """A value of a data frame as JSON knows it: None where it is missing."""
    if is_missing(value):
        return None
    return value.item() if hasattr(value, "item") else value
