"""Every metric against an independent definition, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.metrics import METRICS, Answers, Proportion
from bench.metrics.scoring import breakdown_of, estimate, unavailable
from bench.metrics.topk import predictions_from_logits, predictions_from_ranked

NUM_CLASSES = 12


def _answers(seed: int, num_samples: int = 300, strength: float = 1.5) -> tuple[Answers, np.ndarray]:
    """Answers and the probabilities (N, C) that they come from."""
    random = np.random.default_rng(seed)
    labels_N = random.integers(0, NUM_CLASSES - 1, num_samples)  # the last class is never a label
    logits_NC = random.standard_normal((num_samples, NUM_CLASSES), dtype=np.float32)
    logits_NC[np.arange(num_samples), labels_N] += strength
    ids = tuple(f"{index:05d}" for index in range(num_samples))
    wide_NC = np.exp(logits_NC.astype(np.float64))
    answers = Answers(predictions_from_logits(ids, logits_NC, labels_N), labels_N)
    return answers, wide_NC / wide_NC.sum(axis=1, keepdims=True)


def _sklearn_macro(score: Callable[..., float]) -> Callable[[Answers, np.ndarray], float]:
    def compute(answers: Answers, probs_NC: np.ndarray) -> float:
        labels = np.unique(answers.labels_N)
        return score(answers.labels_N, probs_NC.argmax(axis=1), labels=labels, average="macro", zero_division=0)

    return compute


def _top_k(k: int) -> Callable[[Answers, np.ndarray], float]:
    def compute(answers: Answers, probs_NC: np.ndarray) -> float:
        best = [set(np.argsort(row)[-k:].tolist()) for row in probs_NC]
        return sum(label in top for label, top in zip(answers.labels_N.tolist(), best, strict=True)) / len(best)

    return compute


def _ece(answers: Answers, probs_NC: np.ndarray) -> float:
    """Guo et al. 2017, equation 3, written out bin by bin."""
    total = 0.0
    for index in range(15):
        inside = [
            (row.max(), float(row.argmax() == label))
            for row, label in zip(probs_NC, answers.labels_N, strict=True)
            if index / 15 < row.max() <= (index + 1) / 15
        ]
        if inside:
            confidence, right = np.mean(inside, axis=0)
            total += len(inside) / len(probs_NC) * abs(right - confidence)
    return total


def _oracles() -> dict[str, Callable[[Answers, np.ndarray], float]]:
    from sklearn.metrics import f1_score, log_loss, precision_score, recall_score

    return {
        "top1": _top_k(1),
        "top5": _top_k(5),
        "top1_error": lambda answers, probs_NC: 1 - _top_k(1)(answers, probs_NC),
        "top5_error": lambda answers, probs_NC: 1 - _top_k(5)(answers, probs_NC),
        "mean_per_class": _sklearn_macro(recall_score),
        "macro_precision": _sklearn_macro(precision_score),
        "macro_f1": _sklearn_macro(f1_score),
        "ece": _ece,
        "nll": lambda answers, probs_NC: log_loss(answers.labels_N, probs_NC, labels=range(NUM_CLASSES)),
        "brier": lambda answers, probs_NC: float(
            np.square(probs_NC - np.eye(NUM_CLASSES)[answers.labels_N]).sum(axis=1).mean()
        ),
    }


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_equals_its_independent_definition(name: str) -> None:
    """scikit-learn where it has the metric, the written-out formula where not."""
    for seed, strength in ((0, 1.5), (1, 0.0), (2, 6.0)):
        answers, probs_NC = _answers(seed, strength=strength)
        found = estimate([name], answers)[name]

        assert found.value == pytest.approx(_oracles()[name](answers, probs_NC), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_does_not_depend_on_the_order_of_the_images(name: str) -> None:
    """Images are a set."""
    random = np.random.default_rng(3)
    logits_NC, labels_N = (
        random.standard_normal((50, NUM_CLASSES), dtype=np.float32),
        random.integers(0, NUM_CLASSES, 50),
    )
    order = random.permutation(50)
    ids = tuple(map(str, range(50)))
    one, other = (
        Answers(predictions_from_logits(ids, logits_NC[at], labels_N[at]), labels_N[at])
        for at in (np.arange(50), order)
    )

    assert estimate([name], one)[name].value == pytest.approx(estimate([name], other)[name].value, rel=1e-12)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if isinstance(metric, Proportion)])
@given(cut=st.integers(1, 299))
@settings(max_examples=20, deadline=None)
def test_the_count_of_two_parts_is_the_sum_of_their_counts(name: str, cut: int) -> None:
    """Counts add up, so shares are never averaged."""
    answers, _ = _answers(5)
    metric = METRICS[name]
    assert isinstance(metric, Proportion)
    hits_N = metric.hits(answers)

    assert estimate([name], answers)[name].count == int(hits_N[:cut].sum()) + int(hits_N[cut:].sum())


@pytest.mark.parametrize("name", [name for name in METRICS if name != "ece"])
def test_an_interval_contains_its_point(name: str) -> None:
    """For every metric but ECE, whose reflected interval is exempt."""
    for seed in range(3):
        found = estimate([name], _answers(seed, num_samples=40)[0])[name]

        assert found.ci_low is not None
        assert found.ci_high is not None
        assert found.ci_low <= found.value <= found.ci_high


def test_top5_is_never_below_top1() -> None:
    """The first answer is among the first five."""
    for seed in range(5):
        found = estimate(["top1", "top5"], _answers(seed)[0])

        assert found["top5"].value >= found["top1"].value


def test_equal_predictions_have_equal_intervals() -> None:
    """The seed of the bootstrap is fixed."""
    assert estimate(list(METRICS), _answers(0)[0]) == estimate(list(METRICS), _answers(0)[0])


def test_metrics_of_probabilities_are_left_out_where_there_are_none() -> None:
    """A list of classes has accuracy, and neither calibration nor likelihood."""
    ranked = predictions_from_ranked(("a", "b"), np.array([[1], [0]]), num_classes=3)
    answers = Answers(ranked, np.array([1, 1]))

    assert set(estimate(list(METRICS), answers)) == set(METRICS) - {"ece", "nll", "brier"}
    assert unavailable(list(METRICS), answers) == ["ece", "nll", "brier"]


def test_answers_that_are_all_wrong_score_zero() -> None:
    """No right answer at all is a value like any other: counting nothing once gave whole numbers and a crash."""
    answers = Answers(predictions_from_ranked(("a", "b"), np.array([[1], [0]]), num_classes=3), np.array([2, 2]))
    found = estimate(["top1", "mean_per_class", "macro_precision", "macro_f1"], answers)

    assert [found[name].value for name in found] == [0, 0, 0, 0]


def test_no_answer_is_a_wrong_answer() -> None:
    """An image without a guess counts in the denominator, and for no class."""
    answers = Answers(predictions_from_ranked(("a", "b"), np.array([[-1], [0]]), num_classes=3), np.array([2, 0]))
    found = estimate(["top1", "top5", "macro_precision"], answers)

    assert (found["top1"].count, found["top5"].count, found["macro_precision"].value) == (1, 1, 0.5)


def test_an_unknown_metric_is_answered_with_the_nearest() -> None:
    """A slip in a protocol is named."""
    with pytest.raises(UsageError, match=r"there is no metric 'top_1': did you mean top1"):
        estimate(["top_1"], _answers(0)[0])


def test_the_breakdown_adds_up_to_the_metrics() -> None:
    """Sums over the classes are the counts of the result, confusions are the off-diagonal counts."""
    answers, probs_NC = _answers(7)
    breakdown = breakdown_of(answers, "shapes12")
    found = estimate(["top1", "top5"], answers)

    assert sum(breakdown.num_samples) == sum(breakdown.num_answered) == len(answers)
    assert (sum(breakdown.num_top1), sum(breakdown.num_top5)) == (found["top1"].count, found["top5"].count)
    table = np.zeros((NUM_CLASSES, NUM_CLASSES), int)
    np.add.at(table, (answers.labels_N, probs_NC.argmax(axis=1)), 1)
    np.fill_diagonal(table, 0)
    counts = [confusion.count for confusion in breakdown.confusions]
    assert counts == sorted(table[table > 0].tolist(), reverse=True)[:50]
    assert all(table[confusion.label, confusion.answer] == confusion.count for confusion in breakdown.confusions)


def test_the_reliability_bins_are_those_of_the_calibration_error() -> None:
    """Counts and mean confidence bin by bin against the probabilities; the error follows from the bins alone."""
    answers, probs_NC = _answers(11, num_samples=1_000, strength=3.0)
    bins = breakdown_of(answers, "shapes12").reliability

    assert len(bins) == 15
    for index, found in enumerate(bins):
        inside = [
            (row.max(), row.argmax() == label)
            for row, label in zip(probs_NC, answers.labels_N, strict=True)
            if index / 15 < row.max() <= (index + 1) / 15
        ]
        assert (found.num_samples, found.num_top1) == (len(inside), sum(right for _, right in inside))
        expected = np.mean([confidence for confidence, _ in inside]) if inside else 0
        assert found.confidence == pytest.approx(expected, abs=1e-6)
    gaps = [abs(found.num_top1 - found.num_samples * found.confidence) for found in bins]
    assert sum(gaps) / len(answers) == pytest.approx(estimate(["ece"], answers)["ece"].value, abs=1e-12)


def test_ranked_classes_have_no_reliability_bins() -> None:
    """Without probabilities there is no confidence."""
    answers = Answers(predictions_from_ranked(("a", "b"), np.array([[1], [0]]), num_classes=3), np.array([1, 0]))

    assert breakdown_of(answers, "shapes3").reliability == ()
