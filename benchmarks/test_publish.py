"""How long a site takes: `pytest benchmarks --benchmark-only`."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.leaderboard.frame import frame_of
from bench.leaderboard.site import publish
from bench.protocols import load_protocol
from bench.records.result import Cost, DatasetRef, Estimate, Result, SubmissionRef
from bench.resources import resource_folder
from bench.score import protocol_ref
from bench.stats.intervals import wilson
from bench.store import Store

NUM_RESULTS = 2_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of results with all metrics of the closed division."""
    made = Store(tmp_path_factory.mktemp("store") / "results")
    protocol, drawn = load_protocol("imagenet-val-closed"), random.Random(0)  # noqa: S311 - no secret
    for index in range(NUM_RESULTS):
        count = drawn.randint(20_000, 45_000)
        low, high = wilson(count, 50_000)
        proportion = Estimate(value=count / 50_000, ci_low=low, ci_high=high, num_samples=50_000, count=count)
        other = Estimate(value=drawn.random(), ci_low=0.0, ci_high=1.0, num_samples=50_000)
        made.add(
            Result.create(
                now=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=index),
                bench_version="0.1.0",
                status="self-reported",
                submission=SubmissionRef(
                    team=f"team{index % 50}", name=f"m{index}", title=f"M{index}", source="python"
                ),
                protocol=protocol_ref(protocol),
                dataset=DatasetRef(name="imagenet-1k", split="val", digest="c" * 64, num_samples=50_000),
                metrics=dict.fromkeys(protocol.metrics.report, other) | {"top1": proportion},
                costs={"num_params": Cost(value=drawn.randint(1, 300) * 1e6, unit="parameters")},
                precision="fp32",
                device_type="cuda",
            )
        )
    return made


def test_load_results(benchmark: Any, store: Store) -> None:
    """From files to a data frame."""
    frame = benchmark.pedantic(lambda: frame_of(store.load()), rounds=3)
    assert len(frame) == NUM_RESULTS


def test_publish(benchmark: Any, store: Store, tmp_path: Path) -> None:
    """From files to the whole site."""
    report = benchmark.pedantic(lambda: publish(store, resource_folder("boards"), tmp_path / "site"), rounds=3)
    assert report.num_results == NUM_RESULTS
