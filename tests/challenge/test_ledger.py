"""The ledger's file: what killed, stopped and unlucky writers leave behind."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import ledger_interleavings as interleavings
import pytest

from bench.challenge.ledger import Ledger
from bench.errors import LedgerError, StoreError
from bench.records.ledger import Entry

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger of two entries."""
    found = Ledger(tmp_path / "ledger.jsonl", "demo", actor="E. Valuator", wait_s=0.1)
    add(found)
    add(found)
    return found


def add(ledger: Ledger, **fields: object) -> Entry:
    """Adds an entry."""
    with ledger.transaction() as transaction:
        return transaction.append(**{"action": "penalty", "team": "acme", "reason": "spam"} | fields)


@pytest.mark.slow
def test_thousand_interleavings_of_eight_evaluators_spend_no_quota_twice_and_lose_no_entry() -> None:
    """Real processes, some killed at any moment: the acceptance test of the ledger; see the script for its rules."""
    memory = Path("/dev/shm")  # noqa: S108 - a disk that syncs a thousand ledgers would take minutes
    place = ["--folder", str(memory)] if os.access(memory, os.W_OK) else []
    command = [sys.executable, str(BENCHMARKS / "ledger_interleavings.py"), "--rounds", "1000", *place]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    seen = found["seen"]
    assert (found["rounds"], found["wrong"]) == (1000, [])
    assert min(seen["killed"], seen["reject: over_quota"], seen["score: ok"], seen["refund: stuck"]) > 100
    assert seen["broken lines kept"] > 10


PLANTED = {
    "lost": ([], [(1, "0" * 64)], "is lost"),
    "third place": (["reserve", "reserve", "reserve"], [], "has the places [1, 2, 3] within a week"),
    "ended twice": (["reserve", "score", "refund"], [], "ends 2 times"),
    "scored twice": (["reserve", "score", "reserve", "score"], [], "was scored 2 times"),
    "too many attempts": (["reserve", "refund"] * 6, [], "has 6 attempts within a week"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_rules_of_the_interleavings_find_what_is_planted(tmp_path: Path, name: str) -> None:
    """The acceptance test would see each kind of violation: here it is made on purpose."""
    actions, acknowledged, message = PLANTED[name]
    ledger, open_entry = Ledger(tmp_path / "ledger.jsonl", "demo"), 0
    for action in actions:
        entry = add(ledger, action=action, about=open_entry if action != "reserve" else None, submission="1" * 64)
        open_entry = entry.sequence if action == "reserve" else open_entry

    wrong = interleavings.check(ledger.read().entries, acknowledged, set())

    assert any(message in sentence for sentence in wrong), wrong


@pytest.mark.parametrize("length", [1, 100, -2])
def test_broken_line_is_kept_and_named_by_the_next_entry(ledger: Ledger, length: int) -> None:
    """A writer that was killed in mid-line: nothing is lost, and nothing is hidden."""
    line = add(ledger).to_line()
    content = ledger.path.read_bytes()
    ledger.path.write_bytes(content[: -len(line)] + line[:length])

    entry = add(ledger, reason="the next one")

    torn = hashlib.sha256(line[:length]).hexdigest()
    assert (entry.sequence, entry.torn) == (3, (torn,))
    assert (ledger.torn_folder / torn).read_bytes() == line[:length]
    assert (ledger.read().faults, ledger.read().tail) == ((), b"")


def test_whole_line_without_its_newline_is_an_entry(ledger: Ledger) -> None:
    """Only the newline is missing: the entry counts."""
    lost = add(ledger)
    ledger.path.write_bytes(ledger.path.read_bytes()[:-1])

    entry = add(ledger)

    assert ledger.read().entries[-2:] == (lost, entry)
    assert entry.torn is None


def test_reader_does_not_mend(ledger: Ledger) -> None:
    """Looking at a ledger changes nothing."""
    with ledger.path.open("ab") as stream:
        stream.write(b'{"acti')
    before = ledger.path.read_bytes()

    assert ledger.read().tail == b'{"acti'
    assert ledger.path.read_bytes() == before


def test_full_disk_adds_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails half-way leaves the ledger as it was."""
    before, write = ledger.path.read_bytes(), os.write

    def half(descriptor: int, content: bytes) -> int:
        write(descriptor, bytes(content)[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(LedgerError, match="No space left"):
        add(ledger)
    monkeypatch.undo()

    assert ledger.path.read_bytes() == before
    assert add(ledger).sequence == 3


def test_nothing_is_added_to_a_broken_chain(ledger: Ledger) -> None:
    """The error names the line."""
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b"spam", b"ham!", 1))
    with pytest.raises(LedgerError, match="line 1 was changed"):
        add(ledger)


def test_writer_that_does_not_let_go_is_reported(ledger: Ledger) -> None:
    """A stopped process is waited for a while, and then named as the reason."""
    with ledger.path.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(LedgerError, match="another process has held it"):
            add(ledger)


def test_entry_goes_to_the_file_that_is_there_now(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """`git pull` replaced the file while a writer waited for the lock of the old one: no entry goes astray."""
    content, flock, pulled = ledger.path.read_bytes(), fcntl.flock, []

    def pull_first(descriptor: int, how: int) -> None:
        if not pulled:
            pulled.append(True)
            ledger.path.unlink()
            ledger.path.write_bytes(content)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", pull_first)

    assert ledger.read().entries[-1] != add(ledger)
    assert len(ledger.read().entries) == 3


def test_link_in_place_of_the_ledger_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """Nobody writes through a link."""
    ledger.path.rename(tmp_path / "elsewhere")
    ledger.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="symbolic links"):
        add(ledger)


def test_entry_that_is_not_valid_is_refused_whole(ledger: Ledger) -> None:
    """The message names the key; the ledger is as it was."""
    before = ledger.path.read_bytes()
    with pytest.raises(LedgerError, match="reason"):
        add(ledger, reason="")
    assert ledger.path.read_bytes() == before


def test_times_never_run_backwards(tmp_path: Path) -> None:
    """An entry of a clock that was set back has the time of the entry before."""
    times = [datetime(2026, 10, 2, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)]
    ledger = Ledger(tmp_path / "ledger.jsonl", "demo", actor="E. Valuator", clock=lambda: times.pop(0))
    add(ledger)
    with ledger.transaction() as transaction:
        assert transaction.seconds_behind == 86400.0
        entry = transaction.append(action="penalty", team="acme", reason="spam")
    assert entry.time == "2026-10-02T00:00:00Z"
