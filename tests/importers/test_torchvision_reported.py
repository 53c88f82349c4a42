"""Importing what torchvision reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torchvision

from bench.importers import torchvision_reported
from bench.importers.torchvision_reported import import_torchvision, paper_of, reported_by_torchvision
from bench.records.result import Result
from bench.stats.intervals import wilson
from bench.store import Store

NOW = datetime(2026, 8, 1, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def reported() -> torchvision_reported.Reported:
    """Everything that the installed torchvision reports."""
    return reported_by_torchvision(NOW)


def _weights() -> dict[str, Any]:
    models = torchvision.models
    names = models.list_models(module=models)
    return {f"{name}--{item.name}".lower(): item for name in names for item in models.get_model_weights(name)}


def test_every_weight_with_accuracies_is_imported(reported: torchvision_reported.Reported) -> None:
    """All but VGG-16's features, whose classifier was never trained."""
    assert {result.submission.name for result in reported.results} == set(_weights()) - {"vgg16--imagenet1k_features"}
    assert reported.without_metrics == ["vgg16/IMAGENET1K_FEATURES"]
    assert len(reported.results) >= 100


def test_accuracies_are_whole_counts_with_wilson_intervals(reported: torchvision_reported.Reported) -> None:
    """The published percentages are counts of 50,000, without rounding."""
    weights = _weights()
    for result in reported.results:
        published = weights[result.submission.name].meta["_metrics"]["ImageNet-1K"]
        for name, key in (("top1", "acc@1"), ("top5", "acc@5")):
            found = result.metrics[name]
            assert found.count is not None
            assert found.value * 100 == pytest.approx(published[key], abs=1e-9)
            assert found.value == found.count / 50_000
            assert (found.ci_low, found.ci_high) == tuple(wilson(found.count, 50_000))


def test_a_result_says_where_it_comes_from(reported: torchvision_reported.Reported) -> None:
    """Status, origin, geometry, costs and links of one known row."""
    (result,) = [item for item in reported.results if item.submission.name == "resnet50--imagenet1k_v2"]
    assert (result.status, result.protocol.id, result.protocol.digest) == ("imported", "torchvision-reported", None)
    assert (result.submission.digest, result.dataset.digest, result.dataset.num_samples) == (None, None, 50_000)
    assert result.metrics["top1"].count == 40_429
    assert {name: (cost.value, cost.unit) for name, cost in result.costs.items()} == {
        "num_params": (25_557_032, "parameters"),
        "gmacs": (4.089, "GMAC"),
        "file_size_mib": (97.79, "MiB"),
    }
    assert result.input is not None
    assert (result.input.geometry.resize, result.input.geometry.crop) == (232, 224)
    assert result.submission.paper == "https://arxiv.org/abs/1512.03385"
    assert "ResNet50_Weights.IMAGENET1K_V2" in (result.origin or "")
    assert "`" not in (result.submission.description or "")


def test_weights_that_saw_more_than_imagenet_say_so(reported: torchvision_reported.Reported) -> None:
    """SWAG weights were pretrained on 3.6 billion images."""
    extra = {result.submission.name: result.submission.extra_training_data for result in reported.results}
    assert {name for name, data in extra.items() if data != "none"} == {name for name in extra if "swag" in name}


def test_every_architecture_has_its_paper() -> None:
    """A new family in a new torchvision shows up here."""
    models = torchvision.models
    assert [name for name in models.list_models(module=models) if paper_of(name) is None] == []


def test_importing_twice_adds_nothing(tmp_path: Path) -> None:
    """The same statement is not stored again, whenever it is made."""
    store = Store(tmp_path / "results")
    first = import_torchvision(store, NOW)
    second = import_torchvision(store, NOW + timedelta(days=1))
    assert (second.added, second.num_known) == ([], len(first.added))
    assert {result.run for result in store.load()} == {result.run for result in first.added}


def test_a_changed_number_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When torchvision corrects a value, both records stand."""
    store = Store(tmp_path / "results")
    import_torchvision(store, NOW)
    weights = torchvision.models.AlexNet_Weights.IMAGENET1K_V1
    monkeypatch.setitem(weights.meta["_metrics"]["ImageNet-1K"], "acc@1", 60.0)
    added = import_torchvision(store, NOW + timedelta(days=1)).added
    assert [(result.submission.name, result.metrics["top1"].count) for result in added] == [
        ("alexnet--imagenet1k_v1", 30_000)
    ]


def test_records_read_back_equal(reported: torchvision_reported.Reported) -> None:
    """What is written is what is read."""
    for result in reported.results[:5]:
        assert Result.parse(result.as_json()).content_digest() == result.content_digest()
