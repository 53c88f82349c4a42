"""How a hearing ends: an entry in the ledger, then a record that the public sees.

What is published is prepared in the private store first. An evaluator that is killed between the two has lost nothing:
whoever hands in the same archive again gets what was still missing published.
"""

from __future__ import annotations

from pathlib import Path

from bench.challenge.office import Hearing, Verdict
from bench.challenge.private import Prepared
from bench.challenge.published import accounted, evidence_digest, redacted, references
from bench.challenge.rank import rank_of
from bench.challenge.refunds import is_refunded
from bench.challenge.reservations import refund, score
from bench.challenge.times import moment_of
from bench.errors import BenchError, ChallengeError
from bench.records.ledger import Entry
from bench.records.result import DatasetRef, Failure, Result, SubmissionRef
from bench.records.verified import may_be_verified
from bench.score import protocol_ref
from bench.stored import read_breakdown, read_correctness
from bench.version import __version__

__all__ = ["account_failure", "account_rejection", "account_score", "known_verdict"]


def account_score(hearing: Hearing, reservation: Entry, whole: Result) -> Verdict:
    """Accounts for a number, then publishes what may be published of it."""
    office = hearing.office
    rank = rank_of(whole, hearing.protocol, reservation, office.ledger.read().entries, office.private)
    # An evaluator of a challenge is a maintainer: what they ran in the sandbox, audited, is verified.
    is_verified = not may_be_verified(whole.isolation, whole.layers, whole.audits)
    judged = whole.model_copy(update={"status": "verified"}) if is_verified else whole
    shown = redacted(judged, hearing.protocol, decimals=office.challenge.rules.score_decimals)
    draft = accounted(shown, references(reservation, rank=rank))
    prepared = Prepared(run=whole.run, result=draft)
    office.private.prepare(reservation, prepared)
    entry = score(office.ledger, reservation, outcome="ok", result=evidence_digest(draft), reason="scored")
    return Verdict(hearing.envelope, entry, *_publish(hearing, prepared, entry), None)


def account_failure(hearing: Hearing, reservation: Entry, found: BenchError | Result, *, num_answered: int) -> Verdict:
    """Accounts for a run without a number: refunded where it taught nothing about the labels.

    Args:
        hearing: The hearing.
        reservation: Its reservation.
        found: The error that ended it, or the failed record.
        num_answered: How many images had been answered.
    """
    office = hearing.office
    if isinstance(found, Result):
        failed, run = found, found.run
        outcome, message = (found.failure.outcome, found.failure.message) if found.failure else ("internal_error", "")
        error = BenchError(message)
    else:
        error = BenchError(_shown(hearing, found))
        failed, run, outcome = _failed(hearing, found.outcome, error.message), None, found.outcome
    shown = redacted(failed, hearing.protocol, decimals=office.challenge.rules.score_decimals)
    draft = accounted(shown, references(reservation))
    prepared = Prepared(run=run, result=draft)
    office.private.prepare(reservation, prepared)
    end = refund if is_refunded(outcome, num_answered=num_answered) else score
    # How many answers exactly is not said: code could end itself at an image of its choice, and so tell about it.
    reason = f"{outcome} {'after the first answers' if num_answered else 'before the first answer'}"
    entry = end(office.ledger, reservation, outcome=outcome, result=evidence_digest(draft), reason=reason)
    return Verdict(hearing.envelope, entry, *_publish(hearing, prepared, entry), error)


def account_rejection(hearing: Hearing, entry: Entry) -> Verdict:
    """Publishes that a submission was not let in, and why: it is shown as such, and not ranked."""
    failed = _failed(hearing, entry.outcome or "rejected", entry.reason, at=entry)
    result = accounted(failed, references(entry), entry)
    path = hearing.office.public.add(result)
    return Verdict(hearing.envelope, entry, result, path, ChallengeError(entry.reason))


def known_verdict(hearing: Hearing, entry: Entry) -> Verdict:
    """The record of the very same submission, which was scored before; published now if it was not.

    Args:
        hearing: The hearing.
        entry: The `score` entry.

    Raises:
        ChallengeError: Neither store of this machine has it.
    """
    office, envelope = hearing.office, hearing.envelope
    reservation = next(item for item in office.ledger.read().entries if item.sequence == entry.about)
    prepared = office.private.prepared(reservation)
    if prepared is not None:
        return Verdict(envelope, entry, *_publish(hearing, prepared, entry), None)
    for stored in office.public.of_entry(envelope.team, envelope.name):
        ref = stored.result.ledger
        if ref is not None and (ref.challenge, ref.sequence) == (entry.challenge, entry.sequence):
            return Verdict(envelope, entry, stored.result, stored.path, None)
    raise ChallengeError(
        f"{envelope.team}/{envelope.name} was scored by {entry.actor} (entry {entry.sequence}), whose result is not in "
        f"{office.public.results}; fetch it from there"
    )


def _shown(hearing: Hearing, error: BenchError) -> str:
    """An error's sentence without the temporary folder that the submission was unpacked in."""
    if isinstance(hearing.submission, BenchError) or hearing.submission.folder is None:
        return str(error)
    return str(error).replace(f"{hearing.submission.folder.parent.parent}/", "")


def _publish(hearing: Hearing, prepared: Prepared, entry: Entry) -> tuple[Result, Path]:
    """Writes the public record, and what lies beside it where the labels are public; again, where it is there."""
    office, draft = hearing.office, prepared.result
    assert draft.ledger is not None, "prepared records refer to the ledger"  # noqa: S101 - our own invariant
    result = accounted(draft, draft.ledger, entry)
    if hearing.protocol.hidden or prepared.run is None:
        return result, office.public.add(result)
    stored = office.private.store.get(prepared.run)
    if result.predictions is not None:
        office.public.add_predictions(office.private.store.read_predictions(stored.result))
    path = office.public.add(result, correctness=read_correctness(stored), breakdown=read_breakdown(stored))
    return result, path


def _failed(hearing: Hearing, outcome: str, message: str, *, at: Entry | None = None) -> Result:
    """The record of a run that gave no number."""
    envelope, dataset, submission = hearing.envelope, hearing.dataset, hearing.submission
    unknown = SubmissionRef(
        team=envelope.team, name=envelope.name, title=envelope.name, digest=envelope.submission, source="unknown"
    )
    return Result.create(
        now=hearing.office.clock() if at is None else moment_of(at.time),
        bench_version=__version__,
        status="failed",
        submission=unknown if isinstance(submission, BenchError) else submission.ref(),
        protocol=protocol_ref(hearing.protocol),
        dataset=DatasetRef(
            name=dataset.name,
            split=dataset.split,
            digest=hearing.digest,
            num_samples=len(dataset),
            complete=dataset.complete,
        ),
        failure=Failure(outcome=outcome, message=message),
    )
