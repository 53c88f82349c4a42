"""The compare page: one page for any two to eight submissions, and a script file for each that it loads.

A page under file:// cannot read JSON; it can load a script, so each file calls a function with its data.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.files import canonical_json
from bench.leaderboard.classes import ClassNames
from bench.leaderboard.column import Column
from bench.leaderboard.columns import COLUMNS, column_of
from bench.leaderboard.entry import Entry, breakdown_digests
from bench.leaderboard.facts import status_words, team_of
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page
from bench.leaderboard.pages import render
from bench.leaderboard.sections import cost_title
from bench.leaderboard.speed import SpeedPoint, speed_points
from bench.leaderboard.surroundings import joined_runs
from bench.metrics import METRICS
from bench.records.breakdown import Breakdown
from bench.records.result import Result
from bench.stored import Stored, read_correctness

__all__ = ["MOST_SUBMISSIONS", "compare_data", "compare_pages"]

MOST_SUBMISSIONS = 8


def compare_pages(material: Material) -> Iterator[Page]:
    """The compare page, the data of every submission, and the class tables that the data name."""
    joined = joined_runs(material.standings)
    for entry in material.entries:
        others = [(one.title, material.by_run[one.run]) for one in joined.get(entry.key, ())]
        said = [(item.run, item.retraction) for item in entry.runs]
        shown = [item.run for item in entry.shown_runs]
        inputs = (said, shown, breakdown_digests(entry), [(title, item.run) for title, item in others])
        yield Page.lazy(f"compare/{entry.slug}.js", inputs, partial(_data_file, entry, others))
    for name, names in sorted(material.class_names.items()):
        yield Page.of(f"compare/classes.{name}.js", _classes_file(name, names))
    context = {"root": "", **material.common, "data": _meanings(material), "boards": _boards(material)}
    yield Page.of("compare.html", render("compare.html", context))


def _boards(material: Material) -> list[tuple[str, str]]:
    return [(loaded.board.id, loaded.board.title) for loaded in material.boards]


def _meanings(material: Material) -> dict[str, Any]:
    """How the script shows metrics and costs, and the titles of the protocols in use."""
    names = material.frame.columns
    metrics = {name.split(".")[1] for name in names if name.startswith("metrics.")}
    costs = {name.split(".")[1] for name in names if name.startswith("costs.")}
    known = [name for name in METRICS if name in metrics]
    units = dict(_units(material.stored))
    protocols = sorted({item.result.protocol.id for item in material.stored})
    return {
        "most": MOST_SUBMISSIONS,
        "metrics": [_meaning(column_of(name)) for name in (*known, *sorted(metrics - METRICS.keys()))],
        "costs": [
            _meaning(COLUMNS[name]) if name in COLUMNS else _unknown_cost(name, units[name]) for name in sorted(costs)
        ],
        "protocols": [[name, material.protocol_titles.get(name, name)] for name in protocols],
    }


def _units(stored: Iterable[Stored]) -> Iterator[tuple[str, str]]:
    return ((name, cost.unit) for item in stored for name, cost in item.result.costs.items())


def _meaning(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "title": column.title,
        "unit": column.unit,
        "scale": column.scale,
        "digits": column.digits,
        "higher": column.higher_is_better,
    }


def _unknown_cost(name: str, unit: str) -> dict[str, Any]:
    return {"name": name, "title": cost_title(name, unit), "unit": unit, "scale": 1, "digits": 2, "higher": None}


def _data_file(entry: Entry, joined: Sequence[tuple[str, Stored]]) -> str:
    bits = {item.run: found for item in entry.shown_runs if (found := _bits(item)) is not None}
    return _call("benchCompare", compare_data(entry, joined, bits))


def _bits(item: Stored) -> str | None:
    """The top-1 bits of a run as base64; a broken file was reported when the boards were ranked."""
    try:
        correctness = read_correctness(item)
    except BenchError:
        return None
    return None if correctness is None else base64.b64encode(np.packbits(correctness.top1_N).tobytes()).decode()


def compare_data(entry: Entry, joined: Sequence[tuple[str, Stored]], bits: Mapping[str, str]) -> dict[str, Any]:
    """What the compare page knows of a submission.

    Args:
        entry: The submission and its runs.
        joined: Results of its architecture, each with what the board calls it.
        bits: From run to its top-1 correctness bits as base64, bit 7 of the first byte first.
    """
    newest = entry.runs[0].result
    good = [item for item in entry.shown_runs if item.result.failure is None and item.retraction is None]
    return {
        "slug": entry.slug,
        "title": newest.submission.title,
        "team": team_of(newest),
        "entry": entry.key,
        "runs": [_run(item, bits.get(item.run), entry.breakdowns.get(item.run)) for item in good],
        "costs": _costs([*(item for _, item in joined), *reversed(good)]),
        "speed": _speeds(speed_points([*(("", item) for item in entry.runs), *joined])),
    }


def _run(item: Stored, bits: str | None, breakdown: Breakdown | None) -> dict[str, Any]:
    result = item.result
    dataset = result.dataset
    return {
        "protocol": result.protocol.id,
        "version": f"{result.protocol.version} {(result.protocol.digest or '')[:12]}".strip(),
        "run": result.run,
        "status": status_words(item),
        "date": result.created_at[:10],
        "dataset": {"digest": dataset.digest, "num_samples": dataset.num_samples},
        "precision": result.precision,
        "metrics": _metrics(result),
        "bits": bits,
        "classes": None
        if breakdown is None
        else {"table": breakdown.classes, "total": breakdown.num_samples, "right": breakdown.num_top1},
    }


def _metrics(result: Result) -> dict[str, list[float | int | None]]:
    """Value, ends of the interval, images and count of each metric."""
    return {
        name: [one.value, one.ci_low, one.ci_high, one.num_samples, one.count] for name, one in result.metrics.items()
    }


def _costs(runs: Iterable[Stored]) -> dict[str, float]:
    """What is counted in a model and depends on no device; of several the last: its own before its architecture's."""
    return {name: cost.value for item in runs for name, cost in item.result.costs.items() if cost.device is None}


def _speeds(points: Iterable[SpeedPoint]) -> list[dict[str, Any]]:
    """The fastest of each device, arithmetic and version of torch, with its batch size."""
    best: dict[str, dict[str, Any]] = {}
    for point in sorted(points, key=lambda point: point.value):
        label = f"{point.what.capitalize()}, {point.device}, {point.line}"
        best[label] = {"label": label, "value": point.value, "batch": point.batch_size}
    return [best[label] for label in sorted(best)]


def _classes_file(table: str, names: ClassNames) -> str:
    pairs = [[wnid, name] for wnid, name in zip(names.wnids, names.names, strict=True)]
    return f"benchClasses({canonical_json(table)},{canonical_json(pairs)});\n"


def _call(function: str, data: object) -> str:
    return f"{function}({canonical_json(data)});\n"
