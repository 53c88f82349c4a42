"""The plot of a board: its staircase, its edge, its words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from leaderboard.made_results import BOARD, run_of, write_boards

from bench.leaderboard.board import load_boards
from bench.leaderboard.frame import frame_of
from bench.leaderboard.scales import Scale, fence, tick_text
from bench.leaderboard.scatter import Axes, axes_of, axis_columns, mini_scatter, scatter
from bench.leaderboard.standing import Standing, standing
from bench.leaderboard.svg import markup
from bench.records.result import Cost

NUMBER = r"-?\d+(\.\d+)?"


def _standing(tmp_path: Path, results: list[Any], board: str = BOARD) -> Standing:
    boards, _ = load_boards(write_boards(tmp_path / "boards", board))
    return standing(boards[0], frame_of(results))


def _field(tmp_path: Path) -> Standing:
    """Forty entries whose accuracy grows with their size, two far below all others, one without a size."""
    counts = [300 + 4 * index for index in range(40)] + [10, 20, 440]
    return _standing(
        tmp_path,
        [
            run_of(
                f"net{index}",
                count,
                costs={"num_params": Cost(value=1e6 * 1.2**index, unit="parameters")} if index < 42 else {},
            )
            for index, count in enumerate(counts)
        ],
    )


def test_the_frontier_is_a_staircase(tmp_path: Path) -> None:
    """Between two entries nothing better is known: only H and V after M, for every pair of axes."""
    place = _field(tmp_path)
    columns = axis_columns(place)
    assert {"top1", "nll", "num_params"} <= {column.name for column in columns}
    for x in columns:
        for y in columns:
            path = scatter(place, Axes(x, y)).svg.find("path[@class='frontier']")
            assert path is not None
            assert re.fullmatch(rf"M{NUMBER} {NUMBER}([HV]{NUMBER})+", path.get("d", ""))


def test_outliers_are_hollow_at_the_edge_and_counted_in_words(tmp_path: Path) -> None:
    """They cannot flatten the plot; every entry with both values has one mark."""
    place = _field(tmp_path)
    axes = axes_of(place)
    assert axes is not None
    assert (axes.x.name, axes.y.name) == ("num_params", "top1")

    plot = scatter(place, axes)

    assert re.fullmatch(r"2 entries below [\d.]+ % are drawn hollow at the lower edge\.", plot.note)
    text = markup(plot.svg)
    assert text.count("h0") == 40
    assert text.count("a3 3 0 1 0-6 0") == 2
    assert plot.svg.get("aria-label", "").startswith("Top-1, % against Params, M")


def test_a_board_without_two_numbers_has_no_plot(tmp_path: Path) -> None:
    """Nor has an empty one, nor one of text."""
    assert axes_of(_standing(tmp_path / "a", [])) is None
    assert mini_scatter(_standing(tmp_path / "b", [])) is None
    text = re.sub(r"columns = .*", 'columns = ["rank", "model", "top1"]', BOARD, flags=re.DOTALL)
    assert axes_of(_standing(tmp_path / "c", [run_of("a", 400)], text)) is None


def test_the_small_plot_has_points_and_frontier_only(tmp_path: Path) -> None:
    """It fits its size and says what it is."""
    mini = mini_scatter(_field(tmp_path), width=220, height=90)

    assert mini is not None
    assert mini.get("viewBox") == "0 0 220 90"
    assert mini.get("aria-label") == "Top-1, % against Params, M: 42 entries and their frontier"
    assert not list(mini.iter("text"))


def test_the_board_chooses_the_horizontal_axis(tmp_path: Path) -> None:
    """`plot_against` names a column."""
    board = BOARD + '\nplot_against = "nll"\n'
    axes = axes_of(_standing(tmp_path, [run_of("a", 400)], board))
    assert axes is not None
    assert axes.x.name == "nll"


@pytest.mark.parametrize(
    ("values", "is_log", "ticks"),
    [
        ([1.0, 1000.0], True, [1, 10, 100, 1000]),
        ([30.0, 70_000.0], True, [100, 1000, 10_000]),
        ([2.0, 45.0], True, [2, 5, 10, 20]),
        ([0.0, 100.0], False, [0, 20, 40, 60, 80, 100]),
        ([81.35, 82.15], False, [81.4, 81.6, 81.8, 82.0]),
        ([3.0, 3.0], False, [3.0]),
    ],
)
def test_scales_have_round_numbers(values: list[float], is_log: bool, ticks: list[float]) -> None:
    """Logarithmic where all are positive and wide; the ends lie where they should."""
    scale = Scale.over(values, 0, 100, may_be_log=True)

    assert scale.is_log == is_log
    assert scale.ticks(6) == pytest.approx(ticks)
    assert scale.at(min(values)) == (0 if len(set(values)) > 1 else 50)
    assert scale.at(1e12) == (100 if len(set(values)) > 1 else 50)


def test_the_fence_lies_beyond_the_worse_quartile() -> None:
    """Lower quartile less 2.5 quartile ranges, mirrored where lower is better; never beyond the worst value."""
    values = [float(value) for value in range(100, 200)] + [1.0]
    assert fence(values, higher_is_better=True) == 1.0
    tight = [100.0 + value / 10 for value in range(100)] + [1.0]
    quarter = sorted(tight)[25]
    assert fence(tight, higher_is_better=True) == pytest.approx(quarter - 2.5 * 5.0)
    assert fence([-value for value in tight], higher_is_better=False) == pytest.approx(2.5 * 5.0 - quarter)
    assert fence([5.0, 5.0, 5.0, 5.0, 1.0], higher_is_better=True) == 1.0


def test_ticks_are_easy_to_read() -> None:
    """Thousands have commas, fractions no trailing zeros, tiny ones an exponent."""
    assert [tick_text(value) for value in (20000.0, 0.5, 0.0, 3.0, 1e-7)] == ["20,000", "0.5", "0", "3", "1e-07"]
