"""The evaluation of archives: quota before, ledger after, and what the public sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench.challenge import accounting, evaluation
from bench.challenge.archive import pack, read_envelope
from bench.challenge.evaluation import evaluate_archive
from bench.challenge.loaded import LoadedChallenge
from bench.challenge.office import Office
from bench.challenge.reservations import sweep
from bench.challenge.submitting import archive_of
from bench.challenge.verification import verify_ledger
from bench.errors import ChallengeError, LedgerError, RecordError, StoreError
from bench.signing import SecretKey

TEAM_KEY = SecretKey(b"t" * 32)
MakeArchive = Callable[..., Path]


def actions(office: Office) -> list[str]:
    """What the ledger says, in order."""
    entries = office.ledger.read().entries
    return [entry.action if entry.outcome is None else f"{entry.action} {entry.outcome}" for entry in entries]


def faults(office: Office) -> tuple[str, ...]:
    """What `bench ledger verify` finds."""
    return verify_ledger(office.ledger, office.challenge.rules, office.public.scan().stored).faults


def test_score_of_hidden_labels_is_rounded_and_alone(office: Office, make_archive: MakeArchive) -> None:
    """The public record has the rounded score, the number of images and the rank; nothing else depends on an answer."""
    verdict = evaluate_archive(office, make_archive(7))
    value = json.loads(verdict.path.read_text())

    assert verdict.result.ledger is not None
    assert (verdict.result.ledger.rank, verdict.entry.action) == (1, "score")
    assert value["metrics"] == {"top1": {"num_samples": 12, "value": 0.583}}
    assert {key for key, content in value.items() if content not in ({}, [])} == {
        "bench_version", "created_at", "dataset", "format_version", "ledger", "metrics", "protocol", "run",
        "status", "submission",
    }  # fmt: skip
    assert [path.name for path in verdict.path.parent.iterdir()] == [verdict.path.name]
    assert list(office.public.results.parent.rglob("*.parquet")) == []
    assert faults(office) == ()


def test_whole_result_stays_in_the_private_store(office: Office, make_archive: MakeArchive) -> None:
    """The evaluator keeps counts, intervals, answers and the archive, where nobody else can look."""
    verdict = evaluate_archive(office, make_archive(7))
    (whole,) = office.private.store.load()

    assert whole.metrics["top1"].count == 7
    assert office.private.store.read_predictions(whole) is not None
    assert (office.private.folder / "archives" / f"{verdict.envelope.archive_digest}.tar").is_file()
    assert office.private.folder.stat().st_mode & 0o077 == 0


def test_labels_are_nowhere_in_the_clear(
    office: Office, make_archive: MakeArchive, tmp_path: Path, hidden_labels: dict[str, str]
) -> None:
    """After an evaluation no file but the team's answers and the private store names an image beside its class."""
    evaluate_archive(office, make_archive(3))
    first_id, first_wnid = next(iter(hidden_labels.items()))
    telling = [
        path.relative_to(tmp_path).parts[0]
        for path in tmp_path.rglob("*")
        if path.is_file() and first_id.encode() in (content := path.read_bytes()) and first_wnid.encode() in content
    ]

    assert set(telling) <= {"submissions", "inbox", "private"}


def test_ranks_are_by_numbers_that_are_not_rounded(office: Office, make_archive: MakeArchive) -> None:
    """The second run of a team ranks before its first where it is better."""
    assert evaluate_archive(office, make_archive(7, name="first")).result.ledger.rank == 1  # type: ignore[union-attr]
    assert evaluate_archive(office, make_archive(8, name="second")).result.ledger.rank == 1  # type: ignore[union-attr]


def test_third_submission_of_a_week_is_shown_as_over_quota(office: Office, make_archive: MakeArchive) -> None:
    """Hostile row 42: two are scored; the third, from another account too, is a record with the reason."""
    evaluate_archive(office, make_archive(5, name="one"))
    evaluate_archive(office, make_archive(6, name="two"))
    verdict = evaluate_archive(office, make_archive(7, name="three", account="bob"))

    assert verdict.result.failure is not None
    assert verdict.result.failure.outcome == "over_quota"
    assert "2 of 2 scored submissions of acme within 168 h are used" in verdict.result.failure.message
    assert actions(office) == ["reserve", "score ok", "reserve", "score ok", "reject over_quota"]
    assert faults(office) == ()


def test_same_archive_again_is_answered_from_the_store_at_no_cost(office: Office, make_archive: MakeArchive) -> None:
    """Equal folders give equal archives, and those are never charged or run again."""
    first = evaluate_archive(office, make_archive(7))
    again = evaluate_archive(office, make_archive(7))

    assert (again.result, again.path, again.entry) == (first.result, first.path, first.entry)
    assert actions(office) == ["reserve", "score ok"]


def test_failure_before_a_score_is_refunded_until_the_attempts_are_used(
    office: Office, make_archive: MakeArchive
) -> None:
    """Hostile rows 43 and 45: answers that lack images cost no place, and are no free retry loop."""
    outcomes = []
    for number in range(7):
        verdict = evaluate_archive(office, make_archive(7, readme=str(number), num_answers=11))
        assert verdict.result.failure is not None
        outcomes.append((verdict.entry.action, verdict.result.failure.outcome))

    assert outcomes == [("refund", "protocol_error")] * 5 + [("reject", "attempt_cap")] * 2
    assert faults(office) == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("picture_val_00000001,n99000001\n", "picture_val_00000001"),
        ("picture_val_00000099,n99000001\n", "picture_val_00000099"),
    ],
)
def test_uploaded_answers_with_wrong_ids_are_refunded_with_an_example(
    office: Office, make_answers: MakeArchive, tmp_path: Path, line: str, message: str
) -> None:
    """Hostile row 45: an id twice, an unknown id, an unknown class; the team hears which."""
    folder = make_answers(7)
    with (folder / "answers.csv").open("a") as stream:
        stream.write(line)
    packed = archive_of(
        str(folder), office.challenge, phase="test", division="closed", account="ann", key=TEAM_KEY, out=tmp_path
    )
    verdict = evaluate_archive(office, packed.path)

    assert (verdict.entry.action, verdict.entry.outcome) == ("refund", "protocol_error")
    assert message in str(verdict.error)
    assert str(verdict.error).startswith("acme/net/answers.csv: ")


def test_percent_where_a_fraction_is_meant_is_refused(office: Office, make_answers: MakeArchive) -> None:
    """Hostile row 45: 76.1 for 0.761."""
    folder = make_answers(7)
    with (folder / "submission.toml").open("a") as stream:
        stream.write("[claims]\ntop1 = 76.1\n")
    with pytest.raises(RecordError, match=r"claims\.top1: .* less than or equal to 1, found 76\.1"):
        archive_of(
            str(folder), office.challenge, phase="test", division="closed", account="ann", key=TEAM_KEY, out=folder
        )


def test_failure_of_a_hidden_set_says_nothing_in_public(office: Office, make_archive: MakeArchive) -> None:
    """A message may hold what the code saw: the team hears of it, the public record has the kind of failure only."""
    verdict = evaluate_archive(office, make_archive(7, num_answers=11))

    assert verdict.error is not None
    assert "picture_val_00000012" in str(verdict.error)
    assert "picture_val" not in verdict.path.read_text()


def test_deadline_is_a_moment_in_any_zone(office: Office, make_archive: MakeArchive) -> None:
    """What comes in at the deadline is late, shown as such and not scored; a second before it is in time."""
    end = office.challenge.rules.phases[1].end
    late = evaluate_archive(replace(office, clock=lambda: end), make_archive(7))

    assert late.result.failure is not None
    assert (late.entry.action, late.result.failure.outcome) == ("reject", "late")
    in_time = end - timedelta(seconds=1)
    honest = evaluate_archive(replace(office, clock=lambda: end), make_archive(7), received=in_time)
    assert honest.entry.action == "score"
    reservation = office.ledger.read().entries[honest.entry.about - 1]  # type: ignore[operator]
    assert (reservation.received, honest.result.failure) == (in_time.strftime("%Y-%m-%dT%H:%M:%SZ"), None)
    assert faults(office) == ()


def test_clock_that_is_set_back_lets_nobody_in(office: Office, make_archive: MakeArchive) -> None:
    """Hostile row 42: a clock set back is refused with its reason in the ledger, whose times never run backwards."""
    evaluate_archive(office, make_archive(7, name="one"))
    yesterday = office.clock() - timedelta(hours=5)
    verdict = evaluate_archive(replace(office, clock=lambda: yesterday), make_archive(7, name="two"))

    assert (verdict.entry.action, verdict.entry.outcome) == ("reject", "clock")
    times = [entry.time for entry in office.ledger.read().entries]
    assert times == sorted(times)


def test_public_labels_are_published_in_full(office: Office, make_archive: MakeArchive) -> None:
    """In a phase with public labels the result is as `bench evaluate` writes it, with the ledger's entry in it."""
    verdict = evaluate_archive(office, make_archive(7, phase="development"))

    assert verdict.result.metrics["top1"].count == 7
    assert verdict.path.with_suffix(".bits").is_file()
    assert office.public.read_predictions(verdict.result).sha256() == verdict.result.predictions.sha256  # type: ignore[union-attr]
    assert verdict.result.ledger is not None
    assert (verdict.result.ledger.sequence, verdict.result.ledger.head) == (2, verdict.entry.hash)
    assert faults(office) == ()


def test_nobody_hands_in_for_another_team(office: Office, make_archive: MakeArchive, tmp_path: Path) -> None:
    """An archive that is signed with a key of somebody else is refused, and leaves nothing in the ledger."""
    path = make_archive(7)
    with path.open("rb") as stream:
        envelope = read_envelope(stream, path)
    pack(tmp_path / "submissions" / "acme" / "net", envelope.signed_by(SecretKey(b"o" * 32)), path)

    with pytest.raises(ChallengeError, match="the key of 'acme' is"):
        evaluate_archive(office, path)
    assert actions(office) == []


def test_unknown_account_is_refused(office: Office, make_archive: MakeArchive) -> None:
    """Accounts are registered: a new one is no second quota."""
    with pytest.raises(ChallengeError, match="not registered"):
        make_archive(7, account="carl")


def test_evaluator_needs_its_own_key(office: Office, make_archive: MakeArchive) -> None:
    """A team's key opens no labels and writes no ledger."""
    with pytest.raises(ChallengeError, match=r"not encrypted for this key|no evaluator"):
        evaluate_archive(replace(office, key=SecretKey(b"t" * 32)), make_archive(7))


def test_crash_between_ledger_and_result_loses_nothing(
    office: Office, make_archive: MakeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handed in again, the archive that was scored and not published is published, at no cost."""

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(accounting, "_publish", crash)
    with pytest.raises(KeyboardInterrupt):
        evaluate_archive(office, make_archive(7))
    monkeypatch.undo()
    office.public.results.mkdir(parents=True)
    assert "there is no result of it" in faults(office)[0]

    verdict = evaluate_archive(office, make_archive(7))

    assert verdict.result.metrics["top1"].value == 0.583
    assert actions(office) == ["reserve", "score ok"]
    assert faults(office) == ()


def test_interrupted_evaluation_frees_the_place(
    office: Office, make_archive: MakeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while a model runs refunds at once; the same archive can run again."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation, "evaluate_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate_archive(office, make_archive(7))
    monkeypatch.undo()

    assert actions(office) == ["reserve", "refund internal_error"]
    assert evaluate_archive(office, make_archive(7)).entry.action == "score"


def test_bug_after_the_first_answers_spends_the_place(
    office: Office, make_archive: MakeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever finds a way to break the evaluation off must not see the images again for nothing; the bug is shown."""

    def broken(*_: object, on_progress: Callable[[int, int], None], **__: object) -> None:
        on_progress(0, 12)
        raise OverflowError("secret")

    monkeypatch.setattr(evaluation, "evaluate_all", broken)
    with pytest.raises(OverflowError):
        evaluate_archive(office, make_archive(7))
    monkeypatch.undo()

    assert actions(office) == ["reserve", "score protocol_error"]
    assert evaluate_archive(office, make_archive(7)).result.failure is not None
    assert "secret" not in "".join(path.read_text() for path in office.public.results.rglob("*.json"))
    assert faults(office) == ()


def test_bug_before_the_first_answer_frees_the_place(
    office: Office, make_archive: MakeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has shown nothing of the labels."""

    def broken(*_: object, **__: object) -> None:
        raise TypeError

    monkeypatch.setattr(evaluation, "evaluate_all", broken)
    with pytest.raises(TypeError):
        evaluate_archive(office, make_archive(7))

    assert actions(office) == ["reserve", "refund internal_error"]


def test_evaluation_that_was_taken_for_dead_does_not_score(
    office: Office, make_archive: MakeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its place was given back meanwhile; a score now would be a third one."""
    evaluate_all = evaluation.evaluate_all

    def slow(*arguments: object, **named: object) -> object:
        later = replace(office, clock=lambda: datetime.now(UTC) + timedelta(days=2))
        with later.ledger.transaction() as transaction:
            sweep(transaction, later.ledger, later.challenge.rules)
        return evaluate_all(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluation, "evaluate_all", slow)
    with pytest.raises(LedgerError, match="is over"):
        evaluate_archive(office, make_archive(7))
    assert actions(office) == ["reserve", "refund stuck"]
    assert not office.public.results.exists()


def test_code_meets_hidden_labels_only_in_the_sandbox(
    office: Office, tiny_challenge: LoadedChallenge, make_submission: Callable[..., Path], tmp_path: Path
) -> None:
    """Without a sandbox nothing is reserved and nothing runs."""
    folder = make_submission(more='kwargs = { num_outputs = 6 }\n[outputs]\nclasses = "shapes6"\n')
    packed = archive_of(
        str(folder), tiny_challenge, phase="test", division="closed", account="ann", key=TEAM_KEY, out=tmp_path
    )

    with pytest.raises(ChallengeError, match="runs in the sandbox only"):
        evaluate_archive(office, packed.path)
    assert actions(office) == []


def test_private_store_that_others_can_read_is_refused(office: Office, make_archive: MakeArchive) -> None:
    """The message says which command mends it."""
    office.private.folder.mkdir()
    office.private.folder.chmod(0o755)
    with pytest.raises(StoreError, match="chmod 700"):
        evaluate_archive(office, make_archive(7))
