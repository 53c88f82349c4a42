"""The page of a submission: its ranks, what each protocol says of it, who is close to it, and how to cite it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import NamedTuple

import xxhash

from bench.leaderboard.citation import Badge, badge_markdown, bibtex
from bench.leaderboard.classes import ClassNames, classes_csv
from bench.leaderboard.column import DASH, EN_DASH
from bench.leaderboard.columns import COLUMNS
from bench.leaderboard.entry import Entry, Place, breakdown_digests, entry_csv, entry_json
from bench.leaderboard.facts import Fact, link_or_none, status_words, team_of
from bench.leaderboard.material import Material
from bench.leaderboard.page import Page, Part, digest_of_inputs
from bench.leaderboard.pages import render
from bench.leaderboard.sections import Section, sections_of
from bench.leaderboard.slugs import slug
from bench.leaderboard.speed import Speed, SpeedPoint, curves_of, speed_points
from bench.leaderboard.surroundings import (
    Joined,
    Medians,
    Near,
    Neighbours,
    joined_runs,
    medians_of,
    neighbours_of,
)
from bench.records.result import Failure
from bench.stored import Stored

__all__ = ["SubmissionPage", "Surroundings", "submission_page", "submission_pages"]


class _Place(NamedTuple):
    href: str
    title: str
    rank: int | None
    among: str
    """How many of which status are ranked, coarsely, so that one more result does not change every page."""
    span: str


class _Near(NamedTuple):
    slug: str
    title: str
    team: str
    value: str
    difference: str
    cost: str
    ratio: str


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
class Surroundings:
    """What pages say about other entries."""

    by_run: Mapping[str, Stored] = field(default_factory=dict)
    """Every run."""
    joined: Mapping[str, tuple[Joined, ...]] = field(default_factory=dict)
    """From entry to results of its architecture."""
    neighbours: Mapping[str, Neighbours] = field(default_factory=dict)
    """From entry to who is close to it."""
    medians: Mapping[str, Medians] = field(default_factory=dict)
    """From run to the class medians of its board."""
    url: str | None = None
    """Where the site stands."""


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
    sections: list[Section]
    speed: Speed
    speed_entries: Mapping[str, str]
    """From the run of another entry's measurement to that entry's page."""
    nearby: list[tuple[str, list[_Near]]]
    """Captions and neighbours."""
    nearby_board: str
    nearby_metric: str
    nearby_cost: str
    compare: str
    """The hash that compares it with its neighbours."""
    history: list[_Run]
    failures: list[_Failed]
    """Failed runs that no section shows."""
    bibtex: str
    badges: list[Badge]


def submission_pages(material: Material) -> Iterator[Page]:
    """The files of all submissions; a page is made only where its runs, its places or its neighbours changed."""
    breakdowns = {run: found for entry in material.entries for run, found in entry.breakdowns.items()}
    around = Surroundings(
        by_run=material.by_run,
        joined=joined_runs(material.standings),
        neighbours=neighbours_of(material.standings),
        medians=medians_of(material.standings, breakdowns),
        url=material.url,
    )
    digests = {
        id(one): xxhash.xxh3_128_hexdigest(repr(one).encode())
        for one in {id(one): one for one in around.medians.values()}.values()
    }
    text_of = cache(repr)  # the same few columns on thousands of pages
    for entry in material.entries:
        base = f"submissions/{entry.slug}"
        records = digest_of_inputs([(item.run, item.retraction) for item in entry.runs])
        classes = breakdown_digests(entry)
        said = [entry.reasons.get(item.run) for item in entry.runs]
        compared = sorted({digests[id(around.medians[run])] for run, _ in classes if run in around.medians})
        near = around.neighbours.get(entry.key)
        beside = near and (near.board, text_of(near.metric), text_of(near.cost), *near[3:])
        others = (around.joined.get(entry.key), beside, compared, around.url)
        # One result more moves the ranks of thousands, and nothing else on their pages.
        ranked = [(place.board_id, place.board_title, place.run) for place in entry.places]
        places = [_place(place) for place in entry.places]
        ranks = Part.of("ranks", places, partial(render, "ranks.html", {"places": places}))
        inputs = (records, said, classes, sorted(entry.attempts), ranked, others, sorted(entry.signatures.items()))
        yield Page.lazy(f"{base}.html", inputs, partial(_html, entry, around, material), ranks)
        yield Page.lazy(f"{base}.csv", records, partial(entry_csv, entry))
        yield Page.lazy(f"{base}.json", records, partial(entry_json, entry))
        for item in entry.shown_runs:
            if (breakdown := entry.breakdowns.get(item.run)) is not None:
                names = material.class_names[breakdown.classes]
                path = f"{base}.{item.result.protocol.id}.classes.csv"
                yield Page.lazy(path, (item.run, classes), partial(classes_csv, breakdown, names))


def _html(entry: Entry, around: Surroundings, material: Material) -> bytes:
    content = submission_page(entry, material.class_names, material.protocol_titles, around)
    return render("submission.html", {"root": "../", **material.common, "page": content, "places": content.places})


def submission_page(
    entry: Entry, classes: Mapping[str, ClassNames], protocol_titles: Mapping[str, str], around: Surroundings
) -> SubmissionPage:
    """What the page of a submission shows.

    Args:
        entry: The submission and its runs.
        classes: The class tables that the breakdowns name.
        protocol_titles: The titles of the protocols, by id.
        around: What there is to say of others.
    """
    newest = entry.runs[0].result
    submission = newest.submission
    shown = entry.shown_runs
    links = (("Paper", link_or_none(submission.paper)), ("Code", link_or_none(submission.code)))
    points = _speed(entry, around)
    near = around.neighbours.get(entry.key)
    cited = shown[0].result
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
            *([Fact("Architecture", submission.architecture)] if submission.architecture else []),
        ],
        places=[_place(place) for place in entry.places],
        sections=sections_of(entry, classes, protocol_titles, around.medians),
        speed=Speed(points, curves_of(points)),
        speed_entries={point.run: f"{slug(point.entry)}.html" for point in points if point.entry != entry.key},
        nearby=[] if near is None else _nearby(near, around.by_run),
        nearby_board="" if near is None else near.board,
        nearby_metric="" if near is None else near.metric.label,
        nearby_cost="" if near is None or near.cost is None else near.cost.label,
        compare=_compare_hash(entry.slug, near, around.by_run),
        history=[_history(entry, stored) for stored in entry.runs],
        failures=[
            _Failed(stored.run, stored.result.failure)
            for stored in entry.runs
            if stored.result.failure is not None and stored not in shown
        ],
        bibtex=bibtex(cited, metric=_cited_metric(entry, cited.run), url=around.url),
        badges=[badge_markdown(place.board_id, place.board_title, entry.key, around.url) for place in entry.places],
    )


def _place(place: Place) -> _Place:
    return _Place(
        href=f"../boards/{place.board_id}.html",
        title=place.board_title,
        rank=place.rank,
        among=f"{_coarse(place.num_ranked)} {place.status}".rstrip(),
        span="no other rank is possible"
        if place.rank_low == place.rank_high
        else f"possible ranks {place.rank_low}{EN_DASH}{place.rank_high}",
    )


def _coarse(number: int) -> str:
    """A count up to 99, above that its first two digits: that changes seldom, and with it the page."""
    if number < 100:
        return str(number)
    unit = 10 ** (len(str(number)) - 2)
    return f"at least {number // unit * unit:,}"


def _speed(entry: Entry, around: Surroundings) -> list[SpeedPoint]:
    """Its own throughputs, and those that boards join to it."""
    joined = [(one.title, around.by_run[one.run]) for one in around.joined.get(entry.key, ())]
    return speed_points([*(("", item) for item in entry.runs), *joined])


def _nearby(near: Neighbours, by_run: Mapping[str, Stored]) -> list[tuple[str, list[_Near]]]:
    groups = [(f"Next in {near.metric.title}", near.by_metric)]
    if near.cost is not None and near.by_cost:
        groups.append((f"Closest in {near.cost.title}, the best of each", near.by_cost))
    return [(caption, [_near(one, near, by_run[one.run]) for one in found]) for caption, found in groups if found]


def _near(one: Near, near: Neighbours, item: Stored) -> _Near:
    own = near.own.cost
    return _Near(
        slug=slug(item.result.entry),
        title=item.result.submission.title,
        team=team_of(item.result),
        value=near.metric.text(one.value),
        difference=near.metric.difference(one.value - near.own.value),
        cost=DASH if near.cost is None else near.cost.text(one.cost),
        ratio=f"\N{MULTIPLICATION SIGN}{one.cost / own:.2f}" if one.cost is not None and own else DASH,
    )


def _compare_hash(own: str, near: Neighbours | None, by_run: Mapping[str, Stored]) -> str:
    runs = [] if near is None else [*near.by_metric, *near.by_cost]
    others = dict.fromkeys(slug(by_run[one.run].result.entry) for one in runs)
    return "&".join(f"m={name}" for name in [own, *others][:8])


def _cited_metric(entry: Entry, run: str) -> str:
    return next((place.metric for place in entry.places if place.run == run), "top1")


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
