"""`bench evaluate --isolation`, as a user types it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli.main import cli
from bench.sandbox import probe

MakeSubmission = Callable[..., Path]


@pytest.fixture
def run(tiny_data: Path, tiny_protocol: Path, tmp_path: Path) -> Callable[..., Result]:
    """Calls `bench evaluate` on the small pictures."""

    def call(*arguments: str | Path) -> Result:
        fixed = ["--protocol", tiny_protocol, "--data", tiny_data, "--results", tmp_path / "results", "--device", "cpu"]
        words = ["evaluate", *arguments, *fixed, "--allow-partial", "--batch-size", "5", "--json"]
        return CliRunner().invoke(cli, [str(word) for word in words])

    return call


@pytest.fixture
def no_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without it."""
    probe.probe.cache_clear()
    monkeypatch.setattr(probe, "find_bubblewrap", lambda: None)
    yield
    probe.probe.cache_clear()


@pytest.mark.slow
def test_every_level_gives_the_same_metrics(
    needs_sandbox: None, run: Callable[..., Result], make_submission: MakeSubmission
) -> None:
    """Though images come in a secret order, in other company; a stored run of a lower level is measured again."""
    folder = make_submission()
    records = []
    for level in ("none", "process", "sandbox"):
        result = run(folder, "--isolation", level)
        assert result.exit_code == 0, result.output
        records += json.loads(result.stdout)
    (again,) = json.loads(run(folder, "--isolation", "process").stdout)

    assert [record["isolation"] for record in records] == ["none", "process", "sandbox"]
    assert len({record["metrics"]["top5"]["count"] for record in records}) == 1
    first, *others = [record["metrics"]["nll"]["value"] for record in records]
    assert others == [pytest.approx(first, rel=1e-5)] * 2
    assert ["order" in record["seeds"] for record in records] == [False, True, True]
    assert "layers" not in records[0]
    assert "seccomp" in records[2]["layers"]
    assert records[2]["limits"]["batch_s"] == 10
    assert records[2]["environment"]["torch"] == records[0]["environment"]["torch"]
    assert again["run"] in {record["run"] for record in records[1:]}


def test_a_sandbox_that_cannot_be_had_is_an_error(
    no_bubblewrap: None, run: Callable[..., Result], make_submission: MakeSubmission, tmp_path: Path
) -> None:
    """It is the machine's lack, not the submission's: nothing is stored."""
    result = run(make_submission(), "--isolation", "sandbox")

    assert result.exit_code == 1
    assert "apt-get install bubblewrap" in result.stderr
    assert not list((tmp_path / "results").rglob("*.json"))


def test_auto_says_what_it_is_instead(
    no_bubblewrap: None, run: Callable[..., Result], make_submission: MakeSubmission
) -> None:
    """And that the code has the user's rights."""
    result = run(make_submission("raise ValueError('no')\n"), "--isolation", "auto")

    assert "Isolation is process: the submission runs in a process of its own, without a sandbox" in result.stderr
    assert "Running the code of acme/tiny with your rights (isolation: process)" in result.stderr
    assert "ValueError: no" in result.stderr
