"""An entry: all runs of one submission, where it stands, which of its runs a page shows, and its records as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import xxhash

from bench.attest import SignatureState
from bench.leaderboard.exports import csv_of_rows, json_text
from bench.leaderboard.slugs import slug
from bench.records.breakdown import Breakdown
from bench.records.training import Attempts
from bench.stored import Stored

__all__ = ["Entry", "Place", "breakdown_digests", "entry_csv", "entry_json"]


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
    status: str = ""
    """Who stands for its numbers; it is ranked among those of the same status."""


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
    attempts: Mapping[str, Attempts] = field(default_factory=dict)
    """From run to the attempts of a training, for the runs that are shown."""

    signatures: Mapping[str, SignatureState] = field(default_factory=dict)
    """From run to what its signature is worth, for the runs that are signed."""

    @property
    def slug(self) -> str:
        """The file name of its page."""
        return slug(self.key)

    @cached_property
    def shown_runs(self) -> list[Stored]:
        """One run a protocol: the one that a board ranks, else the newest that was not withdrawn, else the newest."""
        if len(self.runs) == 1:
            return self.runs
        ranked = {place.run for place in self.places}
        shown: dict[str, Stored] = {}
        for stored in sorted(self.runs, key=lambda stored: (stored.run in ranked, _is_good(stored)), reverse=True):
            shown.setdefault(stored.result.protocol.id, stored)
        return sorted(shown.values(), key=lambda stored: (stored.run not in ranked, stored.result.protocol.id))


def breakdown_digests(entry: Entry) -> list[tuple[str, str]]:
    """The runs that have counts by class, each with a digest of them; the counts lie beside the result."""
    return [
        (run, xxhash.xxh3_128_hexdigest(repr(breakdown).encode()))
        for run, breakdown in sorted(entry.breakdowns.items())
    ]


def _is_good(stored: Stored) -> bool:
    return stored.retraction is None and stored.result.status != "failed"


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
