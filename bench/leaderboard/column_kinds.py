"""Columns of a leaderboard that are alike: what those of one kind share."""

from __future__ import annotations

from bench.leaderboard.column import Column, Group
from bench.metrics import METRICS

__all__ = [
    "facet_column",
    "interval_column",
    "measured_column",
    "metric_column",
    "throughput_column",
    "training_column",
]


def metric_column(name: str, title: str, *, percent: bool, digits: int, width: int = 92) -> Column:
    """A metric, with its own words."""
    metric = METRICS[name]
    return Column(
        name=name,
        title=title,
        help=f"{metric.title}. {metric.help}",
        group="calibration" if metric.needs_probabilities else "accuracy",
        kind="percent" if percent else "number",
        source=f"metrics.{name}.value",
        digits=digits,
        scale=100 if percent else 1,
        unit="%" if percent else "",
        higher_is_better=metric.higher_is_better,
        width=width,
    )


def interval_column(name: str, title: str) -> Column:
    """The interval of a metric, drawn."""
    return Column(
        name=f"{name}_interval",
        title="95% interval",
        help=f"95% interval of {title} in percent; the drawing is scaled to the rows on screen.",
        group="accuracy",
        kind="interval",
        source=f"metrics.{name}",
        digits=2,
        scale=100,
        higher_is_better=METRICS[name].higher_is_better,
        width=236,
    )


def facet_column(name: str, title: str, help_: str, source: str, *, width: int, group: Group) -> Column:
    """A text by which a reader filters."""
    return Column(
        name=name, title=title, help=help_, group=group, kind="text", source=source, width=width, is_facet=True
    )


def throughput_column(name: str, title: str, what: str) -> Column:
    """A speed: more is better."""
    return Column(
        name=name,
        title=title,
        help=f"{what}, images a second; compare only numbers of one machine and batch size.",
        group="throughput",
        kind="number",
        source=f"costs.{name}.value",
        unit="img/s",
        higher_is_better=True,
        width=116,
    )


def measured_column(name: str, title: str, what: str, unit: str, *, digits: int) -> Column:
    """What a machine took for it: less is better."""
    return Column(
        name=name,
        title=title,
        help=f"{what}; compare only numbers of one machine.",
        group="throughput",
        kind="number",
        source=f"costs.{name}.value",
        digits=digits,
        unit=unit,
        higher_is_better=False,
        width=124,
    )


def training_column(name: str, title: str, what: str, *, unit: str, digits: int) -> Column:
    """What a training took, by its attempts: less is better."""
    return Column(
        name=name,
        title=title,
        help=f"Median over the attempts of a training, of {what}; a miss is infinite.",
        group="cost",
        kind="number",
        source=f"costs.{name}.value",
        digits=digits,
        unit=unit,
        higher_is_better=False,
        width=148,
    )
