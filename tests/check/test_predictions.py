"""Stored predictions are scored again: with the bits beside a result, or with the labels of the dataset."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from check.made import LEDGER, context, edited, found, hidden_protocol, result, rules, without_predictions
from hypothesis import given
from hypothesis import strategies as st

from bench.check.checking import check_target
from bench.check.predictions import _labels_from_bits
from bench.check.targets import Target
from bench.metrics.base import Answers
from bench.metrics.topk import predictions_from_logits, predictions_from_ranked
from bench.records.correctness import Correctness
from bench.records.result import DatasetRef
from bench.score import protocol_ref

NUM = 60


def _labels() -> np.ndarray:
    """Those that `made.result` draws."""
    return np.random.default_rng(0).integers(0, 10, NUM)


def _dataset(monkeypatch: pytest.MonkeyPatch, labels_N: np.ndarray, first: int = 0) -> None:
    ids = tuple(f"shape/{number:06d}" for number in range(first, NUM))
    made = SimpleNamespace(sample_ids=ids, labels_N=labels_N[first:])
    monkeypatch.setattr("bench.data.dataset.open_dataset", lambda *_, **__: made)


def test_all_metrics_are_scored_with_the_labels_of_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those over classes, which the bits cannot give."""
    path = result(tmp_path)
    _dataset(monkeypatch, _labels())
    assert found(tmp_path / "results", data=tmp_path) == []

    metrics = json.loads(path.read_text())["metrics"]
    metrics["mean_per_class"]["value"] += 1e-3
    edited(path, metrics=metrics)
    assert rules(found(tmp_path / "results")) == set()
    assert rules(found(tmp_path / "results", data=tmp_path)) == {"P02"}


def test_what_cannot_be_scored_again_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bits and labels: a fault of a complete result, a note with every one; labels end the note."""
    whole = result(tmp_path / "whole")
    part = result(
        tmp_path / "part",
        dataset=DatasetRef(name="shapes10", split="val", digest="c" * 64, num_samples=NUM, complete=False),
    )
    for made, expected in ((whole, {"R04"}), (part, set())):
        metrics = json.loads(made.read_text())["metrics"]
        metrics["nll"] |= {key: metrics["nll"][key] - 0.1 for key in ("value", "ci_low", "ci_high")}
        made.with_suffix(".bits").unlink()
        path = edited(made, metrics=metrics)
        checked = check_target(Target("result", path), context(tmp_path))
        assert rules(list(checked.findings)) == expected
        assert checked.notes == ("the metrics were not scored again: give --data",)

        with monkeypatch.context() as patched:
            _dataset(patched, _labels())
            checked = check_target(Target("result", path), context(tmp_path, data=tmp_path))
        assert rules(list(checked.findings)) == {"P02", *expected}
        assert checked.notes == ()


def test_bits_under_hidden_labels_stay_with_the_evaluator(tmp_path: Path) -> None:
    """They would tell the labels."""
    protocol = hidden_protocol(tmp_path)
    path = result(tmp_path / "leaderboards", protocol=protocol_ref(protocol), ledger=LEDGER)
    path.with_suffix(".bits").unlink()

    assert "R04" not in rules(found(tmp_path / "leaderboards" / "results"))


def test_other_labels_give_other_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bits beside the result may have been forged with it; the labels were not."""
    result(tmp_path)
    _dataset(monkeypatch, (_labels() + 1) % 10)

    assert rules(found(tmp_path / "results", data=tmp_path)) == {"P02"}


def test_images_that_the_dataset_has_not_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is scored on a part."""
    result(tmp_path)
    _dataset(monkeypatch, _labels(), first=1)
    (finding,) = found(tmp_path / "results", data=tmp_path)

    assert finding.rule == "P03"
    assert "1 unknown sample ids, the first is 'shape/000000'" in finding.message


def test_predictions_that_are_elsewhere_are_passed_over(tmp_path: Path) -> None:
    """They are not in git; results are checked without them, and with --predictions where they are."""
    path = result(tmp_path / "a")
    result(tmp_path / "b")
    without_predictions(path)
    assert found(tmp_path / "a" / "results") == []

    (tmp_path / "b" / "predictions" / next((tmp_path / "b" / "predictions").glob("*.parquet")).name).write_bytes(b"x")
    assert rules(found(tmp_path / "a" / "results", predictions=tmp_path / "b" / "predictions")) == {"P01"}


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.booleans())
def test_labels_from_bits_are_right_and_wrong_where_the_bits_say(seed: int, num_classes: int, by_rank: bool) -> None:
    """Whatever was answered, with and without probabilities."""
    random = np.random.default_rng(seed)
    labels_N = random.integers(0, num_classes, 20)
    logits_NC = random.normal(size=(20, num_classes)).astype(np.float32).round(1)  # with ties
    ids = tuple(f"{number:02d}" for number in range(20))
    if by_rank:
        predictions = predictions_from_ranked(ids, np.argsort(-logits_NC, axis=1)[:, :5], num_classes)
    else:
        predictions = predictions_from_logits(ids, logits_NC, labels_N)
    answers = Answers(predictions, labels_N)
    found_N = _labels_from_bits(predictions, Correctness(answers.top1_N, answers.top5_N))
    again = Answers(predictions, found_N)

    assert np.array_equal(again.top1_N, answers.top1_N)
    assert np.array_equal(again.top5_N, answers.top5_N)
