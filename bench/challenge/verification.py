"""Is the ledger whole? Its chain, its signatures, the heads that results hold, and the rules it had to follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.challenge.chain import signature_faults
from bench.challenge.ledger import Ledger
from bench.challenge.published import evidence_digest
from bench.challenge.quota import Request, refusal
from bench.challenge.reservations import phase_of
from bench.challenge.times import moment_of
from bench.errors import BenchError
from bench.files import sha256_of_file
from bench.records.challenge import Challenge
from bench.records.ledger import Entry
from bench.stored import Stored

__all__ = ["Report", "verify_ledger"]


class Report(NamedTuple):
    """What `bench ledger verify` found."""

    num_entries: int
    """The entries that the chain proves."""
    num_signed: int
    """Those that carry a signature that holds."""
    num_heads: int
    """The heads, in results and as given, that the ledger was held against."""
    head: str
    """The hash of the last entry: write it down somewhere else, and nobody can shorten the ledger unseen."""
    faults: tuple[str, ...]
    """What is wrong, a sentence each."""


def verify_ledger(
    ledger: Ledger, rules: Challenge, results: Iterable[Stored], *, heads: Mapping[int, str] | None = None
) -> Report:
    """Looks for everything that shows that a ledger was changed.

    Args:
        ledger: The ledger.
        rules: The challenge.
        results: All results; those of this challenge name entries.
        heads: Hashes that somebody wrote down, by the number of their entry; whole, or their first 12 digits or more.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    chain = ledger.read()
    entries = chain.entries
    faults = [f"{ledger.path}: {fault}" for fault in chain.faults]
    if chain.tail:
        faults.append(
            f"{ledger.path}: ends in {len(chain.tail)} bytes of a line that is not complete: a writer was killed, or "
            "is writing now; the next entry will put them aside"
        )
    bad_signatures = signature_faults(entries, {evaluator.key for evaluator in rules.evaluators})
    mine = [item for item in results if item.result.ledger and item.result.ledger.challenge == rules.id]
    faults += [f"{ledger.path}: {fault}" for fault in bad_signatures]
    for number, head in sorted((heads or {}).items()):
        if chain.faults and number > len(entries):
            continue
        if found := _head_fault(entries, number, head):
            faults.append(f"{ledger.path}: {found}")
    for item in mine:
        if chain.faults and item.result.ledger and item.result.ledger.sequence > len(entries):
            continue  # behind the broken line, which is named already, nothing is proved
        faults += [f"{item.path}: {fault}" for fault in _result_faults(entries, item)]
    faults += [f"{ledger.path}: {fault}" for fault in _missing_results(entries, mine)]
    faults += [f"{ledger.path}: {fault}" for fault in _rule_faults(entries, rules)]
    faults += _torn_faults(entries, ledger.torn_folder)
    return Report(
        num_entries=len(entries),
        num_signed=sum(entry.signature is not None for entry in entries) - len(bad_signatures),
        num_heads=len(mine) + len(heads or {}),
        head=chain.head(rules.id),
        faults=tuple(faults),
    )


def _head_fault(entries: Sequence[Entry], number: int, head: str) -> str:
    """Why an entry is not the one that somebody saw; empty where it is."""
    if number > len(entries):
        return f"ends at entry {len(entries)}, and entry {number} ({head[:12]}) was there: its end was cut off"
    if len(head) < 12 or not entries[number - 1].hash.startswith(head):
        return f"entry {number} is {entries[number - 1].hash[:12]}, and was {head[:12]}: the ledger was written anew"
    return ""


def _result_faults(entries: Sequence[Entry], item: Stored) -> list[str]:
    """What does not fit between a result and the entry that it names."""
    result, ref = item.result, item.result.ledger
    assert ref is not None, "only results of a challenge come here"  # noqa: S101 - our own invariant
    if fault := _head_fault(entries, ref.sequence, ref.head):
        return [f"the ledger {fault}"]
    entry = entries[ref.sequence - 1]
    faults = []
    said = (result.submission.team, result.submission.name, ref.phase, ref.division, result.protocol.digest)
    if said != (entry.team, entry.name, entry.phase, entry.division, entry.protocol):
        faults.append(f"the entry {entry.sequence} that it names is about another submission")
    if entry.action not in ("score", "refund", "reject"):
        faults.append(f"the entry {entry.sequence} that it names is a {entry.action}, which gives no result")
    elif (entry.action == "score" and entry.outcome == "ok") != (result.status != "failed"):
        faults.append(f"is {result.status}, the entry {entry.sequence} says {entry.action}: {entry.outcome}")
    elif entry.result is not None and entry.result != evidence_digest(result):
        faults.append(f"was edited: the entry {entry.sequence} was written for another record")
    return faults


def _missing_results(entries: Sequence[Entry], mine: Sequence[Stored]) -> list[str]:
    """Scores whose result is nowhere: a result is withdrawn in the open, and never removed."""
    there = {item.result.ledger.sequence for item in mine if item.result.ledger}
    return [
        f"entry {entry.sequence} scored {entry.team}/{entry.name}, and there is no result of it; hand the archive in "
        "again to have it published, or restore the file"
        for entry in entries
        if entry.action == "score" and entry.sequence not in there
    ]


def _rule_faults(entries: Sequence[Entry], rules: Challenge) -> list[str]:
    """Reservations that the rules did not allow when they were made; those of older rules are not judged."""
    faults, today = [], rules.admission_digest()
    for at, entry in enumerate(entries):
        if entry.action != "reserve" or entry.rules != today:
            continue
        try:
            request = _request_of(entry)
            phase = phase_of(rules, request.phase)
        except BenchError as error:
            faults.append(f"entry {entry.sequence}: {error}")
            continue
        refused = refusal(entries[:at], phase, request, moment_of(entry.time), 0.0)
        if refused is not None:
            faults.append(f"entry {entry.sequence} should have been refused: {refused.reason}")
    return faults


def _request_of(entry: Entry) -> Request:
    values = {name: getattr(entry, name) for name in ("account", "name", "phase", "division", "submission", "protocol")}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise BenchError(f"a reservation without {', '.join(missing)}")
    received = None if entry.received is None else moment_of(entry.received)
    return Request(team=entry.team, received=received, **values)


def _torn_faults(entries: Sequence[Entry], folder: Path) -> list[str]:
    """Broken lines that were put aside and are not there any more, or not as they were."""
    return [
        f"{folder / sha256}: the broken line that entry {entry.sequence} put aside was changed or removed"
        for entry in entries
        for sha256 in entry.torn or ()
        if not (folder / sha256).is_file() or sha256_of_file(folder / sha256) != sha256
    ]
