"""Stored results run again: what counts as the same answers, and what is found when somebody changed a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from bench.backends.run import RunOptions
from bench.cli.main import cli
from bench.files import digest_of
from bench.metrics.topk import predictions_from_logits
from bench.reproduce import differing, options_of
from bench.store import Store

LABELS_N = np.zeros(6, np.int64)
IDS = tuple("abcdef")


def _answers(logits_NC: np.ndarray) -> object:
    return predictions_from_logits(IDS, logits_NC.astype(np.float32), LABELS_N)


LOGITS_NC = np.random.default_rng(0).normal(0, 3, (6, 20)).astype(np.float32)


def test_equal_bits_differ_nowhere() -> None:
    """With and without a tolerance."""
    for tolerance in (None, 0.01):
        assert differing(_answers(LOGITS_NC), _answers(LOGITS_NC.copy()), tolerance) == ()


def test_one_bit_counts_on_the_same_machine_and_not_on_another() -> None:
    """The image is named, with both classes and how far it moved."""
    moved_NC = LOGITS_NC.copy()
    moved_NC[2, LOGITS_NC[2].argmax()] += 1e-4
    (found,) = differing(_answers(LOGITS_NC), _answers(moved_NC), None)

    assert (found.sample_id, found.stored_class) == ("c", int(LOGITS_NC[2].argmax()))
    assert found.found_class == found.stored_class
    assert 0 < found.difference < 1e-3
    assert differing(_answers(LOGITS_NC), _answers(moved_NC), 0.01) == ()


def test_a_tie_may_break_otherwise_and_a_clear_answer_may_not() -> None:
    """Within the tolerance two classes may change places."""
    tied_NC, other_NC = LOGITS_NC.copy(), LOGITS_NC.copy()
    tied_NC[0, :2], other_NC[0, :2] = (20, 20.001), (20.001, 20)
    assert differing(_answers(tied_NC), _answers(other_NC), 0.01) == ()

    clear_NC = LOGITS_NC.copy()
    clear_NC[0] = -clear_NC[0]
    assert [one.sample_id for one in differing(_answers(LOGITS_NC), _answers(clear_NC), 0.01)] == ["a"]


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.01, 0.2, 0.5]))
def test_logits_that_move_within_half_the_tolerance_never_differ(seed: int, tolerance: float) -> None:
    """A log-probability moves by at most twice what the logits move by."""
    random = np.random.default_rng(seed)
    logits_NC = random.normal(0, 5, (6, 20))
    moved_NC = logits_NC + random.uniform(-0.49, 0.49, logits_NC.shape) * tolerance

    assert differing(_answers(logits_NC), _answers(moved_NC), tolerance) == ()


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
