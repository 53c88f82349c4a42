"""The evaluation of an archive: reserved before, accounted for after, published as far as the labels allow."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bench.backends.isolation import Isolation, choose_isolation
from bench.challenge.accounting import account_failure, account_rejection, account_score, known_verdict
from bench.challenge.archive import unpack
from bench.challenge.envelope import Envelope
from bench.challenge.images import open_hidden
from bench.challenge.labels import open_labels
from bench.challenge.leases import beating
from bench.challenge.office import Hearing, Office, Verdict
from bench.challenge.quota import request_of
from bench.challenge.reservations import refund, reserve
from bench.data.contents import dataset_digest
from bench.data.dataset import Dataset, open_dataset
from bench.errors import BenchError, ChallengeError, ChannelError, SubmissionError
from bench.evaluate import evaluate_all
from bench.models.source import LoadedSubmission, open_submission
from bench.records.challenge import Track
from bench.records.ledger import Entry
from bench.records.protocol import Protocol

__all__ = ["evaluate_archive"]


def evaluate_archive(
    office: Office,
    archive: Path,
    *,
    received: datetime | None = None,
    on_progress: Callable[[int], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Verdict:
    """Evaluates what a team handed in, if the challenge's rules let it in.

    Whatever is wrong on the evaluator's side is found before anything is reserved.

    Args:
        office: Where and how.
        archive: The archive of `bench submit`.
        received: When it came in, where that was earlier than now.
        on_progress: Called with how many more images are answered.
        on_note: Called with sentences for the evaluator.

    Raises:
        SubmissionError: The file is no archive.
        ChallengeError: It is not of a team of this challenge, or is being evaluated now; or it brings code, the labels
            are hidden, and there is no sandbox.
        LedgerError: The ledger is broken or held, or the reservation was refunded as dead meanwhile.
        DataError: Images or labels are not what the protocol needs.
        StoreError: A store cannot be written.
    """
    rules = office.challenge.rules
    if received is not None and received > office.clock():
        raise ChallengeError(f"the archive cannot have come in at {received.isoformat()}, which is still to come")
    office.private.make()
    with tempfile.TemporaryDirectory(prefix="ilsvrc-bench-") as top:
        unpacked = Path(top) / "unpacked"
        envelope = unpack(archive, unpacked, max_bytes=rules.max_archive_mib << 20, max_files=rules.max_files)
        track = office.challenge.check_envelope(envelope)
        folder = Path(top) / envelope.team / envelope.name
        folder.parent.mkdir()
        unpacked.rename(folder)
        hearing = _open_hearing(office, envelope, track, folder)
        entry = reserve(office.ledger, rules, request_of(envelope, hearing.protocol.digest(), received)).entry
        if entry.action == "reject":
            return account_rejection(hearing, entry)
        if entry.action == "score":
            return known_verdict(hearing, entry)
        office.private.keep_archive(archive, envelope.archive_digest)
        with beating(office.challenge.ledger_path, entry, every_s=60.0 * rules.lease_minutes / 3, clock=office.clock):
            return _run(hearing, entry, on_progress, on_note)


def _open_hearing(office: Office, envelope: Envelope, track: Track, folder: Path) -> Hearing:
    """All that is needed to evaluate a folder, checked as far as it is the evaluator's to check."""
    protocol = office.challenge.protocols[track.protocol]
    dataset = _open_data(office, track, protocol)
    digest = dataset_digest(dataset, cache_folder=office.options.cache_folder, num_threads=office.options.num_threads)
    submission = _open_folder(folder, envelope)
    if protocol.hidden and isinstance(submission, LoadedSubmission):
        _check_isolation(submission, office.options.isolation)
    return Hearing(office, envelope, protocol, dataset, digest, submission)


def _open_data(office: Office, track: Track, protocol: Protocol) -> Dataset:
    """The images with their labels; hidden ones are opened here and nowhere else."""
    if track.labels is None:
        return open_dataset(office.data, protocol.dataset)
    expected = office.challenge.label_set(track.labels)
    labels = open_labels(office.challenge.folder / expected.file, expected, office.challenge.rules, office.key)
    return open_hidden(office.data, protocol.dataset, labels)


def _open_folder(folder: Path, envelope: Envelope) -> LoadedSubmission | BenchError:
    """The submission that was unpacked, or why it is none; the temporary folder is not named."""
    try:
        submission = open_submission(str(folder))
    except BenchError as error:
        top = f"{folder.parent.parent}/"
        return type(error)(str(error).replace(top, ""))
    if submission.digest != envelope.submission:
        return SubmissionError(
            f"{submission.label} has the digest {submission.digest[:12]}, its envelope says "
            f"{envelope.submission[:12]}: pack it again with the version of bench that the evaluators use"
        )
    return submission


def _check_isolation(submission: LoadedSubmission, asked: Isolation) -> None:
    """Makes sure that code of a submission never runs in the process that holds hidden labels.

    Raises:
        ChallengeError: It would.
    """
    if submission.source.runs_code and choose_isolation(asked).level != "sandbox":
        raise ChallengeError(
            f"the labels are hidden and {submission.label} brings code, which then runs in the sandbox only; "
            "use --isolation sandbox, or see `bench env` for what is missing on this machine"
        )


def _run(
    hearing: Hearing,
    reservation: Entry,
    on_progress: Callable[[int], None] | None,
    on_note: Callable[[str], None] | None,
) -> Verdict:
    """Evaluates under a reservation, which is over when this returns or raises."""
    office, num_answered = hearing.office, 0

    def advance(_: int, count: int) -> None:
        nonlocal num_answered
        num_answered += count
        if on_progress is not None:
            on_progress(count)

    if isinstance(hearing.submission, BenchError):
        return account_failure(hearing, reservation, hearing.submission, num_answered=0)
    try:
        (outcome,) = evaluate_all(
            [hearing.submission],
            hearing.protocol,
            hearing.dataset,
            office.private.store,
            replace(office.options, hidden=(*office.options.hidden, office.private.folder, office.challenge.folder)),
            digest=hearing.digest,
            on_progress=advance,
            on_note=on_note,
        )
    except BenchError as error:
        return account_failure(hearing, reservation, error, num_answered=num_answered)
    except BaseException as error:  # Ctrl-C, or a bug: the reservation is over at once, and the error goes on
        reason = f"the evaluation was broken off ({type(error).__name__})"
        with suppress(BenchError):
            if isinstance(error, Exception) and num_answered:
                # A submission that finds a bug of bench must not be able to look at the images again for nothing.
                account_failure(hearing, reservation, ChannelError(reason), num_answered=num_answered)
            else:
                refund(office.ledger, reservation, outcome="internal_error", result=None, reason=reason)
        raise
    if isinstance(outcome, BenchError):
        return account_failure(hearing, reservation, outcome, num_answered=num_answered)
    if outcome.result.failure is not None:
        return account_failure(hearing, reservation, outcome.result, num_answered=num_answered)
    return account_score(hearing, reservation, outcome.result)
