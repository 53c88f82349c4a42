"""Signatures of results: what they cover, and what they are worth."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.attest import attest, signature_faults, signature_state, trusted_keys
from bench.cli.main import cli
from bench.errors import RecordError, UsageError
from bench.records.audit import Audit
from bench.records.result import Result
from bench.records.signature import Signature, TrustedKey, TrustedKeys
from bench.records.verified import NEEDED_AUDITS, may_be_verified
from bench.signing import SecretKey, write_key
from bench.store import Store
from bench.stored import Stored

NOW = datetime(2026, 8, 2, tzinfo=UTC)
LAYERS = ("seccomp", "memory:cgroup2", "processes:cgroup2")
AUDITS = tuple(
    Audit(id=name, title="It holds", outcome="passed", threshold="Never.", sentence="It holds.")
    for name in NEEDED_AUDITS
)
KEY = SecretKey(bytes(range(32)))
KNOWN = TrustedKeys(keys=(TrustedKey(name="A. Maintainer", key=KEY.public),))


@pytest.fixture
def stored(tmp_path: Path, make_result: Callable[..., Result]) -> Stored:
    """A verified result in a store."""
    store = Store(tmp_path / "leaderboards" / "results")
    result = make_result(status="verified", isolation="sandbox", layers=LAYERS, audits=AUDITS)
    path = store.add(result)
    path.with_suffix(".bits").write_bytes(b"\x00")
    return store.get(result.run)


def test_a_signature_by_a_known_key_is_valid(stored: Stored) -> None:
    """And the page says by whom and when; without it the result is unsigned."""
    assert signature_state(stored, KNOWN).words == "unsigned"

    attest(stored, KEY, now=NOW)
    state = signature_state(stored, KNOWN)

    assert (state.state, state.name, state.created_at) == ("known key", "A. Maintainer", "2026-08-02T00:00:00Z")
    assert state.words.startswith("valid, by A. Maintainer on 2026-08-02 (key ")
    assert signature_faults(stored, KNOWN) == []


@pytest.mark.parametrize(
    "keys",
    [
        TrustedKeys(),
        TrustedKeys(keys=(TrustedKey(name="Other", key=SecretKey(bytes(32)).public),)),
        TrustedKeys(keys=(TrustedKey(name="A. Maintainer", key=KEY.public, last_day="2026-08-01"),)),
        TrustedKeys(keys=(TrustedKey(name="A. Maintainer", key=KEY.public, first_day="2026-08-03"),)),
    ],
)
def test_a_key_that_does_not_count_is_an_unknown_one(stored: Stored, keys: TrustedKeys) -> None:
    """Not listed, or not for the day of the signature."""
    attest(stored, KEY, now=NOW)

    assert signature_state(stored, keys).state == "unknown key"
    assert "not in keys.toml" in signature_faults(stored, keys)[0]


@pytest.mark.parametrize("suffix", [".json", ".bits"])
def test_a_file_that_changes_breaks_the_signature(stored: Stored, suffix: str) -> None:
    """The result itself, and what lies beside it; the file is named."""
    attest(stored, KEY, now=NOW)
    path = stored.path.with_suffix(suffix)
    path.write_bytes(path.read_bytes() + b"\n")

    state = signature_state(stored, KNOWN)
    assert state.state == "invalid"
    assert state.reason == f"{path.name} changed after it was signed"


def test_a_file_that_comes_or_goes_breaks_the_signature(stored: Stored) -> None:
    """Counts by class that nobody signed are not shown under a signature."""
    attest(stored, KEY, now=NOW)
    stored.path.with_suffix(".classes.json").write_text("{}")

    assert "classes.json" in signature_state(stored, KNOWN).reason


@pytest.mark.parametrize("field", ["created_at", "key", "signature", "run"])
def test_a_changed_signature_is_invalid(stored: Stored, field: str) -> None:
    """Each of its fields is covered."""
    path = attest(stored, KEY, now=NOW)
    content = json.loads(path.read_text())
    content[field] = {
        "created_at": "2026-08-01T00:00:00Z",
        "key": SecretKey(bytes(32)).public,
        "signature": "0" * 128,
        "run": "20260801T101500Z-000000000000",
    }[field]
    path.write_text(json.dumps(content))

    assert signature_state(stored, KNOWN).state == "invalid"


@pytest.mark.parametrize("text", ["", "[]", "{}", "\udcff", '{"format_version": 99}'])
def test_what_is_no_signature_is_invalid(stored: Stored, text: str) -> None:
    """Whatever lies there, pages are made."""
    stored.path.with_suffix(".sig").write_bytes(text.encode("utf-8", "surrogateescape"))

    state = signature_state(stored, KNOWN)
    assert state.state == "invalid"
    assert state.reason.startswith("the file is broken")


def test_a_signature_of_another_purpose_is_worth_nothing(stored: Stored) -> None:
    """A team's signature of an archive cannot be moved below a result."""
    from bench.signing import sign

    path = attest(stored, KEY, now=NOW)
    signature = Signature.load(path.rename(path.with_suffix(".json.sig.json")))
    forged = signature.model_copy(update={"signature": sign(KEY, signature.message(), purpose="archive")})
    path.write_text(forged.to_text())

    assert signature_state(stored, KNOWN).reason == "it does not fit what it claims to sign"


def test_only_what_was_verified_can_be_attested(tmp_path: Path, make_result: Callable[..., Result]) -> None:
    """A self-reported, an edited and a retracted result are refused, and the message says why."""
    store = Store(tmp_path / "results")
    own = make_result()
    edited = make_result(status="verified", isolation="sandbox", layers=LAYERS, audits=AUDITS)
    edited = edited.model_copy(update={"notes": ("edited",)})
    for result in (own, edited):
        store.add(result)

    with pytest.raises(UsageError, match="its status is 'self-reported'"):
        attest(store.get(own.run), KEY, now=NOW)
    with pytest.raises(UsageError, match="somebody edited it"):
        attest(store.get(edited.run), KEY, now=NOW)


def test_a_retracted_result_cannot_be_attested(stored: Stored, tmp_path: Path) -> None:
    """What was withdrawn has nobody who stands for it."""
    store = Store(tmp_path / "leaderboards" / "results")
    withdrawn = store.retract(stored.run, reason="wrong weights", by="Acme")

    with pytest.raises(UsageError, match="it was retracted"):
        attest(withdrawn, KEY, now=NOW)


def test_keys_are_read_from_beside_the_results(tmp_path: Path) -> None:
    """A file that is not there holds no key, and one that is broken is an error that names it."""
    results = tmp_path / "results"
    assert trusted_keys(results) == TrustedKeys()

    path = tmp_path / "keys.toml"
    path.write_text(f'format_version = 1\n[[keys]]\nname = "A. Maintainer"\nkey = "{KEY.public}"\n')
    assert trusted_keys(results) == KNOWN

    path.write_text(path.read_text() + f'[[keys]]\nname = "Again"\nkey = "{KEY.public}"\n')
    with pytest.raises(RecordError, match="listed twice"):
        trusted_keys(results)


def test_verified_results_without_what_they_need_are_found(make_result: Callable[..., Result], tmp_path: Path) -> None:
    """Written by hand, not by a maintainer's run."""
    store = Store(tmp_path / "results")
    result = make_result(status="verified")
    store.add(result)
    faults = signature_faults(store.get(result.run), KNOWN)

    assert "its isolation is 'none', not 'sandbox'" in faults[0]
    assert "nobody signed it" in faults[-1]


@pytest.mark.parametrize(
    ("layers", "audits", "reason"),
    [
        (LAYERS[1:], AUDITS, "a filter of system calls (seccomp) is not active"),
        (LAYERS[:2], AUDITS, "a limit on processes (processes) is not active"),
        (LAYERS, (), "it was not audited"),
        (LAYERS, AUDITS[1:], f"audit {NEEDED_AUDITS[0]} is missing"),
        (LAYERS, (AUDITS[0].model_copy(update={"outcome": "failed"}), *AUDITS[1:]), "audit A1 failed: It holds."),
        (LAYERS, (AUDITS[0].model_copy(update={"outcome": "not-run"}), *AUDITS[1:]), "audit A1 was not run: It holds."),
    ],
)
def test_each_missing_part_keeps_a_run_from_being_verified(
    layers: tuple[str, ...], audits: tuple[Audit, ...], reason: str
) -> None:
    """The one rule for runs, checks and pages."""
    assert may_be_verified("sandbox", LAYERS, AUDITS) == ()
    assert may_be_verified("sandbox", layers, audits) == (reason,)


def test_the_command_signs_and_says_when_its_key_is_unknown(stored: Stored, tmp_path: Path) -> None:
    """`bench attest RUN --key FILE` writes RUN.sig."""
    key = tmp_path / "me.key"
    write_key(key, KEY)
    results = tmp_path / "leaderboards" / "results"
    done = CliRunner().invoke(cli, ["attest", stored.run[:12], "--key", str(key), "--results", str(results)])

    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(stored.path.with_suffix(".sig"))
    assert f"Your key {KEY.public} is not in {results.parent / 'keys.toml'}" in done.stderr
    assert signature_state(stored, KNOWN).state == "known key"
