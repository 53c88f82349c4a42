"""Protocols."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RecordError
from bench.metrics import METRICS
from bench.protocols import load_protocol, protocol_ids
from bench.records.protocol import Protocol

GOLDEN = Path(__file__).parents[1] / "data" / "protocol_digests.json"


def _content(name: str = "imagenet-val-closed") -> dict[str, Any]:
    return load_protocol(name).as_json()


def test_the_digests_of_published_protocols_never_change() -> None:
    """A change that can move a number needs a new version; then this golden file gets a new line."""
    golden = json.loads(GOLDEN.read_text())

    assert {f"{name} v{load_protocol(name).version}": load_protocol(name).digest() for name in protocol_ids()} == golden


@pytest.mark.parametrize("name", protocol_ids())
def test_every_metric_of_a_protocol_exists(name: str) -> None:
    """Protocols name metrics by their names in the table."""
    metrics = load_protocol(name).metrics

    assert metrics is None or set(metrics.report) <= set(METRICS)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("geometry", {"resize": 232, "crop": 224}),
        ("views", {"kind": "ten-crop"}),
        ("precision", {"allowed": ["fp32"], "default": "fp32"}),
        ("dataset", {"name": "imagenet-1k", "split": "val", "num_samples": 49_999}),
        ("metrics", {"rank_by": "top5", "report": ["top1", "top5"]}),
    ],
)
def test_whatever_can_move_a_number_moves_the_digest(key: str, value: object) -> None:
    """Geometry, views, precision, images and metrics are all part of the digest."""
    assert Protocol.parse(_content() | {key: value}).digest() != load_protocol("imagenet-val-closed").digest()


@pytest.mark.parametrize("key", ["title", "description"])
def test_words_do_not_move_the_digest(key: str) -> None:
    """A title can be corrected without making old results incomparable."""
    assert Protocol.parse(_content() | {key: "Other words"}).digest() == load_protocol("imagenet-val-closed").digest()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"geometry": None}, "closed division and training need"),
        ({"division": "open"}, "takes the geometry from the submission"),
        ({"views": None}, "needs division"),
        ({"kind": "train"}, "needs one"),
        ({"metrics": None}, r"needs \[metrics\] and images"),
        ({"dataset": {"name": "imagenet-1k", "split": "val", "num_samples": 0}}, r"needs \[metrics\] and images"),
        ({"metrics": {"rank_by": "ece", "report": ["top1"]}}, "not among the reported"),
        ({"precision": {"allowed": ["bf16"], "default": "fp32"}}, "not among the allowed"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(change: dict[str, Any], reason: str) -> None:
    """A protocol that leaves something open is no protocol."""
    content = {key: value for key, value in (_content() | change).items() if value is not None}

    with pytest.raises(RecordError, match=reason):
        Protocol.parse(content, path="x.toml")
