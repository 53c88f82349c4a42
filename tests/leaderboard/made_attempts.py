"""Results of training made by hand: attempts with curves, one that failed, one that missed its target."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from typing import Any

from leaderboard.made_results import START, write_boards

from bench.leaderboard import site
from bench.protocols import load_protocol
from bench.records.recipe import Target
from bench.records.result import DatasetRef, Result, SubmissionRef
from bench.records.training import Attempt, Attempts, CurvePoint, Final, Reached, TrainingSummary
from bench.score import protocol_ref
from bench.store import Store
from bench.training.scores import costs_of, failure_of, metrics_of, notes_of, timing_of

PROTOCOL = "shapes10-train"
BOARD = """
format_version = 1
id = "trained"
title = "Trained"
description = "Trainings made by hand."
protocol = "shapes10-train"
columns = ["rank", "model", "top1", "top1_sd", "top1_interval", "attempts", "missed", "time_to_target_s",
           "epochs_to_target", "training_time_s", "status", "date"]
"""


def attempt_of(
    number: int, top1: float = 0.9, *, epochs: int = 20, reached_at: int | None = None, failure: str | None = None
) -> Attempt:
    """An attempt whose accuracy rises to a value, evaluated every other epoch."""
    curve = tuple(
        CurvePoint(
            epoch=epoch,
            images=1000 * epoch,
            train_s=2.0 * epoch,
            loss=2.3 * math.exp(-epoch / (6 + number)),
            train_top1=top1 * (1 - math.exp(-epoch / 5)),
            top1=round(top1 * (1 - math.exp(-epoch / (3 + number / 2))), 3) if epoch % 2 == 0 else None,
        )
        for epoch in range(1, epochs + 1)
    )
    fields: dict[str, Any] = {"outcome": failure, "message": "the loss is nan"} if failure else {}
    if failure is None:
        fields["final"] = {"top1": Final(value=top1, num_samples=500, count=round(500 * top1))}
    if reached_at is not None:
        seconds, images = 2.0 * reached_at, 1000 * reached_at
        fields["reached"] = Reached(epoch=reached_at, images=images, train_s=seconds, value=top1, confirmed=top1)
    return Attempt(
        number=number,
        seed=1_000_003 * number,
        created_at="2026-08-01T10:00:00Z",
        epochs=epochs,
        steps=20 * epochs,
        images=1000 * epochs,
        device="Some CPU",
        start_s=1.5,
        train_s=2.0 * epochs,
        wait_s=0.4,
        evaluate_s=3.0,
        peak_memory_mib=512.5,
        weights_sha256=f"{number:064x}",
        curve=curve,
        **fields,
    )


def training_of(name: str, *attempts: Attempt, hours: int = 1, target: Target | None = None) -> tuple[Result, Attempts]:
    """The result of attempts and what lies beside it."""
    protocol = load_protocol(PROTOCOL)
    assert protocol.recipe is not None
    recipe = protocol.recipe.model_copy(update={"target": target})
    made = Attempts(recipe_digest="ab" * 32, evaluated_with="shapes10-val", round="public", attempts=attempts)
    failure = failure_of(attempts, recipe)
    result = Result.create(
        now=START + timedelta(hours=hours),
        bench_version="0.0.test",
        status="self-reported" if failure is None else "failed",
        submission=SubmissionRef(team="acme", name=name, title=name.title(), digest="cd" * 32, source="python"),
        protocol=protocol_ref(protocol),
        dataset=DatasetRef(name="shapes10", split="train", digest="ef" * 32, num_samples=1000),
        metrics=metrics_of(attempts, ["top1"]),
        costs=costs_of(attempts, recipe),
        training=TrainingSummary(
            attempts=made.sha256(),
            recipe_digest=made.recipe_digest,
            round=made.round,
            num_attempts=len(attempts),
            num_failed=sum(one.outcome != "ok" for one in attempts),
            num_missed=None if target is None else sum(one.reached is None for one in attempts),
        ),
        precision="fp32",
        device_type="cpu",
        isolation="none",
        seeds={f"attempt_{one.number}": one.seed for one in attempts},
        timing=timing_of(attempts),
        failure=failure,
        notes=notes_of(attempts, recipe, evaluated_with="shapes10-val"),
    )
    return result, made


def trained_store(folder: Path) -> Store:
    """Three attempts at a fixed budget, three at a target of which one missed, a single one, and one that failed."""
    store = Store(folder / "results")
    target = Target(value=0.85, margin=0.01)
    sets = [
        training_of("steady", *(attempt_of(number, 0.9 + number / 100) for number in (1, 2, 3)), hours=1),
        training_of(
            "racer",
            attempt_of(1, 0.9, reached_at=12),
            attempt_of(2, 0.88, reached_at=18),
            attempt_of(3, 0.8),
            hours=2,
            target=target,
        ),
        training_of("single", attempt_of(1, 0.7), hours=3),
        training_of("broken", attempt_of(1, 0.9), attempt_of(2, failure="nonfinite", epochs=7), hours=4),
    ]
    for result, attempts in sets:
        store.add(result, attempts=attempts)
    return store


def trained_site(folder: Path) -> Path:
    """Their site."""
    report = site.publish(trained_store(folder), write_boards(folder / "boards", BOARD), folder / "site")
    assert not report.broken
    return report.index.parent
