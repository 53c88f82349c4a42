"""The pages of the datasets: what is known about each, what uses it, its classes. No image is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bench.data.classes import ClassTable
from bench.leaderboard.columns import COLUMNS
from bench.leaderboard.dataset_facts import DatasetFacts, dataset_facts
from bench.leaderboard.dataset_use import (
    ClassCounts,
    DatasetUse,
    class_counts,
    dataset_uses,
    ranked_breakdowns,
    table_or_none,
)
from bench.leaderboard.exports import csv_text
from bench.leaderboard.facts import geometry_words, link_or_none
from bench.leaderboard.material import Material
from bench.leaderboard.output import Page
from bench.leaderboard.pages import render
from bench.leaderboard.preprocessing import Step, steps_of
from bench.leaderboard.slugs import slug
from bench.records.breakdown import Breakdown
from bench.records.protocol import Geometry, Protocol

__all__ = ["dataset_pages"]

NUM_HARDEST = 20
_BAR_WIDTH = 80
_HEADERS = ("class_index", "wnid", "ilsvrc_id", "name", "num_samples", "median_top1")


class _Class(NamedTuple):
    """A row of the class table."""

    class_index: int
    wnid: str
    ilsvrc_id: int
    name: str
    num_samples: str
    accuracy: str
    value: str
    """The accuracy as the script sorts it; empty where there is none."""
    bar: float | None


def dataset_pages(material: Material) -> Iterator[Page]:
    """An index of datasets, a page each, and the classes of each as CSV."""
    uses = dataset_uses([item.result for item in material.stored], material.boards)
    common = {"root": "../", **material.common}
    cards = [_card(use) for use in uses]
    yield Page.lazy("datasets/index.html", cards, lambda: render("datasets.html", {**common, "cards": cards}))
    for use in uses:
        breakdowns = ranked_breakdowns(material.entries, use)
        yield from _pages_of(use, breakdowns, common)


def _pages_of(use: DatasetUse, breakdowns: Mapping[str, Breakdown], common: Mapping[str, Any]) -> Iterator[Page]:
    name = slug(use.name)
    facts, table = dataset_facts(use.name), table_or_none(use.name)

    def counts() -> list[ClassCounts]:
        return [] if table is None else class_counts(breakdowns.values(), table.num_classes)

    def page() -> bytes:
        context = _context(use, facts, table, counts(), len(breakdowns))
        return render("dataset.html", {**common, "page": context})

    boards = [(loaded.board.id, loaded.board.title) for loaded in use.boards]
    inputs = (use._replace(boards=()), boards, facts, sorted(breakdowns))
    yield Page.lazy(f"datasets/{name}.html", inputs, page)
    if table is not None:
        found = table
        yield Page.lazy(f"datasets/{name}.csv", inputs, lambda: _classes_csv(found, counts(), facts))


def _card(use: DatasetUse) -> dict[str, Any]:
    facts = dataset_facts(use.name)
    return {
        "name": use.name,
        "slug": slug(use.name),
        "title": facts.title if facts else use.name,
        "description": facts.description
        if facts
        else "Results name this dataset; nothing else is known about it here.",
        "num_results": f"{use.num_results:,}",
        "protocols": [protocol.id for protocol in use.protocols],
        "boards": [{"id": loaded.board.id, "title": loaded.board.title} for loaded in use.boards],
    }


def _context(
    use: DatasetUse, facts: DatasetFacts | None, table: ClassTable | None, counts: Sequence[ClassCounts], num_runs: int
) -> dict[str, Any]:
    """What the template of a dataset's page shows."""
    rows = [] if table is None else _rows(table, counts, facts)
    known = [row for row in rows if row.bar is not None]
    hardest = sorted(known, key=lambda row: (float(row.value), row.class_index))[:NUM_HARDEST]
    return {
        **_card(use),
        "facts": facts,
        "headline": _headline(use, facts, table),
        "digests": [
            {
                "split": digest.split,
                "digest": digest.digest or "",
                "num_samples": f"{digest.num_samples:,}",
                "part": "" if digest.complete else "part of the split",
                "num_results": f"{count:,}",
            }
            for digest, count in use.digests
        ],
        "preprocessing": _preprocessing(use),
        "uses": [_protocol(protocol, use) for protocol in use.protocols],
        "rows": rows,
        "hardest": hardest,
        "num_runs": num_runs,
        "balance": _balance(counts),
        "source_links": [(source.title, link_or_none(source.link)) for source in facts.sources] if facts else [],
    }


def _headline(use: DatasetUse, facts: DatasetFacts | None, table: ClassTable | None) -> list[tuple[str, str]]:
    shown = [("Classes", f"{table.num_classes:,}")] if table is not None else []
    if facts is not None:
        shown += [(f"Images, {split.name}", f"{split.num_samples:,}") for split in facts.splits]
    return [*shown, ("Results here", f"{use.num_results:,}"), ("Boards", f"{len(use.boards):,}")]


def _protocol(protocol: Protocol, use: DatasetUse) -> dict[str, Any]:
    return {
        "title": protocol.title,
        "id": protocol.id,
        "split": protocol.dataset.split,
        "num_samples": f"{protocol.dataset.num_samples:,}",
        "labels": protocol.dataset.labels,
        "num_results": f"{use.by_protocol.get(protocol.id, 0):,}",
        "boards": [
            {"id": loaded.board.id, "title": loaded.board.title, "ranks": loaded.board.protocol == protocol.id}
            for loaded in use.boards
            if protocol.id in (loaded.board.protocol, *(join.protocol for join in loaded.board.joins))
        ],
    }


def _has_pixels(protocol: Protocol, use: DatasetUse) -> bool:
    """There is a geometry to draw: the protocol's, or those of its results; speed alone sees no image."""
    return protocol.geometry is not None or (protocol.metrics is not None and bool(use.inputs.get(protocol.id)))


def _preprocessing(use: DatasetUse) -> list[dict[str, Any]]:
    """The steps of each protocol that sees images; protocols with the same steps share them."""
    shared: dict[tuple[str, tuple[Step, ...]], list[str]] = {}
    for protocol in use.protocols:
        if _has_pixels(protocol, use):
            note, steps = _steps(protocol, use)
            shared.setdefault((note, steps), []).append(protocol.title)
    return [
        {
            "titles": titles,
            "note": note,
            "steps": steps,
        }
        for (note, steps), titles in shared.items()
    ]


def _steps(protocol: Protocol, use: DatasetUse) -> tuple[str, tuple[Step, ...]]:
    """A protocol's geometry in words and steps; where each entry brings its own, those of the most frequent one."""
    inputs = use.inputs.get(protocol.id, ())
    if protocol.geometry is not None:
        return "One geometry for every entry.", steps_of(protocol.geometry, protocol.views, inputs)
    counts: dict[Geometry, int] = {}
    for used, count in inputs:
        counts[used.geometry] = counts.get(used.geometry, 0) + count
    geometry = max(counts, key=lambda one: (counts[one], repr(one)))
    note = (
        f"Each entry brings its own: {len(counts):,} {'geometry' if len(counts) == 1 else 'different geometries'} "
        f"in {sum(counts.values()):,} results. Drawn is the most frequent one ({counts[geometry]:,} results): "
        f"{geometry_words(geometry)}."
    )
    return note, steps_of(geometry, protocol.views, inputs)


def _per_class(facts: DatasetFacts | None) -> int | None:
    """How many images each class of the evaluated split has, where they are equally many."""
    splits = [split for split in facts.splits if split.per_class is not None] if facts else []
    return splits[0].per_class if splits else None


def _rows(table: ClassTable, counts: Sequence[ClassCounts], facts: DatasetFacts | None) -> list[_Class]:
    per_class = _per_class(facts)
    rows = []
    for index, (wnid, ilsvrc_id, name) in enumerate(zip(table.wnids, table.ilsvrc_ids, table.names, strict=True)):
        number = counts[index].num_samples if counts else per_class
        accuracy = counts[index].accuracy if counts else None
        rows.append(
            _Class(
                class_index=index,
                wnid=wnid,
                ilsvrc_id=ilsvrc_id,
                name=name,
                num_samples=COLUMNS["num_params"].text(None) if number is None else f"{number:,}",
                accuracy=COLUMNS["top1"].text(accuracy),
                value="" if accuracy is None else f"{accuracy:.6f}",
                bar=None if accuracy is None else round(_BAR_WIDTH * accuracy, 1),
            )
        )
    return rows


def _balance(counts: Sequence[ClassCounts]) -> str:
    """How many images the classes have, in words, as the runs counted them."""
    if not counts:
        return ""
    fewest, most = min(one.num_samples for one in counts), max(one.num_samples for one in counts)
    words = f"{fewest:,} images in each class" if fewest == most else f"{fewest:,} to {most:,} images a class"
    return f"As the ranked runs counted them: {words}."


def _classes_csv(table: ClassTable, counts: Sequence[ClassCounts], facts: DatasetFacts | None) -> str:
    per_class = _per_class(facts)
    rows = [
        (
            index,
            table.wnids[index],
            table.ilsvrc_ids[index],
            table.names[index],
            counts[index].num_samples if counts else per_class,
            counts[index].accuracy if counts else None,
        )
        for index in range(table.num_classes)
    ]
    return csv_text(_HEADERS, rows)
