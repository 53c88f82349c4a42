"""Results that look like timm's: accuracies on ImageNet and beside it, speed of architectures on a GPU."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.protocols import load_protocol
from bench.records.protocol import Geometry
from bench.records.result import Cost, DatasetRef, Estimate, Result, ResultInput, SubmissionRef
from bench.score import protocol_ref
from bench.stats.intervals import wilson

__all__ = ["BOARD", "write_one", "write_results"]

_FAMILIES = ("resnet", "convnext", "vit", "swin", "efficientnet", "mobilenetv3", "regnety", "eva02", "maxvit", "deit3")
_SIZES = ("tiny", "small", "base", "large", "huge")
_TAGS = ("in1k", "in21k_ft_in1k", "in22k_ft_in1k", "sw_in12k_ft_in1k", "laion2b_ft_in12k_in1k")
_GPUS = ("RTX 3090", "RTX 4090", "RTX 5090")
_SHIFTED = (("real", "timm-imagenet-real"), ("v2", "timm-imagenetv2"), ("a", "timm-imagenet-a"),
            ("r", "timm-imagenet-r"), ("sketch", "timm-imagenet-sketch"))  # fmt: skip
_START = datetime(2026, 1, 1, tzinfo=UTC)
_JOINS = "".join(
    f'[[joins]]\nname = "{name}"\ntitle = "{name}"\nprotocol = "{protocol}"\n' for name, protocol in _SHIFTED
) + "".join(
    f'[[joins]]\nname = "{gpu.lower().replace(" ", "")}"\ntitle = "{gpu}"\nprotocol = "timm-inference"\n'
    f'on = "architecture"\nenvironment = {{ gpu = "{gpu}" }}\n'
    for gpu in _GPUS
)
_SHIFTED_COLUMNS = "".join(f'"{name}.top1", ' for name, _ in _SHIFTED)
_SPEED_COLUMNS = "".join(f'"{gpu.lower().replace(" ", "")}.throughput_img_s", ' for gpu in _GPUS)
BOARD = f"""
format_version = 1
id = "made"
title = "Made results"
description = "Results that look like timm's."
protocol = "timm-imagenet"
statuses = ["imported"]
columns = ["rank", "model", "top1", "top1_interval", "top5", "num_params", "input_size", {_SPEED_COLUMNS}
           "gmacs", "macts", {_SHIFTED_COLUMNS} "extra_training_data", "license", "date"]
{_JOINS}"""
"""A board of twenty columns, eight of them joined."""


def write_results(folder: Path, num_rows: int, *, joins: bool = True) -> int:
    """Writes made results, the same ones every time.

    Args:
        folder: The results folder.
        num_rows: How many entries.
        joins: Whether there are accuracies on other sets and speeds too; each entry has but one result without.

    Returns:
        How many results there are.
    """
    drawn = random.Random(0)  # noqa: S311 - no secret
    results = 0
    for index in range(num_rows):
        results += _write(folder, _accuracy(index, "timm-imagenet", drawn))
        if joins:
            # As in timm's tables, some entries lack each of the other sets.
            for _, protocol in _SHIFTED:
                if drawn.random() < 0.8:
                    results += _write(folder, _accuracy(index, protocol, drawn))
    for index in range(num_rows // 4 if joins else 0):
        for gpu in _GPUS:
            results += _write(folder, _speed(index, gpu, drawn))
    return results


def write_one(folder: Path, num_rows: int) -> None:
    """Adds one result more, whose rank is in the middle."""
    _write(folder, _accuracy(num_rows, "timm-imagenet", random.Random(1), right=39_500))  # noqa: S311 - no secret


def _write(folder: Path, result: Result) -> int:
    path = folder / result.protocol.id / result.submission.team / result.submission.name / f"{result.run}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(result.to_text(), encoding="utf-8")
    return 1


def _names(index: int) -> tuple[str, str, int]:
    """Architecture, tag and input size; every fourth entry has an architecture of its own."""
    place = index // 4
    family, size = _FAMILIES[place % len(_FAMILIES)], _SIZES[place // len(_FAMILIES) % len(_SIZES)]
    tag = f"{_TAGS[index % len(_TAGS)]}_{index}" if index % 7 else f"augreg_{index}"
    return f"{family}_{size}_patch{place}_window8", tag, (160, 224, 288, 384)[place % 4]


def _input(size: int) -> ResultInput:
    geometry = Geometry(resize=size, crop=size, interpolation="bicubic")
    return ResultInput(geometry=geometry, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def _accuracy(index: int, protocol_id: str, drawn: random.Random, right: int | None = None) -> Result:
    protocol = load_protocol(protocol_id)
    architecture, tag, size = _names(index)
    number = protocol.dataset.num_samples
    count = int(number * min(0.92, drawn.betavariate(14, 3))) if right is None else right
    metrics = {}
    for name, hits in (("top1", count), ("top5", min(number, count + (number - count) * 4 // 5))):
        low, high = wilson(hits, number)
        metrics[name] = Estimate(value=hits / number, ci_low=low, ci_high=high, num_samples=number, count=hits)
    millions = round(drawn.lognormvariate(3.4, 1.1), 2)
    costs: dict[str, Cost] = {"num_params": Cost(value=float(int(millions * 1e6)), unit="parameters")}
    if protocol_id == "timm-imagenet":
        costs |= {"gmacs": Cost(value=round(millions / 5, 2), unit="GMACs"),
                  "macts": Cost(value=round(millions / 3, 2), unit="M")}  # fmt: skip
    name = f"{architecture}.{tag}"
    return _result(protocol_id, name, architecture, size, index, metrics=metrics, costs=costs)


def _speed(index: int, gpu: str, drawn: random.Random) -> Result:
    architecture, _, size = _names(index * 4)
    costs = {"throughput_img_s": Cost(value=round(drawn.lognormvariate(7, 1), 2), unit="img/s", device=gpu)}
    environment = {"gpu": gpu, "torch": "2.9.1", "cuda": "13.0", "precision": "amp"}
    name = f"{architecture}-{size}"
    return _result("timm-inference", name, architecture, size, index, costs=costs, environment=environment)


def _result(protocol_id: str, name: str, architecture: str, size: int, index: int, **fields: Any) -> Result:
    protocol = load_protocol(protocol_id)
    dataset = protocol.dataset
    extra = ("none", "ImageNet-21k", "LAION-2B", "JFT-300M")[index % 4]
    submission = SubmissionRef(
        team="timm", name=name, title=name, source="timm", architecture=architecture, extra_training_data=extra,
        license=("Apache-2.0", "MIT", None)[index % 3],
    )  # fmt: skip
    return Result.create(
        now=_START + timedelta(minutes=index),
        bench_version="0.1.0",
        status="imported",
        submission=submission,
        protocol=protocol_ref(protocol),
        dataset=DatasetRef(name=dataset.name, split=dataset.split, num_samples=dataset.num_samples),
        input=_input(size),
        origin="made",
        **fields,
    )
