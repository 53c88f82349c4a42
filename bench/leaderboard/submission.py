"""The page of a submission: its ranks, and for each protocol the numbers of one run and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bench.leaderboard.columns import COLUMNS, DASH, EN_DASH, column_of
from bench.leaderboard.exports import csv_of_rows, csv_text, json_text
from bench.leaderboard.facts import Fact, link_or_none, provenance, status_words, team_of
from bench.leaderboard.slugs import slug
from bench.metrics import METRICS
from bench.records.breakdown import Breakdown
from bench.records.result import Failure, Result, Retraction
from bench.store import Stored

__all__ = [
    "ClassNames",
    "Entry",
    "Place",
    "SubmissionPage",
    "classes_csv",
    "entry_csv",
    "entry_json",
    "submission_page",
]

NUM_EXTREME_CLASSES = 20
"""How many of the best, of the worst classes and of the confusions a page shows; the CSV has all classes."""
_BAR_WIDTH = 80


@dataclass(frozen=True, kw_only=True)
class ClassNames:
    """The classes of a dataset: position is the class index."""

    wnids: Sequence[str]
    names: Sequence[str]


class Place(NamedTuple):
    """Where a submission stands on one board."""

    board_id: str
    board_title: str
    run: str
    rank: int | None
    rank_low: int | None
    rank_high: int | None
    num_ranked: int
    metric: str
    """The metric that decides the rank."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """All runs of one submission, newest first, and where it stands."""

    key: str
    runs: list[Stored]
    rows: list[Mapping[str, Any]]
    """The same runs as rows of the data frame."""
    places: list[Place]
    reasons: Mapping[str, str]
    """From run to the reason why a board lists it unranked."""
    breakdowns: Mapping[str, Breakdown] = field(default_factory=dict)
    """From run to its counts by class, for the runs that are shown."""

    @property
    def slug(self) -> str:
        """The file name of its page."""
        return slug(self.key)

    def shown_runs(self) -> list[Stored]:
        """One run a protocol: the one that a board ranks, else the newest that was not withdrawn, else the newest."""
        ranked = {place.run for place in self.places}
        shown: dict[str, Stored] = {}
        for stored in sorted(self.runs, key=lambda stored: (stored.run in ranked, _is_good(stored)), reverse=True):
            shown.setdefault(stored.result.protocol.id, stored)
        return sorted(shown.values(), key=lambda stored: (stored.run not in ranked, stored.result.protocol.id))


def _is_good(stored: Stored) -> bool:
    return stored.retraction is None and stored.result.status != "failed"


class _Place(NamedTuple):
    href: str
    title: str
    rank: int | None
    span: str
    num_ranked: str


class _Metric(NamedTuple):
    title: str
    help: str
    value: str
    unit: str
    interval: str
    basis: str
    """What it is computed from: a count, a number of classes or of images."""


class _Cost(NamedTuple):
    title: str
    value: str
    unit: str
    interval: str
    device: str


class _Claim(NamedTuple):
    name: str
    claimed: str
    measured: str
    difference: str
    verdict: str
    flagged: bool


class _Run(NamedTuple):
    protocol: str
    status: str
    precision: str
    device: str
    top1: str
    note: str
    run: str


class _Failed(NamedTuple):
    run: str
    failure: Failure


class _ClassRow(NamedTuple):
    wnid: str
    name: str
    accuracy: str
    bar: float
    """Length of the bar, in CSS pixels."""
    counts: str


class _Classes(NamedTuple):
    tables: list[tuple[str, list[_ClassRow]]]
    """Captions and rows."""
    num_classes: str
    confusions: list[tuple[str, str, str]]
    """The label, what it was taken for, how often."""


@dataclass(frozen=True, kw_only=True)
class _Section:
    """What a page says of one protocol."""

    id: str
    title: str
    status: str
    reason: str | None
    retraction: Retraction | None
    failure: Failure | None
    metrics: list[_Metric]
    costs: list[_Cost]
    claims: list[_Claim]
    provenance: list[Fact]
    environment: list[tuple[str, str]]
    timing: list[tuple[str, str]]
    notes: tuple[str, ...]
    classes: _Classes | None
    classes_csv: str


@dataclass(frozen=True, kw_only=True)
class SubmissionPage:
    """What the template of a submission's page shows."""

    slug: str
    title: str
    team: str
    key: str
    description: str | None
    links: list[tuple[str, str]]
    about: list[Fact]
    places: list[_Place]
    sections: list[_Section]
    history: list[_Run]
    failures: list[_Failed]
    """Failed runs that no section shows."""


def submission_page(
    entry: Entry, classes: Mapping[str, ClassNames], protocol_titles: Mapping[str, str]
) -> SubmissionPage:
    """What the page of a submission shows.

    Args:
        entry: The submission and its runs.
        classes: The class tables that the breakdowns name.
        protocol_titles: The titles of the protocols, by id.
    """
    newest = entry.runs[0].result
    submission = newest.submission
    shown = entry.shown_runs()
    links = (("Paper", link_or_none(submission.paper)), ("Code", link_or_none(submission.code)))
    return SubmissionPage(
        slug=entry.slug,
        title=submission.title,
        team=team_of(newest),
        key=entry.key,
        description=submission.description,
        links=[(label, link) for label, link in links if link is not None],
        about=[
            Fact("Licence", submission.license or "not stated", link=link_or_none(submission.license)),
            Fact("Extra training data", submission.extra_training_data),
            Fact("Model source", submission.source),
        ],
        places=[_place(place) for place in entry.places],
        sections=[_section(entry, stored, classes, protocol_titles) for stored in shown],
        history=[_history(entry, stored) for stored in entry.runs],
        failures=[
            _Failed(stored.run, stored.result.failure)
            for stored in entry.runs
            if stored.result.failure is not None and stored not in shown
        ],
    )


def _place(place: Place) -> _Place:
    return _Place(
        href=f"../boards/{place.board_id}.html",
        title=place.board_title,
        rank=place.rank,
        span="no other rank is possible"
        if place.rank_low == place.rank_high
        else f"possible ranks {place.rank_low}{EN_DASH}{place.rank_high}",
        num_ranked=f"{place.num_ranked:,}",
    )


def _section(
    entry: Entry, stored: Stored, classes: Mapping[str, ClassNames], protocol_titles: Mapping[str, str]
) -> _Section:
    result = stored.result
    breakdown = entry.breakdowns.get(stored.run)
    return _Section(
        id=result.protocol.id,
        title=protocol_titles.get(result.protocol.id, result.protocol.id),
        status=status_words(stored),
        reason=entry.reasons.get(stored.run),
        retraction=stored.retraction,
        failure=result.failure,
        metrics=[_metric(name, result) for name in _ordered(result)],
        costs=[_cost(name, result) for name in sorted(result.costs)],
        claims=_claims(result),
        provenance=provenance(result),
        environment=[(name, str(value)) for name, value in sorted(result.environment.items())],
        timing=[(name, f"{value:,.2f}") for name, value in sorted(result.timing.items())],
        notes=result.notes,
        classes=None if breakdown is None else _classes(breakdown, classes[breakdown.classes]),
        classes_csv=f"{entry.slug}.{result.protocol.id}.classes.csv",
    )


def _ordered(result: Result) -> list[str]:
    """The metrics of a result in the order of the table of metrics, unknown ones last."""
    return [name for name in METRICS if name in result.metrics] + sorted(result.metrics.keys() - METRICS.keys())


def _metric(name: str, result: Result) -> _Metric:
    estimate, column, metric = result.metrics[name], column_of(name), METRICS.get(name)
    basis = f"{estimate.num_samples:,} images"
    if estimate.count is not None:
        basis = f"{estimate.count:,} of {estimate.num_samples:,}"
    elif estimate.num_classes is not None:
        basis = f"{estimate.num_classes:,} classes"
    return _Metric(
        title=metric.title if metric else name,
        help=metric.help if metric else "",
        value=column.text(estimate.value),
        unit=column.unit,
        interval=column.interval(estimate.ci_low, estimate.ci_high),
        basis=basis,
    )


def _cost(name: str, result: Result) -> _Cost:
    cost, column = result.costs[name], COLUMNS.get(name)
    known = cost.ci_low is not None and cost.ci_high is not None
    return _Cost(
        title=column.title if column else _cost_title(name, cost.unit),
        value=column.text(cost.value) if column else f"{cost.value:,.6g}",
        unit=column.unit if column else cost.unit,
        interval=f"{cost.ci_low:,.6g}{EN_DASH}{cost.ci_high:,.6g}" if known else "",
        device=cost.device or "",
    )


def _cost_title(name: str, unit: str) -> str:
    """The name of a cost in words, without the unit at its end."""
    suffix = "_" + unit.lower().replace("/", "_per_")
    words = name.removesuffix(suffix).replace("_", " ")
    return words[:1].upper() + words[1:]


def _claims(result: Result) -> list[_Claim]:
    """What the authors report against what was measured; flagged where the interval does not hold the claim."""
    claims = result.submission.claims
    if claims is None or result.failure is not None:
        return []
    rows = []
    for name, claimed in (("top1", claims.top1), ("top5", claims.top5)):
        estimate, column = result.metrics.get(name), COLUMNS[name]
        if claimed is None or estimate is None:
            continue
        low, high = estimate.ci_low, estimate.ci_high
        known = low is not None and high is not None
        flagged = low is not None and high is not None and not low <= claimed <= high
        verdict = "outside the 95% interval" if flagged else "within the 95% interval" if known else "no interval"
        difference = column.difference(estimate.value - claimed)
        rows.append(
            _Claim(METRICS[name].title, column.text(claimed), column.text(estimate.value), difference, verdict, flagged)
        )
    if claims.num_params is not None and (cost := result.costs.get("num_params")) is not None:
        same, gap = cost.value == claims.num_params, cost.value - claims.num_params
        rows.append(
            _Claim(
                "Parameters",
                f"{claims.num_params:,}",
                f"{cost.value:,.0f}",
                f"{gap:+,.0f}",
                "equal" if same else "differs",
                not same,
            )
        )
    if claims.precision is not None and result.precision is not None:
        same = claims.precision == result.precision
        rows.append(
            _Claim("Arithmetic", claims.precision, result.precision, "", "equal" if same else "differs", not same)
        )
    return rows


def _classes(breakdown: Breakdown, names: ClassNames) -> _Classes:
    """Best and worst classes and the largest confusions; all classes where they are few."""
    present = [index for index, total in enumerate(breakdown.num_samples) if total]
    by_accuracy = sorted(
        present, key=lambda index: (breakdown.num_top1[index] / breakdown.num_samples[index], -index), reverse=True
    )
    rows = [_class_row(breakdown, names, index) for index in by_accuracy]
    few = len(rows) <= 2 * NUM_EXTREME_CLASSES
    tables = (
        [("All classes, best first", rows)]
        if few
        else [
            (f"Best {NUM_EXTREME_CLASSES} classes", rows[:NUM_EXTREME_CLASSES]),
            (f"Worst {NUM_EXTREME_CLASSES} classes", rows[: -NUM_EXTREME_CLASSES - 1 : -1]),
        ]
    )
    confusions = [
        (names.names[confusion.label], names.names[confusion.answer], f"{confusion.count:,}")
        for confusion in breakdown.confusions[:NUM_EXTREME_CLASSES]
    ]
    return _Classes(tables, f"{len(rows):,}", confusions)


def _class_row(breakdown: Breakdown, names: ClassNames, index: int) -> _ClassRow:
    right, total = breakdown.num_top1[index], breakdown.num_samples[index]
    return _ClassRow(
        wnid=names.wnids[index],
        name=names.names[index],
        accuracy=COLUMNS["top1"].text(right / total),
        bar=round(_BAR_WIDTH * right / total, 1),
        counts=f"{right:,} of {total:,}",
    )


def _history(entry: Entry, stored: Stored) -> _Run:
    result = stored.result
    top1 = result.metrics.get("top1")
    ranked_on = [place.board_title for place in entry.places if place.run == stored.run]
    return _Run(
        protocol=result.protocol.id,
        status=status_words(stored),
        precision=result.precision or DASH,
        device=result.device_type or DASH,
        top1=COLUMNS["top1"].text(top1.value if top1 else None),
        note=entry.reasons.get(stored.run) or (f"ranked on {', '.join(ranked_on)}" if ranked_on else ""),
        run=result.run,
    )


def classes_csv(breakdown: Breakdown, names: ClassNames) -> str:
    """All classes of a breakdown as CSV, in the order of the class table."""
    headers = ["class_index", "wnid", "name", "num_samples", "num_top1", "num_top5", "num_answered"]
    counts = (breakdown.num_samples, breakdown.num_top1, breakdown.num_top5, breakdown.num_answered)
    rows = zip(range(len(names.wnids)), names.wnids, names.names, *counts, strict=True)
    return csv_text(headers, rows)


def entry_csv(entry: Entry) -> str:
    """The runs of a submission as CSV, a row a run, columns as in the data frame."""
    return csv_of_rows(entry.rows, first=("run", "entry", "state", "status"))


def entry_json(entry: Entry) -> str:
    """The whole records of a submission's runs as JSON, with what was said about them later."""
    runs = []
    for stored in entry.runs:
        record = stored.result.as_json()
        if stored.retraction is not None:
            record["retraction"] = stored.retraction.as_json()
        runs.append(record)
    return json_text({"entry": entry.key, "runs": runs})
