"""Predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.errors import PredictionsError
from bench.metrics.topk import predictions_from_logits, predictions_from_ranked
from bench.records.predictions import Predictions, check_sample_ids


def _predictions(seed: int = 0, num_samples: int = 20, num_classes: int = 30) -> Predictions:
    random = np.random.default_rng(seed)
    logits_NC = random.standard_normal((num_samples, num_classes), dtype=np.float32)
    labels_N = random.integers(0, num_classes, num_samples)
    return predictions_from_logits(tuple(f"image_{index:03d}" for index in range(num_samples)), logits_NC, labels_N)


def test_predictions_survive_the_way_to_parquet_and_back(tmp_path: Path) -> None:
    """Equal content, equal address."""
    predictions = _predictions()
    predictions.write(tmp_path / "x.parquet")
    again = Predictions.read(tmp_path / "x.parquet")

    assert again.sample_ids == predictions.sample_ids
    assert again.sha256() == predictions.sha256()
    np.testing.assert_array_equal(again.top_log_probs_NK, predictions.top_log_probs_NK)


def test_a_list_of_classes_has_no_probabilities(tmp_path: Path) -> None:
    """NaN survives the file, and is told apart from a probability."""
    ranked = predictions_from_ranked(("a", "b"), np.array([[3, 1], [2, -1]]), num_classes=5)
    ranked.write(tmp_path / "x.parquet")
    again = Predictions.read(tmp_path / "x.parquet")

    assert not again.has_probabilities
    assert _predictions().has_probabilities
    assert again.top_classes_NK.tolist() == [[3, 1, -1, -1, -1], [2, -1, -1, -1, -1]]
    assert again.sha256() == ranked.sha256()


def test_the_address_changes_with_every_column() -> None:
    """Other answers, other ids and other classes are other predictions."""
    base = _predictions()
    others = [_predictions(seed=1), _predictions(num_classes=31), _predictions(num_samples=19)]

    assert len({base.sha256(), *(other.sha256() for other in others)}) == 4


def test_an_answer_outside_the_classes_is_refused() -> None:
    """A class index is -1 (no answer) or a class."""
    with pytest.raises(PredictionsError, match=r"outside 0\.\.4"):
        predictions_from_ranked(("a",), np.array([[5]]), num_classes=5)


def test_any_other_file_is_no_predictions_file(tmp_path: Path) -> None:
    """Text and foreign Parquet files are refused by name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "text.parquet").write_text("hello")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "foreign.parquet")
    for name in ("text", "foreign", "missing"):
        with pytest.raises(PredictionsError, match=f"{name}.parquet: is not a predictions file"):
            Predictions.read(tmp_path / f"{name}.parquet")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (["a", "b"], "1 missing sample ids, the first is 'c'"),
        (["a", "b", "b", "c"], "1 doubled sample ids, the first is 'b'"),
        (["a", "b", "c", "d"], "1 unknown sample ids, the first is 'd'"),
    ],
)
def test_each_image_must_be_answered_once(found: list[str], reason: str) -> None:
    """Missing, doubled and unknown ids are named."""
    with pytest.raises(PredictionsError, match=reason):
        check_sample_ids(found, ("a", "b", "c"))


def test_the_order_of_answers_does_not_matter() -> None:
    """Ids decide, not positions."""
    check_sample_ids(["c", "a", "b"], ("a", "b", "c"))
