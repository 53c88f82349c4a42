"""What torchvision publishes about its own weights, as imported results; no model is built."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime
from importlib import metadata
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from bench.files import digest_of
from bench.models.source import short_form
from bench.models.torchvision_zoo import input_of
from bench.protocols import load_protocol
from bench.records.names import LongText
from bench.records.protocol import Geometry, Protocol
from bench.records.result import Cost, DatasetRef, Estimate, ProtocolRef, Result, ResultInput, SubmissionRef
from bench.stats.intervals import wilson
from bench.store import Store
from bench.version import __version__

__all__ = ["PROTOCOL", "Imported", "Reported", "import_torchvision", "paper_of", "reported_by_torchvision"]

PROTOCOL = "torchvision-reported"
"""The protocol that the imported results name."""

_LONG_TEXT = TypeAdapter(LongText)
_SAYS_WHEN = frozenset({"run", "created_at", "bench_version", "environment", "origin"})
# The papers of the architectures, by the beginning of the model's name in torchvision; the first match holds.
_PAPERS = {
    "alexnet": "1404.5997",
    "convnext": "2201.03545",
    "densenet": "1608.06993",
    "efficientnet_b": "1905.11946",
    "efficientnet_v2": "2104.00298",
    "googlenet": "1409.4842",
    "inception_v3": "1512.00567",
    "maxvit": "2204.01697",
    "mnasnet": "1807.11626",
    "mobilenet_v2": "1801.04381",
    "mobilenet_v3": "1905.02244",
    "regnet": "2003.13678",
    "resnext": "1611.05431",
    "resnet": "1512.03385",
    "shufflenet_v2": "1807.11164",
    "squeezenet": "1602.07360",
    "swin_v2": "2111.09883",
    "swin": "2103.14030",
    "vgg": "1409.1556",
    "vit": "2010.11929",
    "wide_resnet": "1605.07146",
}


class Reported(NamedTuple):
    """The results that torchvision reports, and the weights that it reports nothing about."""

    results: list[Result]
    without_metrics: list[str]


class Imported(NamedTuple):
    """What an import did."""

    added: list[Result]
    num_known: int
    """Results that the store held already, with the same content."""
    without_metrics: list[str]
    """Weights that have no accuracy, such as features without a classifier."""


def import_torchvision(store: Store, now: datetime) -> Imported:
    """Adds what the installed torchvision reports to the store; what is there with the same content is not added.

    Args:
        store: Where the results go.
        now: The time of the import, with a time zone.

    Raises:
        StoreError: The results folder cannot be written.
    """
    reported = reported_by_torchvision(now)
    held = store.scan().stored if store.results.is_dir() else []
    known = {_statement(stored.result) for stored in held if stored.result.protocol.id == PROTOCOL}
    added = [result for result in reported.results if _statement(result) not in known]
    for result in added:
        store.add(result)
    return Imported(added, len(reported.results) - len(added), reported.without_metrics)


def reported_by_torchvision(now: datetime) -> Reported:
    """A result for all weights of the installed torchvision that have accuracies on ImageNet-1K.

    Args:
        now: The time of the import, with a time zone.
    """
    protocol = load_protocol(PROTOCOL)
    results, without_metrics = [], []
    for architecture, weights in _classification_weights():
        scores = weights.meta["_metrics"].get("ImageNet-1K", {})
        if any(math.isnan(scores.get(name, math.nan)) for name in ("acc@1", "acc@5")):
            without_metrics.append(f"{architecture}/{weights.name}")
        else:
            results.append(_result(architecture, weights, scores, protocol, now))
    return Reported(results, without_metrics)


def paper_of(architecture: str) -> str | None:
    """The link to the paper of a torchvision architecture.

    >>> paper_of("resnet50")
    'https://arxiv.org/abs/1512.03385'
    """
    number = next((number for prefix, number in _PAPERS.items() if architecture.startswith(prefix)), None)
    return None if number is None else f"https://arxiv.org/abs/{number}"


def _classification_weights() -> Iterator[tuple[str, Any]]:
    """Architecture and weights, sorted by name, without the submodules: quantized models and those of other tasks."""
    import torchvision

    for architecture in sorted(torchvision.models.list_models(module=torchvision.models)):
        for weights in torchvision.models.get_model_weights(architecture):
            yield architecture, weights


def _result(architecture: str, weights: Any, scores: dict[str, float], protocol: Protocol, now: datetime) -> Result:
    meta, version = weights.meta, metadata.version("torchvision")
    num_samples = protocol.dataset.num_samples
    title = f"{architecture}/{weights.name}"
    return Result.create(
        now=now,
        bench_version=__version__,
        status="imported",
        submission=SubmissionRef(
            team="torchvision",
            name=short_form("torchvision", title),
            title=title,
            team_title="torchvision",
            source="torchvision",
            license=meta.get("license"),
            extra_training_data="IG-3.6B (SWAG)" if "SWAG" in weights.name else "none",
            paper=paper_of(architecture),
            code=meta["recipe"],
            description=_description(meta["_docs"]),
        ),
        protocol=ProtocolRef(id=protocol.id, version=protocol.version),
        dataset=DatasetRef(name=protocol.dataset.name, split=protocol.dataset.split, num_samples=num_samples),
        metrics={
            "top1": _proportion(scores["acc@1"], num_samples),
            "top5": _proportion(scores["acc@5"], num_samples),
        },
        costs={
            "num_params": Cost(value=meta["num_params"], unit="parameters"),
            "gmacs": Cost(value=meta["_ops"], unit="GMAC"),  # torchvision counts a multiply-add once
            "file_size_mib": Cost(value=meta["_file_size"], unit="MiB"),
        },
        input=_input(weights),
        environment={"torchvision": version},
        origin=f"torchvision {version}, metadata of {type(weights).__name__}.{weights.name}",
    )


def _proportion(percent: float, num_samples: int) -> Estimate:
    """A published percentage as the count of images that it stands for: all of them are whole at three decimals."""
    count = round(percent * num_samples / 100)
    interval = wilson(count, num_samples)
    return Estimate(
        value=count / num_samples, ci_low=interval.low, ci_high=interval.high, num_samples=num_samples, count=count
    )


def _input(weights: Any) -> ResultInput:
    spec = input_of(weights.transforms())
    geometry = Geometry(resize=spec.resize or spec.img_size, crop=spec.img_size, interpolation=spec.interpolation)
    return ResultInput(geometry=geometry, mean=spec.mean, std=spec.std)


def _description(docs: str) -> str | None:
    """The weights' documentation without its reStructuredText marks; None when it is no plain paragraph."""
    text = re.sub(r"`+([^`<]*?)\s*(?:<[^>]*>)?`+_*", r"\1", docs)
    try:
        return _LONG_TEXT.validate_python(" ".join(text.split()))
    except ValidationError:
        return None


def _statement(result: Result) -> str:
    """A digest of what a result says, apart from when and by which version it was written down."""
    return digest_of({key: value for key, value in result.as_json().items() if key not in _SAYS_WHEN})
