"""From a store of results and a folder of boards to a site: the same input gives the same bytes."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.data.classes import class_table
from bench.errors import BenchError, RecordError
from bench.leaderboard.board import load_boards, standing
from bench.leaderboard.board_page import board_pages
from bench.leaderboard.classes import ClassNames, classes_csv
from bench.leaderboard.entry import Entry, Place, entry_csv, entry_json
from bench.leaderboard.exports import csv_of_rows
from bench.leaderboard.facts import status_words
from bench.leaderboard.frame import BASE_COLUMNS, flat_row, frame_of_rows
from bench.leaderboard.index import index_json, index_page
from bench.leaderboard.output import Page, compare_site, write_site
from bench.leaderboard.pages import asset_pages, render
from bench.leaderboard.submission import submission_page
from bench.leaderboard.table import tracks_css
from bench.protocols import load_protocol, protocol_ids
from bench.records.breakdown import Breakdown
from bench.store import Store, Stored
from bench.version import __version__

__all__ = ["CheckReport", "PublishReport", "Site", "check", "publish"]


@dataclass(frozen=True, kw_only=True)
class PublishReport:
    """What was published."""

    index: Path
    """The page to open."""
    num_results: int
    num_boards: int
    num_files: int
    broken: tuple[BenchError, ...]
    """Results and boards that are not on the site, and what is wrong with them."""


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What a site would be, against what is there."""

    num_results: int
    num_boards: int
    differing: tuple[str, ...]
    """Files of the folder that differ, are missing, or should not be there."""
    broken: tuple[BenchError, ...]


class Site:
    """All pages of one store and one folder of boards.

    Args:
        store: The results. A results folder that does not exist is an error of the store.
        boards_folder: The folder of board files.

    Raises:
        StoreError: There is no results folder.
        UsageError: There is no folder of boards.
    """

    def __init__(self, store: Store, boards_folder: Path) -> None:
        scan = store.scan()
        self.store = store
        self.stored = sorted(scan.stored, key=lambda item: (item.run, item.result.entry), reverse=True)
        self.boards, broken_boards = load_boards(boards_folder)
        self.broken: list[BenchError] = [*scan.broken, *broken_boards]
        self.rows = {item.run: flat_row(item) for item in self.stored}
        frame = frame_of_rows(list(self.rows.values()))
        self.standings = [standing(loaded, frame) for loaded in self.boards]
        self.reasons = self._reasons()
        self._classes: dict[str, ClassNames] = {}

    def _reasons(self) -> dict[str, str]:
        """From run to why it has no rank: from its board, or because there is no board for it."""
        reasons: dict[str, str] = {}
        for place in reversed(self.standings):
            reasons |= dict(zip(place.unranked["run"], place.unranked["reason"], strict=True))
        ranked = {run for place in self.standings for run in place.ranked["run"]}
        on_a_board = {loaded.board.protocol for loaded in self.boards}
        for item in self.stored:
            if item.run in ranked:
                reasons.pop(item.run, None)
            elif item.run not in reasons and item.result.protocol.id not in on_a_board:
                words = status_words(item)
                reasons[item.run] = f"{words}; no board ranks the protocol {item.result.protocol.id}"
        return reasons

    def pages(self) -> Iterator[Page]:
        """Every file of the site, one at a time; breakdowns that turn out broken are added to `broken`."""
        yield from asset_pages(tracks_css(self.boards))
        for place in self.standings:
            yield from board_pages(place, {"root": "../", **self._footer})
        yield from self._submission_pages()
        common = {"root": "", **self._footer}
        content = index_page(self.standings, self.stored, self.reasons)
        yield Page("index.html", render("index.html", {**common, "page": content}))
        yield Page("index.json", index_json(self.standings, len(self.stored)).encode())
        yield Page("results.csv", csv_of_rows(list(self.rows.values()), first=BASE_COLUMNS).encode())

    @cached_property
    def _footer(self) -> dict[str, Any]:
        newest = max((item.result.created_at for item in self.stored), default="")
        return {"version": __version__, "num_results": f"{len(self.stored):,}", "newest": newest[:10]}

    def _submission_pages(self) -> Iterator[Page]:
        titles = {name: load_protocol(name).title for name in protocol_ids()}
        common = {"root": "../", **self._footer}
        for entry in self._entries():
            content = submission_page(entry, self._classes, titles)
            base = f"submissions/{entry.slug}"
            yield Page(f"{base}.html", render("submission.html", {**common, "page": content}))
            yield Page(f"{base}.csv", entry_csv(entry).encode())
            yield Page(f"{base}.json", entry_json(entry).encode())
            for item in entry.shown_runs():
                if (breakdown := entry.breakdowns.get(item.run)) is not None:
                    text = classes_csv(breakdown, self._classes[breakdown.classes])
                    yield Page(f"{base}.{item.result.protocol.id}.classes.csv", text.encode())

    def _entries(self) -> Iterator[Entry]:
        places = self._places()
        runs: dict[str, list[Stored]] = {}
        for item in self.stored:
            runs.setdefault(item.result.entry, []).append(item)
        for key in sorted(runs):
            entry = Entry(
                key=key,
                runs=runs[key],
                rows=[self.rows[item.run] for item in runs[key]],
                places=places.get(key, []),
                reasons=self.reasons,
            )
            found = {item.run: breakdown for item in entry.shown_runs() if (breakdown := self._breakdown(item))}
            yield replace(entry, breakdowns=found)

    def _places(self) -> dict[str, list[Place]]:
        places: dict[str, list[Place]] = {}
        for place in self.standings:
            board, frame = place.loaded.board, place.ranked
            names = ("entry", "run", "rank", "rank_low", "rank_high")
            for entry, run, rank, low, high in zip(*(frame[name].tolist() for name in names), strict=True):
                places.setdefault(entry, []).append(
                    Place(board.id, board.title, run, rank, low, high, len(frame), place.loaded.rank_by)
                )
        return places

    def _breakdown(self, item: Stored) -> Breakdown | None:
        """A run's counts by class where they were kept and fit their class table; what is wrong is remembered."""
        try:
            breakdown = self.store.breakdown(item)
            if breakdown is None:
                return None
            if breakdown.classes not in self._classes:
                table = class_table(breakdown.classes)
                self._classes[breakdown.classes] = ClassNames(wnids=table.wnids, names=table.names)
            num_classes = len(self._classes[breakdown.classes].wnids)
            indices = [index for pair in breakdown.confusions for index in (pair.label, pair.answer)]
            if len(breakdown.num_samples) != num_classes or not all(0 <= index < num_classes for index in indices):
                path = item.path.with_suffix(".classes.json")
                raise RecordError(f"does not fit the {num_classes} classes of {breakdown.classes}", path=path)
        except BenchError as error:
            self.broken.append(error)
            return None
        return breakdown


@contextmanager
def _collector_paused() -> Iterator[None]:
    """All records live until the site is written and pages leave no cycles: collecting would only cost a quarter."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def publish(store: Store, boards_folder: Path, out: Path) -> PublishReport:
    """Writes the site of a store; what is broken is left out and reported.

    Args:
        store: The results.
        boards_folder: The folder of board files.
        out: The site's folder; the pages that are there are replaced at once, at the end.

    Raises:
        StoreError: There is no results folder, or the site cannot be written.
        UsageError: There is no folder of boards, or `out` holds what bench did not make.
    """
    with _collector_paused():
        site = Site(store, boards_folder)
        num_files = write_site(site.pages(), out)
    return PublishReport(
        index=out / "index.html",
        num_results=len(site.stored),
        num_boards=len(site.boards),
        num_files=num_files,
        broken=tuple(site.broken),
    )


def check(store: Store, boards_folder: Path, out: Path | None = None) -> CheckReport:
    """Renders the site in memory and compares it with a folder.

    Args:
        store: The results.
        boards_folder: The folder of board files.
        out: The folder to compare with; None renders only, which finds broken results and boards.

    Raises:
        StoreError: There is no results folder.
        UsageError: There is no folder of boards, or no `out`.
    """
    differing: Sequence[str] = []
    with _collector_paused():
        site = Site(store, boards_folder)
        if out is not None:
            differing = compare_site(site.pages(), out)
        else:
            for _ in site.pages():
                pass
    return CheckReport(
        num_results=len(site.stored),
        num_boards=len(site.boards),
        differing=tuple(differing),
        broken=tuple(site.broken),
    )
