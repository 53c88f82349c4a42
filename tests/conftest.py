"""Fixtures of many tests: results built by hand, and the real data where it is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from bench.records.result import DatasetRef, Estimate, ProtocolRef, Result, SubmissionRef
from bench.stats.intervals import wilson

# No deadlines: shared machines are slow at times. CI draws the same examples every time.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real photographs, weights and ground truth; tests that need it skip without it."""
    folder = os.environ.get("BENCH_TEST_DATA")
    if not folder:
        pytest.skip("BENCH_TEST_DATA does not name the folder of real data")
    return Path(folder)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def make_result() -> Callable[..., Result]:
    """A function that builds a valid result; every field can be replaced."""

    def make(*, team: str = "acme", name: str = "vit", count: int = 30, num_samples: int = 40, **fields: Any) -> Result:
        low, high = wilson(count, num_samples)
        estimate = Estimate(value=count / num_samples, ci_low=low, ci_high=high, num_samples=num_samples, count=count)
        values: dict[str, Any] = {
            "now": datetime(2026, 8, 1, 10, 15, tzinfo=UTC),
            "bench_version": "0.1.0",
            "status": "self-reported",
            "submission": SubmissionRef(team=team, name=name, title="ViT", digest="a" * 64, source="python"),
            "protocol": ProtocolRef(id="shapes10-val", version=1, digest="b" * 64),
            "dataset": DatasetRef(name="shapes10", split="val", digest="c" * 64, num_samples=num_samples),
            "metrics": {"top1": estimate},
            "precision": "fp32",
            "device_type": "cpu",
            "isolation": "none",
        }
        return Result.create(**values | fields)

    return make
