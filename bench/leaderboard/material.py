"""What the pages of a site are made of: all results and boards, read and ranked once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.attest import SignatureState, signature_state, trusted_keys
from bench.data.classes import class_table
from bench.errors import BenchError, RecordError
from bench.leaderboard.board import load_boards
from bench.leaderboard.classes import ClassNames
from bench.leaderboard.entry import Entry, Place
from bench.leaderboard.facts import status_words
from bench.leaderboard.frame import flat_row, frame_of_rows
from bench.leaderboard.joins import open_settings
from bench.leaderboard.standing import standing
from bench.protocols import load_protocol, protocol_ids
from bench.records.breakdown import Breakdown
from bench.records.correctness import Correctness
from bench.records.signature import TrustedKeys
from bench.records.training import Attempts
from bench.store import Store
from bench.stored import Stored, read_attempts, read_breakdown, read_correctness
from bench.version import __version__

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Material"]


class Material:
    """All results of one store and one folder of boards, and what follows from them.

    Args:
        store: The results. A results folder that does not exist is an error of the store.
        boards_folder: The folder of board files.
        url: Where the site will stand, an absolute link; None where that is not known.

    Raises:
        StoreError: There is no results folder.
        UsageError: There is no folder of boards.
    """

    def __init__(self, store: Store, boards_folder: Path, *, url: str | None = None) -> None:
        scan = store.scan()
        self.store = store
        self.url = None if url is None else url.rstrip("/") + "/"
        """Where the site will stand, with a slash at its end; None where that is not known."""
        self.stored = sorted(scan.stored, key=lambda item: (item.run, item.result.entry), reverse=True)
        """Every valid result, newest first."""
        self.by_run: Mapping[str, Stored] = {item.run: item for item in self.stored}
        self.boards, broken_boards = load_boards(boards_folder)
        self.broken: list[BenchError] = [*scan.broken, *broken_boards]
        """What is not on the site, and why; it grows while pages are made."""
        self.signatures = self._signatures()
        """From run to what its signature is worth, for the runs that are signed."""
        self.rows = {item.run: self._row(item) for item in self.stored}
        """From run to its row of the data frame."""
        self.frame: pd.DataFrame = frame_of_rows(list(self.rows.values()))
        self.broken += self._open_joins(boards_folder)
        self.standings = [standing(loaded, self.frame, self.correctness) for loaded in self.boards]
        self.reasons = self._reasons()
        """From run to why it has no rank."""
        self.class_names: dict[str, ClassNames] = {}
        """The class tables that breakdowns name, by name; filled by `breakdown`."""

    @cached_property
    def common(self) -> dict[str, Any]:
        """What every template needs, beside `root`, the way to the top of the site."""
        return {"version": __version__}

    @cached_property
    def protocol_titles(self) -> Mapping[str, str]:
        """From the id of every protocol to its title."""
        return {name: load_protocol(name).title for name in protocol_ids()}

    @cached_property
    def entries(self) -> list[Entry]:
        """All submissions, sorted by key."""
        return list(self._entries())

    def correctness(self, run: str) -> Correctness | None:
        """Which images a run got right, where that was kept; a broken file is remembered."""
        try:
            return read_correctness(self.by_run[run])
        except BenchError as error:
            self.broken.append(error)
            return None

    def breakdown(self, item: Stored) -> Breakdown | None:
        """A run's counts by class where they were kept and fit their class table; a broken file is remembered."""
        try:
            breakdown = read_breakdown(item)
            if breakdown is None:
                return None
            if breakdown.classes not in self.class_names:
                table = class_table(breakdown.classes)
                self.class_names[breakdown.classes] = ClassNames(wnids=table.wnids, names=table.names)
            num_classes = len(self.class_names[breakdown.classes].wnids)
            indices = [index for pair in breakdown.confusions for index in (pair.label, pair.answer)]
            if len(breakdown.num_samples) != num_classes or not all(0 <= index < num_classes for index in indices):
                path = item.path.with_suffix(".classes.json")
                raise RecordError(f"does not fit the {num_classes} classes of {breakdown.classes}", path=path)
        except BenchError as error:
            self.broken.append(error)
            return None
        return breakdown

    def attempts(self, item: Stored) -> Attempts | None:
        """A run's attempts at a training where it is one; a broken file is remembered."""
        try:
            return read_attempts(item)
        except BenchError as error:
            self.broken.append(error)
            return None

    def _open_joins(self, folder: Path) -> Iterator[BenchError]:
        for loaded in self.boards:
            for number, join in enumerate(loaded.board.joins):
                if names := open_settings(self.frame, join):
                    message = f"fits results of one model that differ in {' and '.join(names)}; say which it shows"
                    path = folder / f"{loaded.board.id}.toml"
                    yield RecordError(message, path=path, key=f"joins.{number}.environment")

    def _signatures(self) -> dict[str, SignatureState]:
        keys = TrustedKeys()
        try:
            keys = trusted_keys(self.store.results)
        except BenchError as error:
            self.broken.append(error)
        states = {item.run: signature_state(item, keys) for item in self.stored}
        return {run: state for run, state in states.items() if state.state != "unsigned"}

    def _row(self, item: Stored) -> dict[str, Any]:
        row = flat_row(item)
        if (signature := self.signatures.get(item.run)) is not None:
            row["signature"] = signature.state
        return row

    def _reasons(self) -> dict[str, str]:
        """From run to why it has no rank: from its board, or because there is no board for it."""
        reasons: dict[str, str] = {}
        for place in reversed(self.standings):
            reasons |= dict(zip(place.unranked["run"], place.unranked["reason"], strict=True))
        shown = {run for place in self.standings for run in place.ranked["run"]}
        on_a_board = {loaded.board.protocol for loaded in self.boards}
        on_a_board |= {join.protocol for loaded in self.boards for join in loaded.board.joins}
        for item in self.stored:
            if item.run in shown:
                reasons.pop(item.run, None)
            elif item.run not in reasons and item.result.protocol.id not in on_a_board:
                words = status_words(item)
                reasons[item.run] = f"{words}; no board ranks the protocol {item.result.protocol.id}"
        return reasons

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
            found = {item.run: breakdown for item in entry.shown_runs if (breakdown := self.breakdown(item))}
            attempts = {item.run: made for item in entry.shown_runs if (made := self.attempts(item))}
            signed = {item.run: self.signatures[item.run] for item in entry.runs if item.run in self.signatures}
            more = found or attempts or signed
            yield replace(entry, breakdowns=found, attempts=attempts, signatures=signed) if more else entry

    def _places(self) -> dict[str, list[Place]]:
        places: dict[str, list[Place]] = {}
        for place in self.standings:
            board, frame = place.loaded.board, place.ranked[place.ranked["rank"].notna()]
            names = ("entry", "run", "rank", "rank_low", "rank_high", "status")
            sizes = frame["status"].value_counts()
            for entry, run, rank, low, high, status in zip(*(frame[name].tolist() for name in names), strict=True):
                number = int(sizes[status])
                places.setdefault(entry, []).append(
                    Place(board.id, board.title, run, rank, low, high, number, place.loaded.rank_by, status)
                )
        return places
