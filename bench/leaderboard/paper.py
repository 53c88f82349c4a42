"""Figures for a paper: PNG and PDF by matplotlib, equal bytes for equal numbers under one version of it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.leaderboard.column import Column
from bench.leaderboard.forest import ForestRow, ends_of
from bench.leaderboard.labels import Box, placed_labels
from bench.leaderboard.scales import Scale, tick_text
from bench.leaderboard.scatter import Axes
from bench.leaderboard.standalone import Caption, tokens
from bench.leaderboard.text_width import fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

__all__ = ["Dot", "paper_forest", "paper_scatter"]

_POINTS_PER_INCH = 72.0
_WIDTH = 6.8 * _POINTS_PER_INCH
"""The text width of most papers with one column, in points."""
_SIZE, _SMALL = 8.0, 6.5
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": _SIZE,
    "text.parse_math": False,  # a name with dollars is a name
    "text.usetex": False,
    "pdf.fonttype": 42,
    "axes.axisbelow": True,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}


class Dot(NamedTuple):
    """An entry of a plot: both values as they are shown, and its title."""

    x: float
    y: float
    title: str


class _Ground(NamedTuple):
    figure: Figure
    plot: Plot
    height: float
    """Of the figure, in points."""


def paper_scatter(
    caption: Caption, axes: Axes, scales: tuple[Scale, Scale], dots: Sequence[Dot], frontier: Sequence[Dot]
) -> dict[str, bytes]:
    """One number against another, with the staircase of the frontier and the names of some of its entries.

    Args:
        caption: The words around it.
        axes: What is drawn.
        scales: The scales of the page's plot; dots beyond the end of y are drawn hollow at the edge.
        dots: All entries.
        frontier: Those of the frontier, from the best x to the worst.

    Returns:
        From file suffix to content.
    """
    x_scale, y_scale = scales
    height = 290.0
    with _ground(caption, height=height, left=44, right=14, bottom=48) as ground:
        plot, accent = ground.plot, tokens()["accent"][0]
        for name, scale, room in (("x", x_scale, 0.02), ("y", y_scale, 0.04)):
            getattr(plot, f"set_{name}scale")("log" if scale.is_log else "linear")
            ticks = scale.ticks(8 if name == "x" else 6)
            getattr(plot, f"set_{name}ticks")(ticks, [tick_text(tick) for tick in ticks])
            getattr(plot, f"set_{name}ticks")([], minor=True)
            getattr(plot, f"set_{name}lim")(*_wider(scale, room))
        inside = [dot for dot in dots if y_scale.low <= dot.y <= y_scale.high]
        edge = [dot._replace(y=y_scale.low) for dot in dots if dot.y < y_scale.low]
        edge += [dot._replace(y=y_scale.high) for dot in dots if dot.y > y_scale.high]
        plot.plot(*_ends(inside), "o", color=accent, alpha=0.45, markersize=3.2, markeredgewidth=0)
        plot.plot(*_ends(edge), "o", color="none", markeredgecolor=accent, markeredgewidth=0.6, markersize=3.2)
        if frontier:
            worst_x = plot.get_xlim()[0 if axes.x.higher_is_better else 1]
            worst_y = plot.get_ylim()[0 if axes.y.higher_is_better else 1]
            first, last = frontier[0]._replace(y=worst_y), frontier[-1]._replace(x=worst_x)
            steps = _ends([first, *frontier, last])
            plot.plot(*steps, color=tokens()["bad"][0], linewidth=0.9, drawstyle="steps-post")
        plot.set_xlabel(axes.x.label)
        plot.set_ylabel(axes.y.label)
        plot.grid(visible=True, color=tokens()["line"][0])
        _name_frontier(ground, frontier, [*inside, *edge], leftwards=not axes.x.higher_is_better)
        return _files(ground.figure)


def _wider(scale: Scale, share: float) -> tuple[float, float]:
    """The ends of a scale and a little room beyond them."""
    if scale.is_log:
        factor = (scale.high / scale.low) ** share
        return scale.low / factor, scale.high * factor
    room = (scale.high - scale.low) * share or 1.0
    return scale.low - room, scale.high + room


def _ends(dots: Sequence[Dot]) -> tuple[list[float], list[float]]:
    return [dot.x for dot in dots], [dot.y for dot in dots]


def _name_frontier(ground: _Ground, frontier: Sequence[Dot], dots: Sequence[Dot], *, leftwards: bool) -> None:
    per_point = ground.figure.dpi / _POINTS_PER_INCH
    steps, others = (
        [
            (x / per_point, ground.height - y / per_point)
            for x, y in (ground.plot.transData.transform((dot.x, dot.y)).tolist() for dot in part)
        ]
        for part in (frontier, dots)
    )
    box = ground.plot.get_window_extent().frozen()
    top, floor = (ground.height - end / per_point for end in (box.y1, box.y0))
    room = Box(box.x0 / per_point, top - 8, _WIDTH - 4, floor)
    texts = [fitted(dot.title, _SMALL, 150.0) for dot in frontier]
    for label in placed_labels(steps, texts, room, size=_SMALL, leftwards=leftwards, others=others):
        side = "left" if label.anchor == "start" else "right"
        _write(ground, label.x, label.y, label.text, fontsize=_SMALL, ha=side)


def paper_forest(caption: Caption, column: Column, rows: Sequence[ForestRow]) -> dict[str, bytes]:
    """The first entries of a board, each with its interval on one scale.

    Args:
        caption: The words around it.
        column: What is drawn.
        rows: At least one, from `forest_rows`.

    Returns:
        From file suffix to content.
    """
    top, row_height, bottom = 44.0, 13.0, 40.0
    height = top + row_height * len(rows) + bottom
    with _ground(caption, height=height, left=226, right=100, bottom=bottom) as ground:
        plot, accent = ground.plot, tokens()["accent"][0]
        scale = Scale.over(ends_of(rows), 0, 1, may_be_log=False)
        for index, row in enumerate(rows):
            if row.low is not None and row.high is not None:
                plot.plot([row.low, row.high], [index, index], color=accent, linewidth=1.2)
            plot.plot([row.value], [index], "o", color=accent, markersize=3.2)
            base = top + row_height * (index + 0.5) + 0.35 * _SIZE
            _write(ground, 20, base, str(row.rank), color=tokens()["muted"][0], ha="right")
            _write(ground, 27, base, fitted(row.name, _SMALL + 0.5, 196), fontsize=_SMALL + 0.5, ha="left")
            _write(ground, _WIDTH - 96, base, row.text, color=tokens()["muted"][0], ha="left")
        plot.set_ylim(len(rows) - 0.5, -0.5)
        plot.set_yticks([])
        plot.spines["left"].set_visible(False)
        ticks = scale.ticks(5)
        plot.set_xticks(ticks, [tick_text(tick) for tick in ticks])
        plot.set_xlim(*_wider(scale, 0.03))
        plot.set_xlabel(column.label)
        plot.grid(visible=True, axis="x", color=tokens()["line"][0])
        return _files(ground.figure)


@contextmanager
def _ground(caption: Caption, *, height: float, left: float, right: float, bottom: float) -> Iterator[_Ground]:
    """A figure with its heading and one plot, under matplotlib's own settings and not the user's; sizes in points."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        # A name may be in a script that the font does not have.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(_WIDTH / _POINTS_PER_INCH, height / _POINTS_PER_INCH), dpi=200)
        top = 44.0
        sides = (left / _WIDTH, bottom / height, (_WIDTH - left - right) / _WIDTH, (height - top - bottom) / height)
        ground = _Ground(figure, figure.add_axes(sides), height)
        room = _WIDTH - 16
        _write(ground, 8, 18, fitted(caption.title, 10.5, room), fontsize=10.5, fontweight="bold")
        _write(ground, 8, 32, fitted(caption.subtitle, _SIZE, room), color=tokens()["muted"][0])
        if caption.note:
            _write(
                ground, 8, height - 7, fitted(caption.note, _SMALL, room), color=tokens()["muted"][0], fontsize=_SMALL
            )
        yield ground


def _write(ground: _Ground, x: float, y: float, text: str, **style: Any) -> None:
    """Text at a place of the figure, in points from its upper left corner to the base line."""
    ground.figure.text(x / _WIDTH, 1 - y / ground.height, text, va="baseline", **style)


def _files(figure: Figure) -> dict[str, bytes]:
    """The figure in both formats, without a date or a name of a program in it."""
    files = {}
    for suffix, metadata in (
        ("png", {"Software": None}),
        ("pdf", {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None}),
    ):
        out = io.BytesIO()
        figure.savefig(out, format=suffix, metadata=metadata)
        files[suffix] = out.getvalue()
    return files
