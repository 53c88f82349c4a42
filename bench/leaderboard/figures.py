"""Figures for papers and READMEs: accuracy against cost, and the first twenty with their intervals, of every board.

SVG comes from the generator of the pages; PNG and PDF are drawn by matplotlib, the extra `figures`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from bench.errors import UsageError
from bench.files import write_atomic
from bench.leaderboard.column import values_of
from bench.leaderboard.forest import forest, forest_rows
from bench.leaderboard.labels import Box, Label, placed_labels
from bench.leaderboard.material import Material
from bench.leaderboard.paper import Dot, paper_forest, paper_scatter
from bench.leaderboard.scales import Scale
from bench.leaderboard.scatter import Axes, axes_of, axis_columns, scatter
from bench.leaderboard.standalone import Caption, standalone
from bench.leaderboard.standing import Standing
from bench.leaderboard.svg import element
from bench.leaderboard.text_width import fitted

__all__ = ["Figure", "figures_of", "needs_matplotlib", "write_figures"]

_WIDTH, _HEIGHT = 860.0, 440.0
_LABEL = 11.0
_LONGEST_LABEL = 260.0


class Figure(NamedTuple):
    """One file."""

    name: str
    content: bytes


def needs_matplotlib() -> None:
    """Says how to get matplotlib where it is absent, before anything is written.

    Raises:
        UsageError: It is absent.
    """
    if find_spec("matplotlib") is None:
        raise UsageError("--figures draws with matplotlib, which is not installed: pip install 'ilsvrc-bench[figures]'")


def write_figures(material: Material, folder: Path) -> list[Path]:
    """Writes the figures of all boards: `<board>-cost` and `<board>-forest`, each as `.svg`, `.png` and `.pdf`.

    A board without any speed or cost has `<board>-plot` instead, the plot that its page opens with.

    Args:
        material: The results and boards.
        folder: Where they are written; files of other names are left alone.

    Returns:
        The files, in order.

    Raises:
        UsageError: matplotlib is absent.
        StoreError: The folder cannot be written.
    """
    needs_matplotlib()
    paths = []
    for place in material.standings:
        for figure in figures_of(place):
            paths.append(folder / figure.name)
            write_atomic(paths[-1], figure.content)
    return paths


def figures_of(place: Standing) -> Iterator[Figure]:
    """The figures of a board; none of what nothing was measured for."""
    axes = axes_of(place)
    if axes is not None:
        yield from _plot_figures(place, _against_cost(place, axes))
    if place.num_ranked:
        yield from _forest_figures(place)


def _against_cost(place: Standing, axes: Axes) -> Axes:
    """The axes of the page, but with a speed or cost along x where there is one: a figure is read without the page."""
    costs = [column for column in (axes.x, *axis_columns(place)) if column.group in ("throughput", "cost")]
    return axes._replace(x=next((column for column in costs if column != axes.y), axes.x))


def _plot_figures(place: Standing, axes: Axes) -> Iterator[Figure]:
    board, plot = place.loaded.board, scatter(place, axes, _WIDTH, _HEIGHT)
    if plot.scales is None:
        return
    words = f"{axes.y.label} against {axes.x.label}; the line is the frontier{_whose(place)}"
    caption = Caption(board.title, words, plot.note)
    dots = _dots(place, axes)
    on_frontier = [dot for index in plot.frontier if (dot := dots.get(index)) and _is_inside(dot, plot.scales)]
    stem = f"{board.id}-{'cost' if axes.x.group in ('throughput', 'cost') else 'plot'}"
    for label in _labels(on_frontier, plot.scales, list(dots.values()), leftwards=not axes.x.higher_is_better):
        at = {"x": label.x, "y": label.y, "text-anchor": label.anchor}
        plot.svg.append(element("text", {"class_": "label", **at}, label.text))
    yield Figure(f"{stem}.svg", standalone(caption, plot.svg).encode())
    for suffix, content in paper_scatter(caption, axes, plot.scales, list(dots.values()), on_frontier).items():
        yield Figure(f"{stem}.{suffix}", content)


def _dots(place: Standing, axes: Axes) -> dict[int, Dot]:
    """From row to dot, for the rows that have both values."""
    columns = (values_of(place.ranked, name) for name in (axes.x.source, axes.y.source, "submission.title"))
    dots = {}
    for index, (x, y, title) in enumerate(zip(*columns, strict=True)):
        shown_x, shown_y = axes.x.shown(x), axes.y.shown(y)
        if shown_x is not None and shown_y is not None and shown_x > 0:
            dots[index] = Dot(shown_x, shown_y, str(title))
    return dots


def _is_inside(dot: Dot, scales: tuple[Scale, Scale]) -> bool:
    return scales[1].low <= dot.y <= scales[1].high


def _labels(
    frontier: Sequence[Dot], scales: tuple[Scale, Scale], dots: Sequence[Dot], *, leftwards: bool
) -> list[Label]:
    x_scale, y_scale = scales
    steps, others = ([(x_scale.at(dot.x), y_scale.at(dot.y)) for dot in part] for part in (frontier, dots))
    room = Box(x_scale.start - 6, y_scale.end - 14, x_scale.end + 30, y_scale.start + 6)
    texts = [fitted(dot.title, _LABEL, _LONGEST_LABEL) for dot in frontier]
    return placed_labels(steps, texts, room, size=_LABEL, leftwards=leftwards, others=others)


def _whose(place: Standing) -> str:
    """Who stands for the numbers, unless all were verified here."""
    statuses = [status for status in place.loaded.board.statuses if status in set(place.ranked["status"])]
    return "" if statuses in ([], ["verified"]) else f"; {' and '.join(statuses)} results"


def _forest_figures(place: Standing) -> Iterator[Figure]:
    board, (column, rows) = place.loaded.board, forest_rows(place)
    shown = f"The first {len(rows)} of {place.num_ranked:,}" if len(rows) < place.num_ranked else f"All {len(rows)}"
    caption = Caption(board.title, f"{shown} by {column.title.lower()}; lines are 95% intervals{_whose(place)}")
    yield Figure(f"{board.id}-forest.svg", standalone(caption, forest(column, rows, _WIDTH)).encode())
    for suffix, content in paper_forest(caption, column, rows).items():
        yield Figure(f"{board.id}-forest.{suffix}", content)
