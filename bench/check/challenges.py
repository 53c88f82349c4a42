"""Rules for challenges and their ledgers (C01, C02).

`bench ledger verify` holds a ledger against results and quota too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.challenge.chain import read_chain, signature_faults
from bench.challenge.loaded import CHALLENGE_FILE, load_challenge
from bench.check.rule import Finding, finding, findings_of
from bench.errors import BenchError
from bench.records.challenge import Challenge

__all__ = ["look_at_challenge", "look_at_ledger"]


def look_at_challenge(path: Path) -> Iterator[Finding]:
    """Breaches of C02 in `challenges/<id>/challenge.toml`."""
    try:
        load_challenge(str(path))
    except BenchError as error:
        yield from findings_of("C02", error, path)


def look_at_ledger(path: Path) -> Iterator[Finding]:
    """Breaches of C01 in `challenges/<id>/ledger.jsonl`: its chain, and the evaluators' signatures."""
    try:
        chain = read_chain(path.read_bytes(), path.absolute().parent.name)
    except OSError as error:
        yield finding("C01", f"cannot be read ({error.strerror or error})", path)
        return
    for sentence in chain.faults:
        yield finding("C01", sentence, path)
    try:
        evaluators = Challenge.load(path.with_name(CHALLENGE_FILE)).evaluators
    except BenchError:
        return  # C02 names what is wrong with the challenge; without it nobody knows whose signatures count
    for sentence in signature_faults(chain.entries, {evaluator.key for evaluator in evaluators}):
        yield finding("C01", sentence, path)
