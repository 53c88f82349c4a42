"""How long scoring takes: `pytest benchmarks --benchmark-only`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.data.classes import class_table
from bench.metrics.topk import predictions_from_logits
from bench.protocols import load_protocol
from bench.records.predictions import Predictions
from bench.score import score

NUM_SAMPLES = 50_000
LABELS_N = np.repeat(np.arange(1000), NUM_SAMPLES // 1000)
IDS = tuple(f"ILSVRC2012_val_{number:08d}" for number in range(1, NUM_SAMPLES + 1))


@pytest.fixture(scope="module")
def logits_NC() -> np.ndarray:
    """50,000 x 1000 logits of a model that is right on about 60 % of the images."""
    drawn_NC = np.random.default_rng(0).standard_normal((NUM_SAMPLES, 1000), dtype=np.float32)
    drawn_NC[np.arange(NUM_SAMPLES), LABELS_N] += 3.5
    return drawn_NC


@pytest.fixture(scope="module")
def predictions(logits_NC: np.ndarray) -> Predictions:
    """The predictions of these logits."""
    return predictions_from_logits(IDS, logits_NC, LABELS_N)


def test_rank_logits(benchmark: Any, logits_NC: np.ndarray) -> None:
    """From logits to predictions."""
    benchmark.pedantic(predictions_from_logits, args=(IDS, logits_NC, LABELS_N), rounds=5)


def test_all_metrics_and_intervals(benchmark: Any, predictions: Predictions) -> None:
    """From predictions to every metric of the closed division, with intervals and the breakdown."""
    protocol, classes = load_protocol("imagenet-val-closed"), class_table("imagenet-1k")
    benchmark.pedantic(score, args=(predictions, LABELS_N, protocol, classes), rounds=5)


def test_content_address(benchmark: Any, predictions: Predictions) -> None:
    """The hash of the predictions' columns."""
    benchmark.pedantic(predictions.sha256, rounds=5)
