"""Stored results run again: what counts as the same answers, and what is found when somebody changed a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bench import reproduce
from bench.backends.run import RunOptions
from bench.cli.main import cli
from bench.files import digest_of
from bench.metrics.topk import predictions_from_logits
from bench.reproduce import options_of
from bench.store import Store


def test_a_record_fixes_how_it_is_run_again(make_result: Callable[..., object]) -> None:
    """Isolation, arithmetic, batch size and secrets."""
    result = make_result(
        isolation="sandbox",
        precision="bf16",
        environment={"batch_size": 7, "device": "cpu", "compiled": True},
        seeds={"order": 3, "audit": 4, "bootstrap": 0},
    )
    options = options_of(result, RunOptions(num_threads=5))

    assert options == replace(
        RunOptions(num_threads=5),
        device="cpu",
        isolation="sandbox",
        precision="bf16",
        batch_size=7,
        compiled=True,
        order_seed=3,
        audit_seed=4,
    )


class _Case:
    """A result of the tiny protocol, evaluated once by the command."""

    def __init__(self, tmp_path: Path, data: Path, protocol: Path, folder: Path) -> None:
        self.results, self.data, self.folder = tmp_path / "leaderboards" / "results", data, folder
        self.protocol = protocol
        done = self.bench("evaluate", str(folder), "--protocol", str(protocol), "--data", str(data), "--allow-partial")
        assert done.exit_code == 0, done.output
        (self.path,) = self.results.glob("*/*/*/*Z-????????????.json")

    def bench(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, [*arguments, "--results", str(self.results)])

    def verify(self, *more: str) -> Result:
        data = ("--data", str(self.data), "--submission", str(self.folder), "--protocol", str(self.protocol))
        return self.bench("verify", str(self.path), *data, *more)

    def change(self, **fields: object) -> None:
        """Edits the record, and gives it the run id that fits, as somebody would who knows how."""
        content = json.loads(self.path.read_text()) | fields
        run = content.pop("run")
        content["run"] = f"{run[:17]}{digest_of(content)[:12]}"
        self.path = self.path.rename(self.path.with_name(f"{content['run']}.json"))
        self.path.write_text(json.dumps(content))


@pytest.fixture
def case(
    tmp_path: Path,
    tiny_data: Path,
    tiny_protocol: Path,
    make_submission: Callable[..., Path],
) -> _Case:
    """A stored result."""
    return _Case(tmp_path, tiny_data, tiny_protocol, make_submission())


def test_the_same_machine_gives_the_same_bits(case: _Case) -> None:
    """Exit 0, and JSON says so too."""
    done = case.verify()
    assert done.exit_code == 0, done.output
    assert "reproduced: acme/tiny" in done.stdout
    assert "equal bits" in done.stdout

    told = json.loads(case.verify("--json").stdout)
    assert told["ok"]
    assert told["same_bits"]
    assert told["differences"] == []


def test_other_answers_are_named_image_by_image(case: _Case) -> None:
    """The stored answers are of another model, addressed rightly: exit 1."""
    store = Store(case.results)
    stored = store.read_predictions(store.get(str(case.path)).result)
    logits_NC = np.random.default_rng(1).normal(0, 1, (12, 1000)).astype(np.float32)
    other = predictions_from_logits(stored.sample_ids, logits_NC, np.zeros(12, np.int64))
    case.change(predictions=store.add_predictions(other).as_json())
    done = case.verify()

    assert done.exit_code == 1
    assert "12 of 12 images were answered otherwise" in done.stderr
    assert all(name in done.stdout for name in stored.sample_ids)


def test_a_metric_that_its_own_answers_do_not_give_is_found(case: _Case) -> None:
    """Even where whoever edited it made a new run id."""
    content = json.loads(case.path.read_text())
    content["metrics"]["top1"]["value"] = 0.99
    case.change(metrics=content["metrics"])
    done = case.verify()

    assert done.exit_code == 1
    assert "the record says top1 0.99, its own answers give" in done.stderr


def _of_another_machine(case: _Case, **fields: object) -> None:
    content = json.loads(case.path.read_text())
    case.change(environment=content["environment"] | {"cpu": "Other CPU"}, **fields)


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_forged_metric_is_found_on_another_machine_too(case: _Case, is_stored: bool) -> None:
    """The record itself names the machine: answers within its tolerance say nothing about its numbers."""
    content = json.loads(case.path.read_text())
    metrics = content["metrics"]
    metrics["top1"] |= {"value": 1.0, "count": 12, "ci_low": 0.9, "ci_high": 1.0}
    store = Store(case.results)
    stored = store.read_predictions(store.get(str(case.path)).result)
    moved = replace(stored, top_log_probs_NK=stored.top_log_probs_NK - np.float32(0.001))
    reference = store.add_predictions(moved)
    _of_another_machine(case, metrics=metrics, predictions=reference.as_json())
    if not is_stored:
        (store.predictions / f"{reference.sha256}.parquet").unlink()
    done = case.verify()

    assert done.exit_code == 1
    answers = "its own answers give" if is_stored else "the new answers give"
    assert f"the record says top1 1.0, {answers} 0." in done.stderr
    assert "NOT REPRODUCED" in done.stdout
    assert ("within 0.01" in done.stdout) == is_stored


def test_a_metric_that_the_protocol_does_not_have_is_found(case: _Case) -> None:
    """Nothing can be held against it."""
    content = json.loads(case.path.read_text())
    case.change(metrics=content["metrics"] | {"top1-of-mine": content["metrics"]["top1"]})
    done = case.verify()

    assert done.exit_code == 1
    assert "the record says top1-of-mine" in done.stderr


def test_stored_answers_to_other_images_are_found(case: _Case) -> None:
    """They cannot be compared row by row."""
    store = Store(case.results)
    stored = store.read_predictions(store.get(str(case.path)).result)
    other = replace(stored, sample_ids=tuple(f"x{name}" for name in stored.sample_ids))
    case.change(predictions=store.add_predictions(other).as_json())
    done = case.verify()

    assert done.exit_code == 1
    assert "its stored answers are to other images than the dataset's" in done.stderr


def test_a_record_without_isolation_is_run_with_it(case: _Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers write records: the level is the user's, and never below the record's; the answers are mixed anew."""
    monkeypatch.setenv("BENCH_ISOLATION", "process")
    done = case.verify()

    assert done.exit_code == 0, done.output
    assert "Running the code of acme/tiny with your rights (isolation: process)" in done.stderr
    assert "isolation: none, here process" in done.stdout
    assert "in this process (isolation: none)" in case.verify("--isolation", "none").stderr


def test_the_child_sees_no_results(case: _Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those of the store, nor the record that holds the secrets of the run."""
    seen: list[tuple[Path, ...]] = []
    run_all = reproduce.run_all
    monkeypatch.setattr(
        reproduce, "run_all", lambda *args, **more: (seen.append(args[3].hidden), run_all(*args, **more))[1]
    )
    assert case.verify().exit_code == 0

    assert set(seen[0]) >= {case.results, Store(case.results).predictions, case.path.parent}


def test_an_edited_record_is_found_before_anything_runs(case: _Case) -> None:
    """The run id holds a digest of the record."""
    case.path.write_text(case.path.read_text().replace('"Tiny"', '"Huge"'))
    done = case.verify()

    assert done.exit_code == 1
    assert f"{case.path}: its content does not fit its run id" in done.stderr


def test_a_swapped_predictions_file_is_found(case: _Case) -> None:
    """Its name is the hash of its content."""
    store = Store(case.results)
    (path,) = store.predictions.glob("*.parquet")
    logits_NC = np.zeros((12, 1000), np.float32)
    stored = store.read_predictions(store.get(str(case.path)).result)
    predictions_from_logits(stored.sample_ids, logits_NC, np.zeros(12, np.int64)).write(path)
    done = case.verify()

    assert done.exit_code == 1
    assert f"{path}: holds other answers than its name says" in done.stderr


def test_another_submission_is_refused(case: _Case) -> None:
    """With both digests and what to do."""
    (case.folder / "model.py").write_text((case.folder / "model.py").read_text() + "\n")
    done = case.verify()

    assert done.exit_code == 1
    assert "was measured with the submission" in done.stderr
    assert "restore its files" in done.stderr


def test_without_the_stored_answers_equal_bits_are_enough(case: _Case) -> None:
    """Predictions are not kept in git; the record has their hash."""
    (path,) = Store(case.results).predictions.glob("*.parquet")
    path.unlink()

    assert case.verify().exit_code == 0


def test_show_prints_the_one_command(case: _Case) -> None:
    """The command that `bench verify` understands."""
    done = case.bench("show", str(case.path))

    assert f"bench verify {case.path} --submission submissions/acme/tiny --data DIR" in done.stdout
