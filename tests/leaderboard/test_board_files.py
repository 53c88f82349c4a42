"""Whole boards as Markdown, LaTeX and Parquet, and every run as one Parquet table."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from leaderboard.made_results import PROTOCOL, hostile_store, tiny_store, write_boards

from bench.leaderboard.board_files import board_file_pages, board_frame, board_text, typed
from bench.leaderboard.material import Material
from bench.leaderboard.table import board_csv, board_records
from bench.store import Store

JOINED = """
format_version = 1
id = "joined"
title = "Joined"
description = "Numbers of another protocol beside the ranked ones."
protocol = "shapes10-val"
columns = ["rank", "model", "top1", "again.top1", "again.top1_interval", "license"]

[[joins]]
name = "again"
title = "Again"
protocol = "shapes10-val"
"""


def _material(folder: Path, store: Store, *boards: str) -> Material:
    return Material(store, write_boards(folder / "boards", *boards))


def _files(material: Material) -> dict[str, bytes]:
    return {page.path: page.make() for page in board_file_pages(material)}


def test_every_board_has_its_files(tmp_path: Path) -> None:
    """Beside the page; the runs of all boards stand in one table at the top."""
    assert list(_files(_material(tmp_path, tiny_store(tmp_path)))) == [
        "boards/tiny.md",
        "boards/tiny.tex",
        "boards/tiny.parquet",
        "table.parquet",
    ]


def test_the_parquet_of_a_board_is_its_csv_with_types(tmp_path: Path) -> None:
    """Rows, order, names and numbers are those of the CSV file; a round trip gives the same frame."""
    material = _material(tmp_path, tiny_store(tmp_path), JOINED)
    (place,) = material.standings

    read = pd.read_parquet(io.BytesIO(_files(material)["boards/joined.parquet"]))

    csv = pd.read_csv(io.StringIO(board_csv(place, board_records(place))))
    pd.testing.assert_frame_equal(read, board_frame(place))
    assert read.columns.tolist() == csv.columns.tolist()
    assert read["run"].tolist() == csv["run"].tolist()
    assert read["rank"].dtype == "Int64"
    for name in ("rank", "metrics.top1.value", "again.metrics.top1.count"):
        pd.testing.assert_series_equal(read[name].astype("float64"), csv[name].astype("float64"))


def test_the_parquet_of_all_runs_gives_back_the_frame(tmp_path: Path) -> None:
    """Columns of one type come back as they were; true and false get a type of their own."""
    material = _material(tmp_path, tiny_store(tmp_path))

    read = pd.read_parquet(io.BytesIO(_files(material)["table.parquet"]))

    pd.testing.assert_frame_equal(read, typed(material.frame))
    pd.testing.assert_frame_equal(read, material.frame, check_dtype=False)


def test_columns_of_mixed_types_survive_as_text() -> None:
    """Parquet has one type a column."""
    frame = pd.DataFrame({"mixed": pd.Series([1, "one", None, True], dtype="object"), "n": [1, 2, 3, 4]})

    done = typed(frame)

    assert [None if pd.isna(value) else value for value in done["mixed"]] == ["1", "one", None, "True"]
    assert done["n"].tolist() == [1, 2, 3, 4]


def test_equal_boards_give_equal_bytes_and_inputs(tmp_path: Path) -> None:
    """Read twice, in two folders."""
    one, other = (list(board_file_pages(_material(tmp_path / x, tiny_store(tmp_path / x)))) for x in "ab")

    assert [(page.path, page.inputs, page.make()) for page in one] == [
        (page.path, page.inputs, page.make()) for page in other
    ]


def test_a_retraction_changes_the_inputs(tmp_path: Path) -> None:
    """No record changes, but ranks and reasons do."""
    store = tiny_store(tmp_path)
    before = {page.path: page.inputs for page in board_file_pages(_material(tmp_path, store))}
    (path,) = (store.results / PROTOCOL / "acme" / "lenet").glob("*Z-????????????.json")
    retraction = {"format_version": 1, "run": path.stem, "reason": "x", "by": "y", "created_at": "2026-09-01T00:00:00Z"}
    path.with_suffix(".retract.json").write_text(json.dumps(retraction), encoding="utf-8")

    after = {page.path: page.inputs for page in board_file_pages(_material(tmp_path, store))}

    assert all(before[name] != after[name] for name in before)


def test_markdown_reads_back_as_the_table(tmp_path: Path) -> None:
    """Hostile names end no cell and no row: unescaped, the cells are those of the page."""
    material = _material(tmp_path, hostile_store(tmp_path))
    table = board_text(material.standings[0])

    header, rule, *lines = _files(material)["boards/tiny.md"].decode().splitlines()

    read = [re.split(r"(?<!\\)\|", line)[1:-1] for line in (header, *lines)]
    shown = [[re.sub(r"\\(.)", r"\1", cell).strip() for cell in row] for row in read]
    assert shown == [table.headers, *table.rows]
    assert len(rule.split("|")) == len(table.headers) + 2


def test_latex_reads_back_as_the_table(tmp_path: Path) -> None:
    """One line a row, one unescaped ampersand between two cells, nothing that TeX would run."""
    material = _material(tmp_path, hostile_store(tmp_path))
    table = board_text(material.standings[0])

    text = _files(material)["boards/tiny.tex"].decode()

    body = text.split("\\midrule\n")[1].split("\\bottomrule")[0].splitlines()
    assert text.startswith("% Tiny board: all 17 rows of the board tiny, protocol shapes10-val\n")
    assert [len(re.split(r"(?<!\\)&", line)) for line in body] == [len(table.headers)] * len(table.rows)
    known = {"textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater"}
    assert set(re.findall(r"\\([a-zA-Z]+)", "\n".join(body))) <= known


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_a_tex_run_takes_the_file(tmp_path: Path) -> None:
    """Names in scripts that pdflatex has no fonts for are left out; all other hostile ones are in."""
    text = _files(_material(tmp_path, hostile_store(tmp_path)))["boards/tiny.tex"].decode()
    table = "\n".join(line for line in text.splitlines() if line.replace("\N{EN DASH}", "-").isascii())
    document = (
        f"\\documentclass{{article}}\\usepackage{{booktabs,longtable}}\\begin{{document}}{table}\\end{{document}}"
    )
    (tmp_path / "board.tex").write_text(document, encoding="utf-8")

    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "board.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-2000:]


def test_an_empty_board_has_files_with_headers(tmp_path: Path) -> None:
    """Nothing was measured yet: the columns are there."""
    (tmp_path / "results").mkdir()
    files = _files(_material(tmp_path, Store(tmp_path / "results")))

    assert len(files["boards/tiny.md"].splitlines()) == 2
    assert b"\\toprule" in files["boards/tiny.tex"]
    assert "metrics.top1.ci_low" in pd.read_parquet(io.BytesIO(files["boards/tiny.parquet"])).columns
    assert len(pd.read_parquet(io.BytesIO(files["table.parquet"]))) == 0
