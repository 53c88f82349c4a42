"""CSV that no spreadsheet runs as a formula, Markdown and LaTeX that no name leaves."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leaderboard.made_results import hostile_names

from bench.leaderboard.exports import (
    csv_of_rows,
    csv_text,
    latex_cell,
    latex_text,
    markdown_cell,
    markdown_text,
    plain,
)

VECTORS = [vector for vector in hostile_names() if vector["accept"]]
STARTS = "=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_hostile_names_have_their_known_cells(vector: dict[str, str]) -> None:
    """The same vectors hold for every exporter."""
    text = csv_text(["name", "n"], [[vector["name"], 1]])

    cell = text.split("\r\n", 1)[1].removesuffix(",1\r\n")
    if "csv" in vector:
        assert cell == vector["csv"]
    assert next(iter(csv.reader(io.StringIO(text.split("\r\n", 1)[1], newline=""))))[0].lstrip("'") == vector[
        "name"
    ].lstrip("'")


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=5))
def test_every_text_comes_back_and_none_starts_a_formula(rows: list[list[str]]) -> None:
    """RFC 4180: what is written is read again, apart from the guard."""
    text = csv_text(["a", "b"], rows)

    read = list(csv.reader(io.StringIO(text, newline="")))
    assert text.endswith("\r\n")
    assert read[1:] == [[f"'{cell}" if cell[:1] and cell[0] in STARTS else cell for cell in row] for row in rows]


def test_numbers_stay_numbers() -> None:
    """The guard is for text only, missing values are empty cells."""
    assert csv_text(["a", "b", "c", "d", "e"], [[-0.5, 3, None, True, "-0.5"]]).splitlines()[1] == "-0.5,3,,true,'-0.5"


def test_rows_may_have_different_keys() -> None:
    """The named columns come first, the others sorted behind them."""
    assert csv_of_rows([{"b": 1, "x": 2}, {"a": 3}], first=("x",)) == "x,a,b\r\n2,,1\r\n,3,\r\n"


def test_plain_values_are_what_json_knows() -> None:
    """Numbers of numpy become Python's, NaN becomes null."""
    import numpy as np

    assert plain(np.float64(0.5)) == 0.5
    assert type(plain(np.int64(3))) is int
    assert plain(float("nan")) is None


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_hostile_names_have_their_known_cells_in_markdown_and_latex(vector: dict[str, str]) -> None:
    """The vectors say what is escaped; all other names stay as they are."""
    if "md" in vector:
        assert markdown_cell(vector["name"]) == vector["md"]
    if "tex" in vector:
        assert latex_cell(vector["name"]) == vector["tex"]
    assert re.sub(r"\\(.)", r"\1", markdown_cell(vector["name"])) == vector.get("shown", vector["name"])


@given(st.text())
def test_no_text_leaves_its_cell(text: str) -> None:
    """Neither a new line nor an unescaped mark of Markdown or LaTeX is left."""
    markdown, latex = markdown_cell(text), latex_cell(text)

    assert len(f"{markdown}{latex}".splitlines()) <= 1
    assert not re.search(r"[|`*_~<>\[\]\\]", re.sub(r"\\[\\|`*_~<>\[\]]", "", markdown))
    command = r"\\text(backslash|asciitilde|asciicircum|less|greater)\{\}|\\[&%$#_{}]"
    assert not re.search(r"[\\&%$#_{}~^<>]", re.sub(command, "", latex))


def test_markdown_tables_are_aligned_by_kind() -> None:
    """Numbers stand to the right."""
    text = markdown_text(["Model", "Top-1, %"], [["a|b", "76.13"]], numeric=[False, True])

    assert text == "| Model | Top-1, % |\n| --- | ---: |\n| a\\|b | 76.13 |\n"


def test_a_latex_row_is_no_argument_of_the_line_before() -> None:
    """After a new line of a table TeX takes a bracket or a star as an argument."""
    text = latex_text("x\ny", ["Model"], [["[1pt]"], ["*"], ["c"]], numeric=[False])

    assert text.splitlines() == [
        "% x y",
        r"% Needs \usepackage{booktabs}.",
        r"\begin{tabular}{l}",
        r"\toprule",
        r"Model \\",
        r"\midrule",
        r"{}[1pt] \\",
        r"{}* \\",
        r"c \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_a_long_latex_table_breaks_across_pages() -> None:
    """Its head is repeated."""
    text = latex_text("x", ["n"], [[str(row)] for row in range(41)], numeric=[True])

    assert "\\usepackage{booktabs,longtable}" in text
    assert "\\begin{longtable}{r}\n\\toprule\nn \\\\\n\\midrule\n\\endhead\n0 \\\\\n" in text
