"""The data beside each page: CSV that no spreadsheet runs as a formula (RFC 4180, UTF-8), JSON, Markdown and LaTeX.

In Markdown and LaTeX white space is collapsed first and then the text is escaped, so no name ends a cell or a row.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.files import canonical_json
from bench.leaderboard.column import is_missing

__all__ = [
    "csv_of_rows",
    "csv_text",
    "json_text",
    "latex_cell",
    "latex_text",
    "markdown_cell",
    "markdown_text",
    "plain",
]

_FORMULA_STARTS = frozenset("=+-@\t\r\n\0\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}") | frozenset(
    "\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
_CONTROLS = re.compile("[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
"""Control characters that are no white space."""
_HARMLESS = re.compile("[0-9A-Za-z.,:;()+/\N{EN DASH}-]+(?: [0-9A-Za-z.,:;()+/\N{EN DASH}-]+)*")
"""Text that is the same in Markdown and LaTeX, as most cells are: single spaces, and nothing to escape."""
_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\|`*_~<>[]"})
_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}"}
)
_LONGEST_TABULAR = 40
"""Rows that fit on one page of a paper; a longer table is broken across pages."""


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


def markdown_cell(text: str) -> str:
    """A text as a cell of a Markdown table.

    >>> markdown_cell("a|b" + chr(10) + "*c*")
    'a\\\\|b \\\\*c\\\\*'
    """
    return text if _HARMLESS.fullmatch(text) else _collapsed(text).translate(_MARKDOWN)


def markdown_text(headers: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: Sequence[bool]) -> str:
    """A table in Markdown (GitHub's tables).

    Args:
        headers: The names of the columns.
        rows: The cells, as text.
        numeric: For each column whether it is aligned to the right.
    """
    rule = "|".join(" ---: " if is_numeric else " --- " for is_numeric in numeric)
    lines = [_markdown_row(headers), f"|{rule}|", *map(_markdown_row, rows)]
    return "\n".join(lines) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown_cell, cells))} |"


def latex_cell(text: str) -> str:
    r"""A text as a cell of a LaTeX table.

    >>> latex_cell("50% of A_1")
    '50\\% of A\\_1'
    """
    return text if _HARMLESS.fullmatch(text) else _collapsed(text).translate(_LATEX)


def latex_text(caption: str, headers: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Sequence[bool]) -> str:
    """A table in LaTeX, ruled by booktabs; more than 40 rows become a longtable, which breaks across pages.

    Args:
        caption: What it is, for the comment above it.
        headers: The names of the columns.
        rows: The cells, as text.
        numeric: For each column whether it is aligned to the right.
    """
    is_long = len(rows) > _LONGEST_TABULAR
    environment, packages = ("longtable", "booktabs,longtable") if is_long else ("tabular", "booktabs")
    end_of_head = [r"\endhead"] if is_long else []
    lines = [
        f"% {_collapsed(caption)}",
        rf"% Needs \usepackage{{{packages}}}.",
        rf"\begin{{{environment}}}{{{''.join('r' if is_numeric else 'l' for is_numeric in numeric)}}}",
        r"\toprule",
        _latex_row(headers),
        r"\midrule",
        *end_of_head,
        *map(_latex_row, rows),
        r"\bottomrule",
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    row = " & ".join(map(latex_cell, cells))
    # What begins with a bracket or a star would be an argument of the line before it.
    return f"{{}}{row} \\\\" if row.startswith(("[", "*")) else f"{row} \\\\"


def _collapsed(text: str) -> str:
    return _CONTROLS.sub("", " ".join(text.split()))
