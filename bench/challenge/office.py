"""Where an evaluator works, what one hearing of an archive needs, and its verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from bench.backends.run import RunOptions
from bench.challenge.envelope import Envelope
from bench.challenge.ledger import Ledger
from bench.challenge.loaded import LoadedChallenge
from bench.challenge.private import PrivateStore
from bench.challenge.times import now_utc
from bench.data.dataset import Dataset
from bench.errors import BenchError
from bench.models.source import LoadedSubmission
from bench.records.ledger import Entry
from bench.records.protocol import Protocol
from bench.records.result import Result
from bench.signing import SecretKey
from bench.store import Store

__all__ = ["Hearing", "Office", "Verdict"]


@dataclass(frozen=True, kw_only=True)
class Office:
    """Where and how an evaluator works."""

    challenge: LoadedChallenge
    """The challenge."""
    key: SecretKey
    """The evaluator's key: it signs entries and opens labels."""
    data: Path
    """The folder of the images."""
    public: Store
    """Where results are published."""
    private: PrivateStore
    """Where whole results of hidden sets stay."""
    options: RunOptions
    """How to run."""
    clock: Callable[[], datetime] = now_utc
    """The time; another one only in tests."""

    @property
    def ledger(self) -> Ledger:
        """The ledger, which the evaluator signs."""
        actor = self.challenge.evaluator(self.key).name
        return Ledger(self.challenge.ledger_path, self.challenge.rules.id, actor=actor, key=self.key, clock=self.clock)


class Hearing(NamedTuple):
    """One archive before an evaluator."""

    office: Office
    envelope: Envelope
    protocol: Protocol
    dataset: Dataset
    digest: str
    """The dataset's digest."""
    submission: LoadedSubmission | BenchError
    """What was unpacked, or why it is no submission."""


class Verdict(NamedTuple):
    """What became of an archive."""

    envelope: Envelope
    """Who handed in what."""
    entry: Entry
    """The entry that ended it: `score`, `refund` or `reject`."""
    result: Result
    """The published record."""
    path: Path
    """Where it lies."""
    error: BenchError | None
    """Why there is no number, in the words that are for the team and not for the public."""
