"""The page of throughput history: the largest changes drawn, all others to look for, and a table of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from bench.leaderboard.exports import csv_text
from bench.leaderboard.material import Material
from bench.leaderboard.multiples import change_words, drawing, marks_of, throughput_words
from bench.leaderboard.output import Page
from bench.leaderboard.pages import render
from bench.leaderboard.series import COSTS, Event, Series, SeriesKey, events, largest_first, series_of
from bench.leaderboard.slugs import slug
from bench.leaderboard.svg import markup

__all__ = ["throughput_pages"]

NUM_DRAWN = 12
"""How many series the page draws before somebody asks for others."""
_HEADERS = (
    *("protocol", "cost", "model", "input_size", "machine", "setting", "status", "run", "entry", "day"),
    *("img_s", "ci_low", "ci_high", "torch", "driver", "cuda", "batch_size"),
)
_RUN_WORDS = ("torch", "driver", "CUDA", "batch size")


def throughput_pages(material: Material) -> Iterator[Page]:
    """The page, and every run of every series as CSV."""
    found, num_homeless = series_of(material.stored)
    series = largest_first(found)
    inputs = (series, num_homeless, sorted(material.protocol_titles.items()))
    yield Page.lazy("throughput.html", inputs, lambda: _page(series, num_homeless, material))
    yield Page.lazy("throughput.csv", series, lambda: csv_text(_HEADERS, _csv_rows(series)))


def _page(series: Sequence[Series], num_homeless: int, material: Material) -> bytes:
    titles = {key.protocol: material.protocol_titles.get(key.protocol, key.protocol) for key, _ in series}
    place = {one.key: index for index, one in enumerate(series)}
    found = [event for one in series for event in events(one)]
    # The largest change first among those of one day: an import brings hundreds of the same second.
    found.sort(key=lambda event: (event.after.day, abs(event.change)), reverse=True)
    several = [one for one in series if len(one.points) > 1]
    context = {
        "root": "",
        **material.common,
        "headline": [
            ("Models and machines", f"{len(series):,}", ""),
            ("With two runs or more", f"{len(several):,}", ""),
            ("Machines", f"{len({key.machine for key, _ in series}):,}", ""),
            ("Events", f"{len(found):,}", f"{sum(event.change < 0 for event in found):,} slower"),
        ],
        "choices": _choices(series, titles),
        "figures": [_figure(one, titles) for one in series[:NUM_DRAWN]],
        "num_series": len(series),
        "num_homeless": num_homeless,
        "events": [_event(event, place[event.key], titles) for event in found],
        "data": script_data(series, titles),
    }
    return render("throughput.html", context)


def _choices(series: Sequence[Series], titles: Mapping[str, str]) -> list[tuple[str, str, list[str]]]:
    """The selects: id, label and options, in the order that `script_data` numbers them."""
    return [
        ("protocol", "Protocol", [titles[name] for name in _distinct(series, "protocol")]),
        ("machine", "Machine", _distinct(series, "machine")),
        ("setting", "Setting", _distinct(series, "setting")),
    ]


def _distinct(series: Sequence[Series], field: str) -> list[str]:
    return sorted({str(getattr(key, field)) for key, _ in series})


def _identity(key: SeriesKey, entry: str) -> str:
    """What tells two models of one title apart: the input size, or the entry."""
    return key.size or entry


def _figure(series: Series, titles: Mapping[str, str]) -> dict[str, Any]:
    """One of the drawings with its words; `templates/throughput.js` makes the same ones."""
    key, newest = series.key, series.points[-1]
    change = change_text(series.largest_change)
    return {
        "title": series.title,
        "identity": _identity(key, newest.entry),
        "slug": slug(newest.entry),
        "change": change,
        "where": " \N{MIDDLE DOT} ".join((key.machine, key.setting, titles[key.protocol])),
        "status": key.status,
        "drawing": Markup(markup(drawing(marks_of(series), sentence_of(series)))),  # noqa: S704 - by an XML library
    }


def sentence_of(series: Series) -> str:
    """What a drawing shows, in words."""
    values = [throughput_words(point.value) for point in series.points]
    if len(values) == 1:
        return f"one run: {values[0]} images a second"
    words = f"{len(values)} runs, from {values[0]} to {values[-1]} images a second"
    return f"{words}; largest change {change_text(series.largest_change)}"


def change_text(change: float | None) -> str:
    """A relative change in percent with its sign; an empty text where there is none.

    >>> change_text(4.3176), change_text(None)
    ('+431.8%', '')
    """
    return "" if change is None else f"{100 * change:+.1f}%".replace("-", "\N{MINUS SIGN}")


def _event(event: Event, place: int, titles: Mapping[str, str]) -> dict[str, Any]:
    key, before, after = event.key, event.before, event.after
    return {
        "place": place,
        "title": after.title,
        "identity": _identity(key, after.entry),
        "slug": slug(after.entry),
        "machine": key.machine,
        "setting": key.setting,
        "protocol": titles[key.protocol],
        "status": key.status,
        "days": list(dict.fromkeys((before.day, after.day))),
        "before": throughput_words(event.levels[0]),
        "after": throughput_words(event.levels[1]),
        "change": change_text(event.change),
        "is_slower": event.change < 0,
        "changed": change_words(event.changed) or ["nothing that is recorded"],
        "evidence": _evidence(event),
    }


def _evidence(event: Event) -> str:
    if event.segments is not None:
        before, after = event.segments
        return f"change point: medians of {before} and {after} runs"
    return "intervals lie apart" if event.has_intervals else "one run each: no evidence of a cause"


def script_data(series: Sequence[Series], titles: Mapping[str, str]) -> dict[str, Any]:
    """All series for the script of the page, largest change first; texts that repeat are numbered."""
    protocols, machines, settings = (_distinct(series, name) for name in ("protocol", "machine", "setting"))
    statuses = _distinct(series, "status")
    drawn = [marks_of(one) for one in series]
    ticks = sorted({"", *(mark.tick for marks in drawn for mark in marks)})
    rows = []
    for one, marks in zip(series, drawn, strict=True):
        key, newest = one.key, one.points[-1]
        numbers = (protocols.index(key.protocol), machines.index(key.machine), settings.index(key.setting))
        runs = [[mark.value, mark.low, mark.high, mark.direction, ticks.index(mark.tick)] for mark in marks]
        words = [one.title, _identity(key, newest.entry), slug(newest.entry), change_text(one.largest_change)]
        rows.append([*numbers, statuses.index(key.status), *words, runs])
    return {
        "protocols": [titles[name] for name in protocols],
        "machines": machines,
        "settings": settings,
        "statuses": statuses,
        "ticks": ticks,
        "series": rows,
    }


def _csv_rows(series: Sequence[Series]) -> Iterator[list[Any]]:
    for key, points in sorted(series, key=lambda one: (COSTS.index(one.key.cost), one.key)):
        for point in points:
            known = dict(point.conditions)
            runs = (point.run, point.entry, point.day, point.value, point.low, point.high)
            yield [*key, *runs, *(known.get(word) for word in _RUN_WORDS)]
