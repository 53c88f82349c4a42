"""The chain of a ledger: any byte that differs is found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.challenge.chain import genesis, read_chain, signature_faults
from bench.challenge.ledger import Ledger
from bench.files import canonical_json
from bench.records.ledger import Entry
from bench.signing import SecretKey

KEY = SecretKey(b"e" * 32)
DATA = Path(__file__).parents[1] / "data"
START = datetime(2026, 10, 1, tzinfo=UTC)


def write_ledger(path: Path, num_entries: int, *, key: SecretKey | None = None) -> bytes:
    """A ledger of so many entries, a minute apart; its bytes."""
    moment = START
    ledger = Ledger(path, "demo", actor="E. Valuator", key=key, clock=lambda: moment)
    for number in range(num_entries):
        moment = START + timedelta(minutes=number)
        with ledger.transaction() as transaction:
            transaction.append(action="penalty", team="acme", reason=f"number {number}, \u00e9 \U0001f600")
    return path.read_bytes()


def test_chain_that_holds_has_no_faults(tmp_path: Path) -> None:
    """Each entry names the one before; the first one names the challenge."""
    chain = read_chain(write_ledger(tmp_path / "ledger.jsonl", 3, key=KEY), "demo")

    assert (chain.faults, chain.tail, len(chain.entries)) == ((), b"", 3)
    assert [entry.previous for entry in chain.entries] == [
        genesis("demo"),
        *(entry.hash for entry in chain.entries[:-1]),
    ]
    assert signature_faults(chain.entries, {KEY.public}) == []


def test_any_flipped_bit_of_a_small_ledger_is_found(tmp_path: Path) -> None:
    """Exhaustively: every bit of every byte of a signed ledger."""
    content = bytearray(write_ledger(tmp_path / "ledger.jsonl", 3, key=KEY))
    missed = []
    for index in range(len(content)):
        for bit in range(8):
            content[index] ^= 1 << bit
            chain = read_chain(bytes(content), "demo")
            if not (chain.faults or chain.tail or signature_faults(chain.entries, {KEY.public})):
                missed.append((index, bit))
            content[index] ^= 1 << bit

    assert missed == []


def test_any_other_byte_in_an_entry_is_found(tmp_path: Path) -> None:
    """Exhaustively: every byte of an unsigned entry replaced by each of the 255 others."""
    content = write_ledger(tmp_path / "ledger.jsonl", 1)
    missed = [
        (index, byte)
        for index in range(len(content))
        for byte in range(256)
        if byte != content[index]
        and not any(read_chain(content[:index] + bytes([byte]) + content[index + 1 :], "demo")[1:])
    ]

    assert missed == []


@pytest.fixture(scope="module")
def large_ledger(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A ledger of two hundred entries."""
    return write_ledger(tmp_path_factory.mktemp("large") / "ledger.jsonl", 200)


@given(data=st.data())
def test_any_edit_of_a_large_ledger_is_found(large_ledger: bytes, data: st.DataObject) -> None:
    """Bytes replaced, removed, doubled or put in; lines moved, removed or doubled."""
    edit = data.draw(st.sampled_from(("replace", "remove", "insert", "move line", "remove line", "double line")))
    lines = large_ledger.splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 2 if "line" in edit else len(large_ledger) - 1))
    byte = data.draw(st.integers(0, 255))
    edited = {
        "replace": large_ledger[:at] + bytes([byte]) + large_ledger[at + 1 :],
        "remove": large_ledger[:at] + large_ledger[at + 1 :],
        "insert": large_ledger[:at] + bytes([byte]) + large_ledger[at:],
        "move line": b"".join([*lines[:at], *lines[at + 1 :], *lines[at : at + 1]]),
        "remove line": b"".join([*lines[:at], *lines[at + 1 :]]),
        "double line": b"".join([*lines[: at + 1], *lines[at:]]),
    }[edit]

    chain = read_chain(edited, "demo")

    assert edited == large_ledger or chain.faults or chain.tail


def test_entry_that_was_edited_and_hashed_again_breaks_the_next(tmp_path: Path) -> None:
    """Who makes one entry anew has to make all later ones anew; heads and signatures show that."""
    lines = write_ledger(tmp_path / "ledger.jsonl", 3).splitlines(keepends=True)
    old = Entry.model_validate_json(lines[1])
    fields = {name: getattr(old, name) for name in Entry.model_fields if name not in ("hash", "team")}
    lines[1] = Entry.create(team="bell", **fields).to_line()

    (fault,) = read_chain(b"".join(lines), "demo").faults

    assert fault.startswith("line 3 names")


def test_ledger_of_another_challenge_does_not_fit(tmp_path: Path) -> None:
    """A ledger cannot be carried over."""
    content = write_ledger(tmp_path / "ledger.jsonl", 1)
    assert read_chain(content, "other").faults


@pytest.mark.parametrize("change", [{"sort_keys": False}, {"separators": (", ", ": ")}])
def test_equal_content_in_other_words_is_found(tmp_path: Path, change: dict[str, object]) -> None:
    """There is one way to write an entry, so a ledger has one digest."""
    import json

    entry = read_chain(write_ledger(tmp_path / "ledger.jsonl", 1), "demo").entries[0]
    style: dict[str, object] = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False} | change
    line = json.dumps(dict(reversed(entry.as_json().items())), **style).encode() + b"\n"  # type: ignore[arg-type]

    assert "is not written as an entry is" in read_chain(line, "demo").faults[0]


def test_signature_of_somebody_else_is_found(tmp_path: Path) -> None:
    """Only evaluators of the challenge sign, and a signature that was taken off leaves its trace."""
    chain = read_chain(write_ledger(tmp_path / "ledger.jsonl", 1, key=SecretKey(b"x" * 32)), "demo")
    (entry,) = chain.entries

    assert "who is no evaluator" in signature_faults([entry], {KEY.public})[0]
    assert "without a signature" in signature_faults([entry.model_copy(update={"signature": None})], {KEY.public})[0]
    forged = entry.model_copy(update={"signature": "0" * 128})
    assert "did not make" in signature_faults([forged], {str(entry.signer)})[0]


@given(st.binary(max_size=300))
def test_noise_is_no_ledger_and_no_crash(content: bytes) -> None:
    """Whatever the file holds, the answer is a sentence."""
    chain = read_chain(content, "demo")
    assert not content or chain.faults or chain.tail


def test_deep_and_long_values_are_refused(tmp_path: Path) -> None:
    """Deep nesting and long numbers end in a sentence, too."""
    for line in (b"[" * 100_000, b'{"sequence":' + b"9" * 10_000 + b"}", canonical_json({"a": {}}).encode()):
        assert read_chain(line + b"\n", "demo").faults


def test_ledger_of_the_first_version_holds_for_ever() -> None:
    """A ledger lives for years: keys that are added later do not change how old entries are written."""
    chain = read_chain((DATA / "ledger-v1.jsonl").read_bytes(), "demo")
    assert (chain.faults, chain.tail) == ((), b"")
    assert signature_faults(chain.entries, {KEY.public}) == []
    assert [entry.action for entry in chain.entries] == [
        "reserve", "score", "reserve", "refund", "reject", "retract", "supersede", "penalty", "waive",
    ]  # fmt: skip


def test_entries_of_a_newer_bench_are_named_as_such(tmp_path: Path) -> None:
    """An old bench says that it is old, and not that the ledger was tampered with."""
    line = write_ledger(tmp_path / "ledger.jsonl", 1).replace(b'"format_version":1', b'"format_version":2,"new":1')
    assert "upgrade ilsvrc-bench" in read_chain(line, "demo").faults[0]


def test_faults_are_named_by_their_line(tmp_path: Path) -> None:
    """The first broken line is named, with how many lines behind it prove nothing."""
    lines = write_ledger(tmp_path / "ledger.jsonl", 5).splitlines(keepends=True)
    (fault,) = read_chain(b"".join([*lines[:2], b"{}\n", *lines[2:]]), "demo").faults
    assert fault.startswith("line 3 holds no entry")
    assert "the 3 lines behind it prove nothing" in fault
