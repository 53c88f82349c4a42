"""What pages and boards say of isolation, audits and signatures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.attest import UNSIGNED, attest
from bench.leaderboard.index import index_page
from bench.leaderboard.material import Material
from bench.leaderboard.submission import submission_pages
from bench.leaderboard.table import table_rows
from bench.leaderboard.trust import trust_of
from bench.records.audit import Audit
from bench.records.result import Failure, Result
from bench.records.verified import NEEDED_AUDITS
from bench.signing import SecretKey
from bench.store import Store

KEY = SecretKey(bytes(range(32)))
LAYERS = ("seccomp", "memory:cgroup2", "processes:cgroup2")
AUDITS = tuple(
    Audit(id=name, title=f"Rule {name} <b>holds</b>", outcome="passed", threshold="Never.", sentence="Fine.")
    for name in NEEDED_AUDITS
)
BOARD = """
format_version = 1
id = "shapes"
title = "Shapes"
description = "Drawn shapes."
protocol = "shapes10-val"
columns = ["rank", "model", "top1"]
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store beside a folder with one board."""
    boards = tmp_path / "leaderboards" / "boards"
    boards.mkdir(parents=True)
    (boards / "shapes.toml").write_text(BOARD)
    return Store(tmp_path / "leaderboards" / "results")


def _verified(make_result: Callable[..., Result], **change: object) -> Result:
    from bench.protocols import load_protocol
    from bench.records.result import ProtocolRef

    protocol = load_protocol("shapes10-val")
    ref = ProtocolRef(id=protocol.id, version=protocol.version, digest=protocol.digest())
    values = {"status": "verified", "isolation": "sandbox", "layers": LAYERS, "audits": AUDITS, "protocol": ref}
    return make_result(**values | change)


def _page(store: Store) -> str:
    material = Material(store, store.results.parent / "boards")
    (page,) = [page for page in submission_pages(material) if page.path.endswith(".html")]
    return page.make().decode()


def test_an_older_or_imported_result_has_nothing_to_say(make_result: Callable[..., Result]) -> None:
    """No layers, no audits, no signature: the page is as it was."""
    assert trust_of(make_result()) is None
    assert trust_of(make_result(status="imported")) is None


def test_a_verified_result_says_what_bears_it_out(make_result: Callable[..., Result]) -> None:
    """Isolation, layers, signature, and the command that runs it again."""
    trust = trust_of(_verified(make_result, predictions={"sha256": "a" * 64, "num_bytes": 1}), UNSIGNED)
    assert trust is not None
    facts = {fact.label: fact.value for fact in trust.facts}

    assert facts["Isolation"] == "sandbox"
    assert facts["Layers"] == "seccomp, memory:cgroup2, processes:cgroup2"
    assert facts["Signature"] == "unsigned"
    assert facts["Run it again"].startswith("bench verify 2026")
    assert trust.doubts == ()


def test_a_verified_result_without_what_it_needs_is_doubted(make_result: Callable[..., Result]) -> None:
    """A status that somebody wrote by hand does not pass unnoticed."""
    trust = trust_of(_verified(make_result, isolation="none", layers=(), audits=()))
    assert trust is not None

    assert trust.doubts[0] == "its isolation is 'none', not 'sandbox'"
    assert trust.doubts[-1] == "it was not audited"


def test_a_failed_audit_is_on_the_page(make_result: Callable[..., Result], store: Store) -> None:
    """With what was found; text of a record is no HTML."""
    failed = AUDITS[0].model_copy(update={"outcome": "failed", "sentence": "9 of 9 <i>images</i> moved."})
    failure = Failure(outcome="audit_fail", message="1 of 8 audits failed.")
    store.add(_verified(make_result, status="failed", failure=failure, metrics={}, audits=(failed, *AUDITS[1:])))
    page = _page(store)

    assert "The run failed: audit_fail" in page
    assert "9 of 9 &lt;i&gt;images&lt;/i&gt; moved." in page
    assert "A1 Rule A1 &lt;b&gt;holds&lt;/b&gt;" in page


def test_boards_and_pages_mark_a_signature(make_result: Callable[..., Result], store: Store) -> None:
    """Attested by a known key, unmarked by an unknown one, broken where the result changed."""
    result = _verified(make_result)
    store.add(result)
    keys = store.results.parent / "keys.toml"
    board = store.results.parent / "boards"

    def badges() -> list[str]:
        (row,) = table_rows(Material(store, board).standings[0])
        return [badge.text for cell in row.cells for badge in cell.badges]

    assert badges() == []
    assert "unsigned" in _page(store)

    path = attest(store.get(result.run), KEY, now=datetime(2026, 8, 2, tzinfo=UTC))
    assert badges() == []
    assert "a key that this site does not know" in _page(store)

    keys.write_text(f'format_version = 1\n[[keys]]\nname = "A. Maintainer"\nkey = "{KEY.public}"\n')
    assert badges() == ["attested"]
    assert "valid, by A. Maintainer on 2026-08-02" in _page(store)

    path.write_text(path.read_text().replace("2026-08-02", "2026-08-03"))
    assert badges() == ["signature broken"]
    assert "invalid: it does not fit what it claims to sign" in _page(store)


def test_broken_keys_are_named_and_the_rest_is_published(make_result: Callable[..., Result], store: Store) -> None:
    """As any other broken file."""
    store.add(_verified(make_result))
    (store.results.parent / "keys.toml").write_text("format_version = 1\nkeys = 3\n")
    material = Material(store, store.results.parent / "boards")

    assert [error.path for error in material.broken] == [store.results.parent / "keys.toml"]
    assert material.standings


def test_a_status_that_is_not_borne_out_has_no_rank(make_result: Callable[..., Result], store: Store) -> None:
    """Whoever writes `verified` into a record ranks nowhere, and the page does not say that it was measured so."""
    store.add(_verified(make_result, isolation="none"))
    material = Material(store, store.results.parent / "boards")
    page = _page(store)

    assert material.standings[0].ranked.empty
    assert list(material.standings[0].unranked["reason"]) == [
        "says verified without what that needs: its isolation is 'none', not 'sandbox'"
    ]
    assert ("Measured", "1", "0 verified") in index_page(material)["headline"]
    assert "Says verified, without what that needs" in page
    assert "Measured by the maintainers" not in page
