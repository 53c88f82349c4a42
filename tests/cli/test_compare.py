"""`bench compare`, `bench retract`, `bench list` and `bench show`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from click.testing import Result as Called

from bench.cli.main import cli
from bench.records.correctness import Correctness
from bench.records.result import DatasetRef, Result
from bench.store import Store


def _call(*words: str | Path) -> Called:
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.fixture
def runs(tmp_path: Path, make_result: Callable[..., Result]) -> tuple[Path, list[str]]:
    """A store with two runs on the same 40 images: A is right on 30, B on 20 of these."""
    store = Store(tmp_path / "results")
    ids = []
    for name, count in (("a", 30), ("b", 20)):
        right_N = np.arange(40) < count
        result = make_result(name=name, count=count)
        store.add(result, correctness=Correctness(right_N, right_N))
        ids.append(result.run)
    return store.results, ids


def test_two_runs_are_compared_image_by_image(runs: tuple[Path, list[str]]) -> None:
    """Ten discordant images, all for A: p = 2 / 2^10."""
    results, (first, second) = runs
    found = json.loads(_call("compare", first, second, "--results", results, "--json").stdout)

    assert (found["both"], found["only_a"], found["only_b"], found["neither"]) == (20, 10, 0, 10)
    assert found["p_value"] == pytest.approx(2 / 2**10)
    assert found["difference"] == pytest.approx(0.25)
    assert found["differ"] is True


def test_the_verdict_is_said_in_words(runs: tuple[Path, list[str]]) -> None:
    """A run compared with itself is not different from itself."""
    results, (first, second) = runs

    assert "They differ (p < 0.05)." in _call("compare", first, second, "--results", results).stdout
    assert "not clearly different" in _call("compare", first, first, "--results", results).stdout


def test_runs_on_different_images_cannot_be_compared(
    runs: tuple[Path, list[str]], make_result: Callable[..., Result]
) -> None:
    """The digests of the datasets differ, so there are no pairs."""
    results, (first, _) = runs
    other = make_result(dataset=DatasetRef(name="shapes10", split="val", digest="e" * 64, num_samples=40))
    Store(results).add(other)
    called = _call("compare", first, other.run, "--results", results)

    assert called.exit_code == 2
    assert "the runs answered different images" in called.stderr


def test_a_run_whose_bits_were_not_kept_is_named(runs: tuple[Path, list[str]]) -> None:
    """Nothing is guessed from the counts."""
    results, (first, second) = runs
    next(results.rglob(f"{second}.bits")).unlink()
    called = _call("compare", first, second, "--results", results)

    assert called.exit_code == 1
    assert "not kept which images" in called.stderr


def test_a_retracted_run_is_listed_as_such(runs: tuple[Path, list[str]]) -> None:
    """The retraction's file is printed, and the list shows the state."""
    results, (first, _) = runs
    called = _call("retract", first, "--reason", "wrong weights", "--by", "A. Maintainer", "--results", results)

    assert called.exit_code == 0
    assert Path(called.stdout.strip()).name == f"{first}.retract.json"
    listed = json.loads(_call("list", "results", "--results", results, "--json").stdout)
    assert {row["run"]: row["status"] for row in listed}[first] == "retracted"
    shown = json.loads(_call("show", first, "--results", results, "--json").stdout)
    assert shown["retraction"]["reason"] == "wrong weights"


def test_a_reason_must_be_one_visible_line(runs: tuple[Path, list[str]]) -> None:
    """Blank reasons and control characters are refused; nothing is written."""
    results, (first, _) = runs
    for reason in ("  ", "a\nb"):
        assert _call("retract", first, "--reason", reason, "--by", "A", "--results", results).exit_code == 1
    assert not list(results.rglob("*.retract.json"))


@pytest.mark.parametrize(
    "kind", ["backends", "boards", "columns", "datasets", "metrics", "protocols", "sources", "submissions"]
)
def test_everything_there_is_can_be_listed(kind: str) -> None:
    """Each kind has at least one row, with an identifier first."""
    rows = json.loads(_call("list", kind, "--json").stdout)

    assert rows
    assert all(next(iter(row.values())) for row in rows)
    assert len(_call("list", kind).stdout.splitlines()) == len(rows) + 1


@pytest.mark.parametrize("name", ["imagenet-val-closed", "shapes10", "timm:resnet18.a1_in1k"])
def test_protocols_boards_and_submissions_are_shown_whole(name: str) -> None:
    """As a table of dotted keys, or as JSON."""
    record = json.loads(_call("show", name, "--json").stdout)

    assert record["title"]
    assert "title\t" in _call("show", name).stdout


def test_an_unknown_id_is_answered_with_the_nearest() -> None:
    """A slip of the pen."""
    called = _call("show", "imagenet-val-close")

    assert called.exit_code == 2
    assert "did you mean imagenet-val-closed" in called.stderr


def test_a_retracted_run_is_compared_with_a_note(runs: tuple[Path, list[str]]) -> None:
    """The numbers stand, and stderr says why they should not be used."""
    results, (first, second) = runs
    Store(results).retract(first, reason="wrong weights", by="A. Maintainer")
    called = _call("compare", first, second, "--results", results)

    assert called.exit_code == 0
    assert f"{first} was retracted by A. Maintainer: wrong weights" in called.stderr
