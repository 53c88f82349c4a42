"""Throughputs made by hand, and those of timm's tables, for the tests of the throughput history."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.records.protocol import Geometry
from bench.records.result import Cost, DatasetRef, ProtocolRef, Result, ResultInput, SubmissionRef

START = datetime(2026, 8, 1, 10, 0, tzinfo=UTC)
RTX_4090 = "NVIDIA GeForce RTX 4090"
TIMM_TABLES = (
    ("benchmark-infer-amp-nchw-pt240-cu124-rtx4090.csv", "infer", RTX_4090, "2.4.0", "12.4"),
    ("benchmark-infer-amp-nchw-pt291-cu128-4090.csv", "infer", RTX_4090, "2.9.1", "12.8"),
    ("benchmark-infer-amp-nchw-pt291-cu130-5090.csv", "infer", "NVIDIA GeForce RTX 5090", "2.9.1", "13.0"),
    ("benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv", "train", "NVIDIA GeForce RTX 3090", "1.12", "11.3"),
)


def speed_of(
    architecture: str | None = "resnet50",
    value: float = 1000.0,
    *,
    size: int = 224,
    days: int = 0,
    half_width: float | None = None,
    cost: str = "throughput_img_s",
    words: dict[str, Any] | None = None,
    environment: dict[str, Any] | None = None,
    **fields: Any,
) -> Result:
    """A run with a throughput.

    Args:
        architecture: The network; None for an entry that measures itself.
        value: Images a second.
        size: Side of the input, in pixels.
        days: When it ran, in days after the first one.
        half_width: Half the width of its interval; None for a single run.
        cost: The cost's name.
        words: Fields of the submission to replace.
        environment: What to replace in the environment.
        fields: Fields of the result to replace.
    """
    interval = {} if half_width is None else {"ci_low": value - half_width, "ci_high": value + half_width}
    submission: dict[str, Any] = {"team": "timm", "name": f"{(architecture or 'net').lower()}-{size}", "source": "timm"}
    submission |= {"title": f"{architecture or 'net'}-{size}", "architecture": architecture}
    machine = {"gpu": RTX_4090, "torch": "2.4.0", "cuda": "12.4", "batch_size": 256, "precision": "amp"}
    values: dict[str, Any] = {
        "bench_version": "0.1.0",
        "status": "imported",
        "submission": SubmissionRef(**submission | (words or {})),
        "protocol": ProtocolRef(id="timm-inference", version=1),
        "dataset": DatasetRef(name="random-pixels", split="test", num_samples=0),
        "costs": {cost: Cost(value=value, unit="img/s", **interval)},
        "input": ResultInput(geometry=Geometry(resize=size, crop=size), mean=(0.5,) * 3, std=(0.5,) * 3),
        "environment": machine | (environment or {}),
    }
    return Result.create(now=START + timedelta(days=days), **values | fields)


def timm_folder() -> Path:
    """The folder of timm's tables, or the test is skipped."""
    folder = Path(os.environ.get("BENCH_TEST_DATA", "/absent")) / "timm-results"
    if not folder.is_dir():
        pytest.skip("BENCH_TEST_DATA does not name a folder with timm-results")
    return folder


def timm_speeds() -> list[Result]:
    """All speeds of timm's tables, as one import of one second would write them down."""
    import pandas as pd

    found = []
    for name, kind, gpu, torch, cuda in TIMM_TABLES:
        table = pd.read_csv(timm_folder() / name, thousands=",")
        columns = ("model", f"{kind}_img_size", f"{kind}_samples_per_sec", f"{kind}_batch_size")
        cost = "throughput_img_s" if kind == "infer" else "train_throughput_img_s"
        protocol = ProtocolRef(id="timm-inference" if kind == "infer" else "timm-training", version=1)
        for model, size, value, batch in zip(*(table[column].tolist() for column in columns), strict=True):
            machine = {"gpu": gpu, "torch": torch, "cuda": cuda, "batch_size": batch}
            found.append(speed_of(model, value, size=size, cost=cost, protocol=protocol, environment=machine))
    return found
