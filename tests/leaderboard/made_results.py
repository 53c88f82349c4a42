"""Results made by hand for the tests of pages: a tiny store with one run of every kind, and one of hostile names."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.protocols import load_protocol
from bench.records.audit import Audit
from bench.records.breakdown import Breakdown, Confusion
from bench.records.result import (
    Cost,
    DatasetRef,
    Estimate,
    Failure,
    PredictionsRef,
    ProtocolRef,
    Result,
    ResultInput,
    SubmissionRef,
)
from bench.records.submission import Claims
from bench.records.verified import NEEDED_AUDITS
from bench.stats.intervals import wilson
from bench.store import Store

PROTOCOL = "shapes10-val"
NUM_SAMPLES = 500
START = datetime(2026, 8, 1, 10, 0, tzinfo=UTC)
DATA = Path(__file__).resolve().parents[1] / "data"
BOARD = """
format_version = 1
id = "tiny"
title = "Tiny board"
description = "Five runs made by hand."
protocol = "shapes10-val"
columns = ["rank", "model", "top1", "top1_interval", "top5", "nll", "num_params", "input_size", "precision", "device",
           "status", "isolation", "extra_training_data", "license", "date"]
"""


def hostile_names() -> list[dict[str, Any]]:
    """The vectors: a name, whether it is accepted, how it is shown, and its CSV cell where that is not plain."""
    vectors: list[dict[str, Any]] = json.loads((DATA / "hostile-names.json").read_text(encoding="utf-8"))
    return vectors


def proportion(count: int, num_samples: int = NUM_SAMPLES) -> Estimate:
    """An estimate with its Wilson interval."""
    low, high = wilson(count, num_samples)
    return Estimate(value=count / num_samples, ci_low=low, ci_high=high, num_samples=num_samples, count=count)


VERIFIED: dict[str, Any] = {
    "status": "verified",
    "isolation": "sandbox",
    "layers": ("user-namespace", "network-namespace", "seccomp", "memory:cgroup2", "processes:cgroup2"),
    "limits": {"memory_bytes": 4 << 30, "num_processes": 1024},
    "audits": tuple(
        Audit(id=name, title=f"Rule {name} holds", outcome="passed", threshold="Fails never.", sentence="It holds.")
        for name in NEEDED_AUDITS
    ),
}
"""What a verified result has."""


def run_of(
    name: str,
    count: int | None = 400,
    *,
    hours: int = 0,
    team: str = "acme",
    words: dict[str, Any] | None = None,
    **fields: Any,
) -> Result:
    """A complete, self-reported run under the current protocol; one of status verified has what that needs.

    Args:
        name: The submission's name.
        count: How many of the 500 images are right; None for a run without numbers.
        hours: When it ran, in hours after the first one.
        team: The submission's team.
        words: Fields of the submission to replace.
        fields: Fields of the result to replace.
    """
    protocol = load_protocol(PROTOCOL)
    assert protocol.geometry is not None
    metrics: dict[str, Estimate] = {}
    if count is not None:
        nll = Estimate(value=0.5432, ci_low=0.5, ci_high=0.6, num_samples=NUM_SAMPLES)
        metrics = {"top1": proportion(count), "top5": proportion(min(count + 60, NUM_SAMPLES)), "nll": nll}
    submission = {"team": team, "name": name, "title": name.title(), "digest": "a" * 64, "source": "python"}
    values: dict[str, Any] = {
        "bench_version": "0.1.0",
        "status": "self-reported",
        "submission": SubmissionRef(**{**submission, **(words or {})}),
        "protocol": ProtocolRef(id=protocol.id, version=protocol.version, digest=protocol.digest()),
        "dataset": DatasetRef(name="shapes10", split="val", digest="c" * 64, num_samples=NUM_SAMPLES),
        "metrics": metrics,
        "costs": {"num_params": Cost(value=1_234_567.0, unit="parameters")},
        "predictions": PredictionsRef(sha256="e" * 64, num_bytes=12_345),
        "precision": "fp32",
        "device_type": "cpu",
        "isolation": "none",
        "input": ResultInput(geometry=protocol.geometry, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        "environment": {"python": "3.12.1", "torch": "2.15.0", "num_cores": 2},
        "seeds": {"bootstrap": 0},
        "timing": {"forward_s": 1.25},
    }
    verified = VERIFIED if fields.get("status") == "verified" else {}
    return Result.create(now=START + timedelta(hours=hours), **values | verified | fields)


def breakdown_of(num_classes: int = 10) -> Breakdown:
    """Counts by class with two confusions: the classes get ever worse."""
    right = tuple(50 - 2 * index for index in range(num_classes))
    return Breakdown(
        classes=f"shapes{num_classes}",
        num_samples=(50,) * num_classes,
        num_top1=right,
        num_top5=tuple(min(50, count + 5) for count in right),
        num_answered=(50,) * num_classes,
        confusions=(Confusion(label=9, answer=0, count=7), Confusion(label=8, answer=1, count=3)),
    )


def write_boards(folder: Path, *texts: str) -> Path:
    """A folder of boards, each named by its id."""
    folder.mkdir(parents=True, exist_ok=True)
    for text in texts or (BOARD,):
        name = text.split('id = "', 1)[1].split('"', 1)[0]
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder


def tiny_store(folder: Path) -> Store:
    """Five entries: one verified with claims and classes, two that tie, one failed, one partial; one retracted run."""
    store = Store(folder / "results")
    claims = Claims(top1=0.95, num_params=1_234_567)
    words = {"title": "Tiny ResNet", "team_title": "Acme Labs", "claims": claims, "license": "Apache-2.0"}
    words |= {"paper": "https://arxiv.org/abs/1512.03385", "description": "A small residual network."}
    store.add(run_of("resnet", 450, hours=1, words=words, **VERIFIED), breakdown=breakdown_of())
    store.add(run_of("lenet", 400, hours=2, words={"extra_training_data": "JFT-300M"}))
    store.add(run_of("alexnet", 400, hours=3, team="beta"))
    failure = Failure(outcome="nonfinite", message="logits hold NaN for 3 of 500 images", log=("line 1", "line 2"))
    store.add(run_of("broken", None, hours=4, status="failed", failure=failure))
    partial = DatasetRef(name="shapes10", split="val", digest="d" * 64, num_samples=40, complete=False)
    store.add(run_of("partial", 300, hours=5, dataset=partial))
    old = run_of("resnet", 480, hours=0, words=words)
    store.add(old)
    (store.results / PROTOCOL / "acme" / "resnet" / f"{old.run}.retract.json").write_text(
        json.dumps(
            {
                "format_version": 1,
                "run": old.run,
                "reason": "wrong labels",
                "by": "The maintainers",
                "created_at": "2026-08-02T00:00:00Z",
            }
        ),
        encoding="utf-8",
    )
    return store


def hostile_store(folder: Path, *, tame: bool = False) -> Store:
    """Every accepted hostile name as title, team, licence, training data, description, log and note of a run.

    Args:
        folder: Where the results folder lies.
        tame: Plain words in place of the names, to compare with.
    """
    store = Store(folder / "results")
    for index, vector in enumerate(vector for vector in hostile_names() if vector["accept"]):
        name = f"Name {index}" if tame else vector["name"]
        words = {
            "title": name,
            "team_title": name,
            "license": name,
            "extra_training_data": name,
            "description": name,
            "paper": "javascript:alert(6)",
            "code": name,
        }
        store.add(
            run_of(f"net-{index}", 300 + index, hours=index, words=words, notes=(name,), origin=name,
                   environment={"cpu": name}),
            breakdown=breakdown_of(),
        )  # fmt: skip
        failure = Failure(outcome="load_error", message=name, log=(name, name))
        store.add(run_of(f"net-{index}", None, hours=100 + index, words=words, status="failed", failure=failure))
    return store
