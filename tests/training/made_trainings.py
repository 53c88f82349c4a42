"""Trainings made by hand: the events and the folder that one leaves, without training anything."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from bench.files import digest_of, sha256_of_file
from bench.models.build import build_model
from bench.models.source import open_submission
from bench.records.protocol import Protocol
from bench.training.attempts import attempt_folder, attempt_seed, round_name
from bench.training.events import EventLog


def write_events(
    path: Path,
    protocol: Protocol,
    *,
    attempt: int = 1,
    round_key: bytes | None = None,
    submission_digest: str = "ab" * 32,
    top1: tuple[float, ...] = (0.2, 0.5, 0.6),
    target_at: int | None = None,
    failure: str | None = None,
    **start: Any,
) -> None:
    """The events of a training of an epoch a value, each evaluated; ten seconds of training and two of evaluation."""
    recipe = protocol.recipe
    assert recipe is not None
    with EventLog(path) as log:
        log.emit(
            "start",
            **{
                "team": path.parts[-4] if len(path.parts) > 3 else "acme",
                "name": path.parts[-3] if len(path.parts) > 2 else "net",
                "submission_digest": submission_digest,
                "protocol": protocol.id,
                "protocol_digest": protocol.digest(),
                "recipe_digest": digest_of(recipe.as_json()),
                "dataset_digest": "cd" * 32,
                "attempt": attempt,
                "seed": attempt_seed(submission_digest, attempt, round_key),
                "round": round_name(round_key),
                "epochs": len(top1),
                "num_images": 24,
                "world_size": 2,
                "precision": "fp32",
                "device": "Some CPU",
                "device_type": "cpu",
                "flops_img": 1e12,
                "environment": {"torch": "2.11"},
            }
            | start,
        )
        log.emit("ready", seconds=3.0)
        log.emit("compile", seconds=1.5)
        for epoch, value in enumerate(top1, 1):
            seen = {"epoch": epoch, "step": 3 * epoch, "images": 24 * epoch}
            log.emit("step", loss=1 / epoch, **seen)
            log.emit(
                "epoch", loss=1 / epoch, top1=value / 2, learning_rate=0.1, train_s=10.0 * epoch, wait_s=epoch, **seen
            )
            log.emit("evaluate", metrics={"top1": value, "nll": 1.0}, ema_metrics=None, seconds=2.0, **seen)
            if epoch == target_at:
                log.emit("target", value=value, confirmed=value, train_s=10.0 * epoch, **seen)
        last = {"epoch": len(top1), "step": 3 * len(top1), "images": 24 * len(top1), "train_s": 10.0 * len(top1)}
        if failure is not None:
            log.emit("failure", outcome=failure, message="the loss is nan", **last)
        else:
            log.emit("end", outcome="ok", wait_s=len(top1), peak_memory_mib=123.4, **last)


def write_trained(out: Path, source: Path, protocol: Protocol, attempt: int = 1, **events: Any) -> Path:
    """What `bench train` leaves: the submission with weights of the attempt's seed, and its events."""
    submission = open_submission(str(source))
    folder = attempt_folder(out, attempt) / submission.team / submission.name
    write_events(
        folder / "training" / "events.jsonl",
        protocol,
        attempt=attempt,
        submission_digest=submission.digest,
        **events,
    )
    if events.get("failure") is None:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        module = build_model(submission, cache_folder=out, seed=attempt).module
        weights = folder / "weights.safetensors"
        save_file(module.state_dict(), weights)
        lines = f'weights = "{weights.name}"\nsha256 = "{sha256_of_file(weights)}"\n[outputs]'
        manifest = (folder / "submission.toml").read_text().replace("[outputs]", lines)
        (folder / "submission.toml").write_text(manifest)
    return folder
