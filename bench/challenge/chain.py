"""The chain of a ledger's lines: each holds the hash of the one before, and is written in the one way that is allowed.

A byte that differs, a line that is missing, moved or there twice breaks the chain at a line that can be named. What a
chain cannot show is that its last lines are gone, or that all of it was made anew: for that `bench ledger verify`
compares it with the heads that results hold, and with the evaluators' signatures.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from typing import NamedTuple

from pydantic import ValidationError

from bench.files import canonical_json, digest_of
from bench.records.ledger import Entry
from bench.signing import verify

__all__ = ["SIGNATURE_PURPOSE", "Chain", "genesis", "read_chain", "signature_faults"]

SIGNATURE_PURPOSE = "ledger"
_VERSION = re.compile(rb'"format_version":([0-9]{1,9})[,}]')


class Chain(NamedTuple):
    """What a ledger holds."""

    entries: tuple[Entry, ...]
    """The entries up to the first fault, in order."""
    tail: bytes
    """What stands behind the last newline: empty, unless a writer was killed in mid-line."""
    faults: tuple[str, ...]
    """What is wrong, a sentence each, with the number of the line; empty for a chain that holds."""

    def head(self, challenge: str) -> str:
        """The hash that the next entry must name."""
        return self.entries[-1].hash if self.entries else genesis(challenge)


def genesis(challenge: str) -> str:
    """What the first entry of a challenge's ledger names as the entry before: no ledger fits two challenges.

    >>> genesis("ilsvrc")[:8]
    '100ef5e4'
    """
    return hashlib.sha256(challenge.encode()).hexdigest()


def read_chain(content: bytes, challenge: str) -> Chain:
    """The entries of a ledger, checked byte for byte.

    Args:
        content: The ledger's file.
        challenge: The challenge's id.
    """
    *lines, tail = content.split(b"\n")
    entries: list[Entry] = []
    previous = genesis(challenge)
    for number, line in enumerate(lines, start=1):
        found = _entry(line)
        fault = found if isinstance(found, str) else _misfit(found, number, previous, challenge, entries)
        if fault:
            others = len(lines) - number
            rest = f"; the {others:,} lines behind it prove nothing" if others else ""
            return Chain(tuple(entries), tail, (f"line {number} {fault}{rest}",))
        assert isinstance(found, Entry)  # noqa: S101 - a text is a fault
        entries.append(found)
        previous = found.hash
    return Chain(tuple(entries), tail, ())


def _entry(line: bytes) -> Entry | str:
    """The entry that a line holds, or what is wrong with the line by itself."""
    try:
        entry = Entry.model_validate_json(line)
    except ValidationError as error:
        newer = _VERSION.search(line)
        if newer is not None and int(newer[1]) > Entry.FORMAT_VERSION:
            return f"is of format version {int(newer[1])}, newer than this bench reads; upgrade ilsvrc-bench"
        detail = error.errors(include_url=False)[0]
        key = ".".join(map(str, detail["loc"]))
        return f"holds no entry ({key + ': ' if key else ''}{detail['msg']})"
    if entry.format_version != Entry.FORMAT_VERSION:
        return f"is of format version {entry.format_version}, this bench reads {Entry.FORMAT_VERSION}"
    values = entry.as_json()
    if canonical_json(values).encode() != line:
        return "is not written as an entry is: keys, order or white space differ"
    del values["hash"]
    values.pop("signature", None)
    if digest_of(values) != entry.hash:
        return f"was changed: its content has another hash than the {entry.hash[:12]} that it states"
    return entry


def _misfit(entry: Entry, number: int, previous: str, challenge: str, before: list[Entry]) -> str:
    """Why an entry that is sound by itself does not continue the chain; empty where it does."""
    if entry.sequence != number:
        return f"is entry {entry.sequence}, expected {number}: lines are missing, moved or there twice"
    if entry.previous != previous:
        return f"names {entry.previous[:12]} as the entry before, which is {previous[:12]}"
    if entry.challenge != challenge:
        return f"belongs to the challenge {entry.challenge!r}, this is {challenge!r}"
    if before and entry.time < before[-1].time:
        return f"is from {entry.time}, before the entry before it ({before[-1].time})"
    return ""


def signature_faults(entries: Collection[Entry], known: Collection[str]) -> list[str]:
    """What is wrong with the entries' signatures; one that is not signed is no fault.

    Args:
        entries: The entries of a chain that holds.
        known: The public keys of the challenge's evaluators.
    """
    faults = []
    for entry in entries:
        if (entry.signer is None) != (entry.signature is None):
            faults.append(f"entry {entry.sequence} has a signer without a signature, or the reverse")
        elif entry.signer is not None and entry.signer not in known:
            faults.append(f"entry {entry.sequence} is signed by {entry.signer}, who is no evaluator of the challenge")
        elif entry.signer is not None and not verify(
            entry.signer, entry.hash.encode(), entry.signature or "", purpose=SIGNATURE_PURPOSE
        ):
            faults.append(f"entry {entry.sequence} has a signature that its signer did not make")
    return faults
