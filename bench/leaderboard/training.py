"""A training on the page of its submission: the courses of all attempts as curves, and a row an attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from markupsafe import Markup

from bench.leaderboard.column import DASH
from bench.leaderboard.columns import COLUMNS
from bench.leaderboard.scales import Scale, tick_text
from bench.leaderboard.svg import element, markup, number
from bench.records.result import Result
from bench.records.training import Attempt, Attempts, CurvePoint

__all__ = ["AttemptRow", "Curve", "Training", "training_of"]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 440, 230, 48, 40, 14, 14
_MOST_TICKS = 5
_STYLES = 4
"""So many lines look different; more attempts begin anew."""


class Curve(NamedTuple):
    """One number over the epochs, a line an attempt."""

    title: str
    summary: str
    """What somebody who does not see it is told."""
    drawing: Markup


class AttemptRow(NamedTuple):
    """What the table says of an attempt."""

    number: int
    seed: int
    outcome: str
    epochs: int
    top1: str
    train: str
    wait: str
    apart: str
    """Start-up, compiling and evaluation, which the training clock does not count."""
    memory: str
    reached: str
    """When it reached the target; a word where it did not."""


class Training(NamedTuple):
    """What the page shows of a training."""

    curves: list[Curve]
    rows: list[AttemptRow]
    has_target: bool
    line_words: str
    """Which line is which attempt."""


def training_of(result: Result, attempts: Attempts) -> Training:
    """What a page shows of a result of training.

    Args:
        result: The result.
        attempts: What lies beside it.
    """
    has_target = result.training is not None and result.training.num_missed is not None
    kinds: list[tuple[str, str, Callable[[CurvePoint], float | None]]] = [
        ("Top-1 while it was trained", "%", lambda point: None if point.top1 is None else 100 * point.top1),
        ("Training loss", "", lambda point: point.loss),
    ]
    curves = [curve for title, unit, read in kinds if (curve := _curve(title, unit, attempts.attempts, read))]
    many = len(attempts.attempts)
    styles = ("solid", "dashed", "dotted", "dash-dotted")
    words = ", ".join(f"{one.number} {styles[index % _STYLES]}" for index, one in enumerate(attempts.attempts[:8]))
    return Training(
        curves=curves,
        rows=[_row(one) for one in attempts.attempts],
        has_target=has_target,
        line_words="" if many == 1 else f"A line an attempt: {words}{', ...' if many > 8 else ''}.",
    )


def _row(one: Attempt) -> AttemptRow:
    top1 = one.final.get("top1")
    apart = [(one.start_s, "start"), (one.compile_s, "compiling"), (one.evaluate_s, "evaluation")]
    reached = one.reached
    return AttemptRow(
        number=one.number,
        seed=one.seed,
        outcome=one.outcome,
        epochs=one.epochs,
        top1=COLUMNS["top1"].text(None if top1 is None else top1.value),
        train=f"{one.train_s:,.1f}",
        wait=DASH if one.wait_s is None or not one.train_s else f"{100 * one.wait_s / one.train_s:.1f}",
        apart=", ".join(f"{seconds:,.1f} {words}" for seconds, words in apart if seconds) or DASH,
        memory=DASH if one.peak_memory_mib is None else f"{one.peak_memory_mib:,.0f}",
        reached="missed" if reached is None else f"{reached.train_s:,.1f} s, epoch {reached.epoch}",
    )


def _curve(
    title: str, unit: str, attempts: Sequence[Attempt], read: Callable[[CurvePoint], float | None]
) -> Curve | None:
    """The drawing of one number; None where no attempt has two points of it."""
    lines = []
    for one in attempts:
        points = [(point.epoch, value) for point in one.curve if (value := read(point)) is not None]
        lines.append(points)
    if not any(len(points) > 1 for points in lines):
        return None
    ends = [points[-1][1] for points in lines if points]
    spread = f"{min(ends):.4g}" if min(ends) == max(ends) else f"{min(ends):.4g} to {max(ends):.4g}"
    summary = f"{title}: {spread}{unit} at the end, {len(lines)} {'attempt' if len(lines) == 1 else 'attempts'}"
    return Curve(title, summary, Markup(markup(_drawing(lines, unit, summary))))  # noqa: S704 - by an XML library


def _drawing(lines: Sequence[Sequence[tuple[int, float]]], unit: str, summary: str) -> Element:
    every = [point for points in lines for point in points]
    floor, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    xs = Scale.over([0, *(epoch for epoch, _ in every)], _LEFT, right, may_be_log=False)
    ys = Scale.over([value for _, value in every], floor, _TOP, may_be_log=False)
    parts = []
    for tick in ys.ticks(_MOST_TICKS):
        y = ys.at(tick)
        parts.append(element("path", {"d": f"M{_LEFT} {number(y)}H{number(right)}"}))
        parts.append(element("text", {"x": _LEFT - 6, "y": y + 4, "text-anchor": "end"}, tick_text(tick) + unit))
    for tick in xs.ticks(_MOST_TICKS):
        anchor = "end" if xs.at(tick) > right - 4 else "middle"
        where: dict[str, str | float] = {"x": xs.at(tick), "y": floor + 17, "text-anchor": anchor}
        parts.append(element("text", where, tick_text(tick)))
    for index, points in enumerate(lines):
        places = [(xs.at(epoch), ys.at(value)) for epoch, value in points]
        if len(places) > 1:
            path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in places)
            parts.append(element("path", {"class_": f"run run-{index % _STYLES}", "d": path}))
        if places:
            x, y = places[-1]
            words = f"attempt {index + 1}: {points[-1][1]:.4g}{unit} after epoch {points[-1][0]}"
            parts.append(element("circle", {"cx": x, "cy": y, "r": 3}, element("title", {}, words)))
    label: dict[str, str | float] = {"x": (_LEFT + right) / 2, "y": _HEIGHT - 6, "text-anchor": "middle"}
    parts.append(element("text", label, "Epochs"))
    box = {"viewBox": f"0 0 {_WIDTH} {_HEIGHT}", "width": str(_WIDTH), "height": str(_HEIGHT)}
    return element("svg", {"class_": "speed", "role": "img", "aria-label": summary, **box}, *parts)
