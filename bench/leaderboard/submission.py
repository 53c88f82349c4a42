"""The page of a submission: its ranks, and for each protocol the numbers of one run and where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from bench.leaderboard.classes import Classes, ClassNames, classes_csv, classes_of
from bench.leaderboard.columns import COLUMNS, DASH, EN_DASH, column_of
from bench.leaderboard.entry import Entry, Place, entry_csv, entry_json
from bench.leaderboard.facts import Fact, link_or_none, provenance, status_words, team_of
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page
from bench.leaderboard.pages import render
from bench.metrics import METRICS
from bench.records.result import Failure, Result, Retraction
from bench.store import Stored

__all__ = ["SubmissionPage", "submission_page", "submission_pages"]


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
    classes: Classes | None
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


def submission_pages(material: Material) -> Iterator[Page]:
    """The files of all submissions; a page is made only where its runs or places changed."""
    for entry in material.entries:
        base = f"submissions/{entry.slug}"
        inputs = _inputs(entry)
        yield Page.lazy(f"{base}.html", inputs, partial(_html, entry, material))
        yield Page.lazy(f"{base}.csv", inputs, partial(entry_csv, entry))
        yield Page.lazy(f"{base}.json", inputs, partial(entry_json, entry))
        for item in entry.shown_runs():
            if (breakdown := entry.breakdowns.get(item.run)) is not None:
                names = material.class_names[breakdown.classes]
                path = f"{base}.{item.result.protocol.id}.classes.csv"
                yield Page.lazy(path, inputs, partial(classes_csv, breakdown, names))


def _inputs(entry: Entry) -> object:
    """What the pages of a submission are made from; a result is immutable, so its run id stands for its content."""
    said = [(item.run, item.retraction, entry.reasons.get(item.run)) for item in entry.runs]
    return (entry.key, said, entry.places, sorted(entry.breakdowns.items()))


def _html(entry: Entry, material: Material) -> bytes:
    content = submission_page(entry, material.class_names, material.protocol_titles)
    return render("submission.html", {"root": "../", **material.common, "page": content})


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
        classes=None if breakdown is None else classes_of(breakdown, classes[breakdown.classes]),
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
