"""Rows of protocols."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import RecordError, UsageError
from bench.models.source import open_submission
from bench.protocols import load_protocol, protocol_ids
from bench.records.protocol import Protocol
from bench.throughput.rows import Row, rows_of, text_of, throughput_precision


def _content(name: str = "throughput-offline") -> dict[str, Any]:
    return load_protocol(name).as_json()


def test_every_batch_size_and_mode_is_a_row_of_its_own() -> None:
    """CUDA graphs exist on CUDA devices only."""
    protocol = load_protocol("throughput-offline")

    assert rows_of(protocol, "cpu") == [Row(1, "eager"), Row(32, "eager"), Row(1, "compiled"), Row(32, "compiled")]
    assert Row(256, "cuda-graph") in rows_of(protocol, "cuda")
    assert len(rows_of(protocol, "cuda")) == 9


def test_batch_sizes_are_the_protocol_s() -> None:
    """They may be chosen where it says so, and then are named in every result."""
    with pytest.raises(UsageError, match="fixes its batch sizes on cpu: 1, 32"):
        rows_of(load_protocol("throughput-offline"), "cpu", (8,))
    assert rows_of(load_protocol("throughput-demo"), "cpu", (8, 8, 4)) == [Row(8, "eager"), Row(4, "eager")]


def test_what_is_no_throughput_protocol_or_device_is_refused() -> None:
    """With the kind that was found."""
    with pytest.raises(UsageError, match="is of kind 'evaluate'"):
        rows_of(load_protocol("shapes10-val"), "cpu")
    with pytest.raises(UsageError, match="not on 'mps'"):
        rows_of(load_protocol("throughput-demo"), "mps")


def test_the_precision_is_the_protocol_s_default_or_an_allowed_one() -> None:
    """Training is in bfloat16."""
    assert throughput_precision(load_protocol("throughput-training"), None) == "bf16"
    assert throughput_precision(load_protocol("throughput-offline"), "tf32") == "tf32"
    only = Protocol.parse(_content() | {"precision": {"allowed": ["fp32"], "default": "fp32"}})
    with pytest.raises(UsageError, match="does not allow precision 'bf16', only fp32"):
        throughput_precision(only, "bf16")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"num_requests": 5}, "'offline' has no num_requests"),
        ({"scenario": "latency"}, "'latency' needs num_requests"),
        ({"scenario": "latency", "num_requests": 5}, "'latency' has batch size 1"),
        ({"scenario": "server", "num_requests": 5, "load_s": 1.0, "target_ms": 1.0}, "'server' needs loads"),
        (
            {"scenario": "server", "num_requests": 5, "load_s": 1.0, "target_ms": 1.0, "loads": [0.5, 0.4]},
            "loads must rise",
        ),
        ({"scenario": "training"}, "has no mode 'cuda-graph'"),
        ({"scenario": "end-to-end", "modes": ["eager"]}, "'end-to-end' needs num_images"),
        ({"scenario": "end-to-end", "modes": ["eager"], "num_images": 5}, "more than the 0 images"),
        ({"batch_sizes": {"cpu": [], "cuda": [1]}}, "batch_sizes.cpu"),
    ],
)
def test_keys_that_do_not_fit_the_scenario_are_refused(change: dict[str, Any], reason: str) -> None:
    """A protocol says all that its scenario needs, and nothing that it would ignore."""
    content = _content()

    with pytest.raises(RecordError, match=reason):
        Protocol.parse(content | {"throughput": content["throughput"] | change}, path="x.toml")


def test_a_kind_and_its_part_belong_together() -> None:
    """And speed needs an arithmetic."""
    content = _content()
    for change, reason in (
        ({"throughput": None}, "needs one"),
        ({"kind": "reported"}, r"a \[throughput\] belongs to"),
        ({"precision": None}, r"needs \[precision\]"),
    ):
        changed = {key: value for key, value in (content | change).items() if value is not None}
        with pytest.raises(RecordError, match=reason):
            Protocol.parse(changed, path="x.toml")


@pytest.mark.parametrize("name", [name for name in protocol_ids() if name.startswith("throughput-")])
def test_the_protocols_that_ship_have_rows_everywhere(name: str) -> None:
    """On a CPU as on a CUDA device."""
    assert rows_of(load_protocol(name), "cpu")
    assert rows_of(load_protocol(name), "cuda")


@pytest.mark.parametrize("text", ["timm:resnet10t.c3_in1k", "torchvision:resnet18/IMAGENET1K_V1"])
def test_a_short_form_is_opened_again_by_its_text(text: str) -> None:
    """Another process finds the same submission."""
    assert text_of(open_submission(text)) == text
