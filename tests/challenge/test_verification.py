"""`bench ledger verify`: whatever was changed in ledger or results is found and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.challenge.evaluation import evaluate_archive
from bench.challenge.office import Office
from bench.challenge.verification import Report, verify_ledger
from bench.challenge.withdrawal import withdraw_run
from bench.errors import ChallengeError, UsageError
from bench.records.ledger import Entry
from bench.signing import SecretKey

MakeArchive = Callable[..., Path]


@pytest.fixture
def played(office: Office, make_archive: MakeArchive) -> Office:
    """Two scored submissions and one over the quota."""
    for number in range(3):
        evaluate_archive(office, make_archive(5 + number, name=f"net{number}"))
    return office


def report(office: Office, heads: dict[int, str] | None = None) -> Report:
    """What the command finds."""
    return verify_ledger(office.ledger, office.challenge.rules, office.public.scan().stored, heads=heads)


def lines(office: Office) -> list[bytes]:
    """The lines of the ledger."""
    return office.ledger.path.read_bytes().splitlines(keepends=True)


def rewrite(office: Office, change: Callable[[list[Entry]], list[dict[str, object]]]) -> None:
    """Makes a ledger anew whose chain holds, as somebody would who can write the file and has no evaluator's key."""
    path = office.ledger.path
    wanted = change(list(office.ledger.read().entries))
    path.unlink()
    forger = office.challenge.ledger()
    chained = {"sequence", "previous", "time", "challenge", "actor", "signer", "signature", "torn", "hash"}
    with forger.transaction() as transaction:
        for fields in wanted:
            transaction.append(**{key: value for key, value in fields.items() if key not in chained})


def values(entry: Entry) -> dict[str, object]:
    """The fields of an entry."""
    return {name: getattr(entry, name) for name in Entry.model_fields}


def test_ledger_that_was_left_alone_holds(played: Office) -> None:
    """Chain, signatures and heads fit; the head is there to be written down."""
    found = report(played)
    assert found.faults == ()
    assert (found.num_entries, found.num_signed, found.num_heads) == (5, 5, 3)
    assert report(played, heads={5: found.head[:12], 1: played.ledger.read().entries[0].hash}).faults == ()


def test_lines_cut_off_at_the_end_are_missed_by_the_results(played: Office) -> None:
    """Hostile row 44: the chain of what is left holds, and the heads in the results do not fit it."""
    played.ledger.path.write_bytes(b"".join(lines(played)[:2]))
    found = report(played)
    assert len(found.faults) == 2
    assert all(
        "its end was cut off" in fault and fault.startswith(str(played.public.results)) for fault in found.faults
    )


def test_head_that_was_written_down_finds_a_shorter_ledger(played: Office) -> None:
    """Without any result, too."""
    head = report(played).head
    played.ledger.path.write_bytes(b"".join(lines(played)[:4]))
    found = verify_ledger(played.ledger, played.challenge.rules, [], heads={5: head})
    assert "its end was cut off" in found.faults[0]


def test_ledger_made_anew_is_found(played: Office) -> None:
    """A rejection that was dropped, and everything hashed again: heads differ."""
    rewrite(played, lambda entries: [values(entry) for entry in entries if entry.sequence != 2])
    found = report(played)
    assert found.num_signed == 0
    assert any("the ledger was written anew" in fault for fault in found.faults)


def test_first_broken_line_is_not_drowned_in_what_follows(played: Office) -> None:
    """One edit is one sentence."""
    content = lines(played)
    content[0] = content[0].replace(b'"acme"', b'"bcme"')
    played.ledger.path.write_bytes(b"".join(content))
    (fault,) = report(played, heads={5: "0" * 12}).faults
    assert "line 1 was changed" in fault


@pytest.mark.parametrize("index", [0, 2, 4])
def test_removed_line_is_found(played: Office, index: int) -> None:
    """In the middle by the chain, at the end by the results."""
    kept = lines(played)
    del kept[index]
    played.ledger.path.write_bytes(b"".join(kept))
    assert report(played).faults


def test_edited_result_is_found(played: Office) -> None:
    """A score that was raised by hand no longer fits its entry."""
    path = next(
        path for path in played.public.results.rglob("*.json") if '"status": "self-reported"' in path.read_text()
    )
    path.write_text(path.read_text().replace('"value": 0.', '"value": 0.9'))
    assert any("was edited" in fault and fault.startswith(str(path)) for fault in report(played).faults)


def test_removed_result_is_missed(played: Office) -> None:
    """Results are withdrawn in the open, never removed."""
    next(path for path in played.public.results.rglob("*.json") if "self-reported" in path.read_text()).unlink()
    assert any("there is no result of it" in fault for fault in report(played).faults)


def test_entry_beyond_the_quota_is_found(played: Office) -> None:
    """An evaluator who lets a team in against the rules leaves an entry that says so."""
    with played.ledger.transaction() as transaction:
        old = transaction.entries[0]
        transaction.append(**{
            key: value
            for key, value in values(old).items()
            if key in ("action", "team", "account", "phase", "division", "name", "protocol", "rules", "until", "reason")
        } | {"submission": "5" * 64})  # fmt: skip
    (fault,) = report(played).faults
    assert "entry 6 should have been refused: 2 of 2 scored" in fault


def test_broken_line_that_was_put_aside_must_stay(played: Office) -> None:
    """What a killed writer left is evidence."""
    with played.ledger.path.open("ab") as stream:
        stream.write(b"torn")
    assert "not complete" in report(played).faults[0]
    with played.ledger.transaction() as transaction:
        transaction.append(action="waive", team="acme", reason="an entry")
    assert report(played).faults == ()
    next(played.ledger.torn_folder.iterdir()).unlink()
    assert "was changed or removed" in report(played).faults[0]


def test_withdrawn_run_has_an_entry_and_stays(played: Office) -> None:
    """Retracted, superseded or penalised: the ledger says who and why, and the chain goes on."""
    first, second = (item for item in played.public.scan().stored if item.result.status != "failed")
    withdraw_run(played.ledger, played.public, first.run, reason="wrong", by="Acme", superseded_by=second.run)
    withdraw_run(played.ledger, played.public, second.run, reason="cheated", by="E. Valuator", ruling="penalty")

    assert [(entry.action, entry.run) for entry in played.ledger.read().entries[-2:]] == [
        ("supersede", first.run),
        ("penalty", second.run),
    ]
    retraction = played.public.get(second.run).retraction
    assert retraction is not None
    assert (retraction.state, retraction.ledger) == ("penalised", 7)
    assert report(played).faults == ()
    with pytest.raises(UsageError, match="already retracted"):
        withdraw_run(played.ledger, played.public, first.run, reason="again", by="Acme")


def test_withdrawal_that_was_interrupted_goes_on(played: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry was written and the record was not: the same command writes the record, and no second entry."""
    (first, *_) = (item for item in played.public.scan().stored if item.result.status != "failed")

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(played.public, "retract", crash)
    with pytest.raises(KeyboardInterrupt):
        withdraw_run(played.ledger, played.public, first.run, reason="wrong", by="Acme")
    monkeypatch.undo()
    stored = withdraw_run(played.ledger, played.public, first.run, reason="wrong", by="Acme")
    assert stored.retraction is not None
    assert stored.retraction.ledger == len(played.ledger.read().entries) == 6


def test_run_of_no_challenge_is_not_withdrawn_through_a_ledger(
    played: Office, make_result: Callable[..., object]
) -> None:
    """Each result is withdrawn where it is accounted for."""
    result = make_result()
    played.public.add(result)  # type: ignore[arg-type]
    with pytest.raises(ChallengeError, match="is not of the challenge"):
        withdraw_run(played.ledger, played.public, result.run, reason="x", by="y")  # type: ignore[attr-defined]


def test_signature_of_a_stranger_is_found(played: Office, make_archive: MakeArchive) -> None:
    """Somebody with a key that is no evaluator's added an entry."""
    stranger = played.challenge.ledger()
    stranger.key = SecretKey(b"x" * 32)
    with stranger.transaction() as transaction:
        transaction.append(action="waive", team="acme", reason="let me in")
    assert "who is no evaluator" in report(played).faults[0]
