"""From the events of a training to the record of the attempt: its course, thinned, and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bench.records.recipe import Recipe
from bench.records.training import Attempt, CurvePoint, Final, Reached
from bench.training.target import threshold

__all__ = ["MOST_POINTS", "attempt_of", "curve_of", "thinned"]

MOST_POINTS = 64
"""So many points draw a smooth line, and a file of three attempts stays small enough for git."""

Events = Sequence[Mapping[str, Any]]


def attempt_of(
    events: Events,
    recipe: Recipe,
    *,
    final: Mapping[str, Final],
    weights_sha256: str | None,
    predictions_sha256: str | None = None,
) -> Attempt:
    """The record of an attempt.

    Args:
        events: Those of one training, from `start` to `end` or `failure`.
        recipe: What it was trained by.
        final: What its exported weights reach in a fresh evaluation; empty where it failed.
        weights_sha256: The exported weights; None where it failed.
        predictions_sha256: Their answers in that evaluation.
    """
    start, last = _last(events, "start"), events[-1]
    images = int(last.get("images") or _last(events, "epoch").get("images") or 0)
    failed = last["kind"] == "failure"
    flops_img = start.get("flops_img")
    return Attempt(
        number=start["attempt"],
        seed=start["seed"],
        outcome=last["outcome"] if failed else "ok",
        message=last["message"] if failed else None,
        created_at=datetime.fromtimestamp(start["time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        epochs=len({event["epoch"] for event in events if event["kind"] == "epoch"}),
        steps=int(last.get("step") or 0),
        images=images,
        world_size=start.get("world_size") or 1,
        device=start.get("device"),
        start_s=_rounded(_last(events, "ready").get("seconds")),
        compile_s=_rounded(_last(events, "compile").get("seconds")),
        train_s=_rounded(last.get("train_s")) or 0.0,
        wait_s=_rounded(last.get("wait_s")),
        evaluate_s=_rounded(last.get("evaluate_s", _sum_of_evaluations(events))),
        pflop=_pflop(flops_img, images),
        energy_j=_rounded(last.get("energy_j")),
        peak_memory_mib=_rounded(last.get("peak_memory_mib")),
        num_skipped=int(last.get("num_skipped") or 0),
        num_restarts=sum(event["kind"] == "restart" for event in events),
        weights_sha256=weights_sha256,
        predictions_sha256=predictions_sha256,
        final=dict(final),
        reached=None if failed else _reached(events, recipe, final),
        curve=thinned(curve_of(events, recipe)),
    )


def curve_of(events: Events, recipe: Recipe) -> list[CurvePoint]:
    """A point an epoch, and epoch 0 where the network was evaluated before the first step."""
    epochs = {event["epoch"]: event for event in events if event["kind"] == "epoch"}
    evaluated = {event["epoch"]: event for event in events if event["kind"] == "evaluate"}
    points = []
    for epoch in sorted(epochs.keys() | evaluated.keys()):
        one, other = epochs.get(epoch, {}), evaluated.get(epoch, {})
        ranked, beside = (other.get(name) or {} for name in _order(recipe))
        points.append(
            CurvePoint(
                epoch=epoch,
                images=one.get("images", other.get("images", 0)),
                train_s=_rounded(one.get("train_s", other.get("train_s"))),
                loss=_short(one.get("loss")),
                train_top1=_short(one.get("top1")),
                learning_rate=_short(one.get("learning_rate")),
                top1=_short(ranked.get("top1")),
                nll=_short(ranked.get("nll")),
                other_top1=_short(beside.get("top1")),
            )
        )
    return points


def thinned(points: Sequence[CurvePoint], most: int = MOST_POINTS) -> tuple[CurvePoint, ...]:
    """At most so many points, evenly spread; the first, the last, and of a group rather one that was evaluated."""
    if len(points) <= most:
        return tuple(points)
    inner, kept = points[1:-1], [points[0]]
    for index in range(most - 2):
        group = inner[index * len(inner) // (most - 2) : (index + 1) * len(inner) // (most - 2)]
        kept.append(next((point for point in reversed(group) if point.top1 is not None), group[-1]))
    return (*kept, points[-1])


def _reached(events: Events, recipe: Recipe, final: Mapping[str, Final]) -> Reached | None:
    """The target, where a run reached it, a second evaluation said so, and a fresh one of the exported weights too."""
    target, found = recipe.target, _last(events, "target")
    if target is None or not found or (fresh := final.get(target.metric)) is None:
        return None
    if min(found["value"], found["confirmed"], fresh.value) < threshold(target):
        return None
    return Reached(
        epoch=found["epoch"],
        images=found["images"],
        train_s=_rounded(found["train_s"]) or 0.0,
        value=found["value"],
        confirmed=fresh.value,
        pflop=_pflop(_last(events, "start").get("flops_img"), found["images"]),
        energy_j=_rounded(found.get("energy_j")),
    )


def _sum_of_evaluations(events: Events) -> float:
    """Where the last event does not say it, as that of a failure."""
    return float(sum(event["seconds"] for event in events if event["kind"] == "evaluate"))


def _order(recipe: Recipe) -> tuple[str, str]:
    """Which evaluation is that of the ranked weights, and which is the other."""
    names = ("metrics", "ema_metrics")
    return names if recipe.ranked_weights == "last" else (names[1], names[0])


def _last(events: Events, kind: str) -> Mapping[str, Any]:
    """The last event of a kind; empty where there is none."""
    return next((event for event in reversed(events) if event["kind"] == kind), {})


def _pflop(flops_img: float | None, images: int) -> float | None:
    return None if flops_img is None else _short(flops_img * images / 1e15)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(float(seconds), 3)


def _short(value: float | None) -> float | None:
    """Six significant digits: more would only make files longer."""
    return None if value is None else float(f"{value:.6g}")
