"""CSV that no spreadsheet runs as a formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leaderboard.made_results import hostile_names

from bench.leaderboard.exports import csv_of_rows, csv_text, plain

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
