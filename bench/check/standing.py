"""Rules for what a result stands on: its protocol, its status, hidden labels, the training of its weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.check.rule import Finding, finding, findings_of
from bench.errors import BenchError, UsageError
from bench.protocols import load_protocol
from bench.records.protocol import Protocol
from bench.records.result import Result
from bench.records.submission import TrainingOrigin
from bench.records.verified import may_be_verified

__all__ = ["has_hidden_labels", "look_at_standing", "look_at_training"]

_TELLING_FIELDS = ("predictions", "blocks", "costs", "environment", "seeds", "timing", "notes")
"""Fields that can depend on single images, or on what a team makes its model do."""
_TELLING_FILES = (".bits", ".classes.json", ".blocks.json")


def look_at_standing(result: Result, path: Path) -> Iterator[Finding]:
    """Breaches of R08, R10, R12 and T01."""
    if result.protocol.digest is not None:
        try:
            protocol = _protocol_of(result, path)
        except UsageError:
            message = f"{result.protocol.id!r} is no protocol of this bench; it cannot be compared"
            yield finding("R08", message, path, key="protocol")
        except BenchError as error:
            yield from findings_of("R08", error, path)
        else:
            yield from _version("R08", protocol, result.protocol.digest, path, "protocol")
            if protocol.hidden:
                yield from _told(result, protocol, path)
    if result.status == "verified":
        for reason in may_be_verified(result.isolation, result.layers, result.audits):
            yield finding("R10", f"is 'verified', but {reason}", path, key="status")
    if result.submission.training is not None:
        yield from look_at_training(result.submission.training, path, "submission.training")


def look_at_training(training: TrainingOrigin, path: Path, key: str) -> Iterator[Finding]:
    """Breaches of T01 in what is said about the training of weights."""
    try:
        protocol = load_protocol(training.protocol)
    except UsageError:
        yield finding("T01", f"{training.protocol!r} is no protocol of this bench", path, key=key)
        return
    yield from _version("T01", protocol, training.protocol_digest, path, key)


def has_hidden_labels(result: Result, path: Path) -> bool:
    """Whether a result is under a protocol whose labels are hidden, as far as that is known here."""
    try:
        return bool(_protocol_of(result, path).hidden)
    except BenchError:
        return False


def _protocol_of(result: Result, path: Path) -> Protocol:
    """The protocol of a result: one that lies with its challenge, or one that ships.

    Raises:
        UsageError: There is none.
        RecordError: Its file is broken.
    """
    folders = path.absolute().parents
    if result.ledger is not None and len(folders) > 5:
        # <root>/leaderboards/results/<protocol>/<team>/<name>/<run>.json
        own = folders[5] / "challenges" / result.ledger.challenge / f"{result.protocol.id}.toml"
        if own.is_file():
            return load_protocol(str(own))
    return load_protocol(result.protocol.id)


def _version(rule: str, protocol: Protocol, digest: str, path: Path, key: str) -> Iterator[Finding]:
    if (known := protocol.digest()) != digest:
        message = (
            f"{protocol.id!r} has the digest {digest[:12]}, here it is {known[:12]}: another version of the protocol"
        )
        yield finding(rule, message, path, key=key)


def _told(result: Result, protocol: Protocol, path: Path) -> Iterator[Finding]:
    """R12: what a result under hidden labels tells beyond a score, a number of images and a rank."""
    for name in _TELLING_FIELDS:
        if getattr(result, name):
            yield finding("R12", "must stay with the evaluator: the labels are hidden", path, key=name)
    for name, estimate in result.metrics.items():
        ranks = protocol.metrics is not None and name == protocol.metrics.rank_by
        if not ranks or estimate.count is not None or estimate.ci_low is not None or estimate.ci_high is not None:
            message = "must be the rounded score alone, of the metric that ranks: the labels are hidden"
            yield finding("R12", message, path, key=f"metrics.{name}")
    for suffix in _TELLING_FILES:
        if (beside := path.with_suffix(suffix)).exists():
            yield finding("R12", "must stay with the evaluator: the labels are hidden", beside)
