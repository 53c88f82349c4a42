"""Good things to check, made up; the fixtures of broken ones start from these."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from leaderboard.made_attempts import attempt_of, training_of
from throughput.made_blocks import blocks, replicate

import bench.protocols
from bench.check.checking import Checked, check_target
from bench.check.context import Context
from bench.check.rule import Finding
from bench.check.targets import targets_below
from bench.data.classes import class_table
from bench.files import canonical_json, digest_of
from bench.metrics.topk import predictions_from_logits
from bench.protocols import load_protocol
from bench.records.protocol import Protocol
from bench.records.result import Cost, DatasetRef, LedgerRef, PredictionsRef, Result, SubmissionRef
from bench.records.submission import Claims, TrainingOrigin
from bench.score import protocol_ref, score
from bench.store import Store
from bench.throughput.summary import costs_of

MANIFEST = """\
format_version = 1
title = "A small network"
contact = "models@acme.example"
license = "Apache-2.0"
extra_training_data = "none"

[model]
source = "python"
file = "model.py"
factory = "build_model"

[input]
img_size = 16
"""
CODE = """\
import torch
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1000)

    def forward(self, images):
        return {answer}


def build_model():
    return Network()
"""
GOOD = "self.layer(images.mean((2, 3)))"


def context(folder: Path, **options: Any) -> Context:
    """Options of a check that runs models in this process."""
    return Context(**{"cache_folder": folder / "cache", "isolation": "none"} | options)


def found(path: Path, **options: Any) -> list[Finding]:
    """The findings about everything below a path."""
    checked = [check_target(target, context(path, **options)) for target in targets_below(path)]
    return [finding for item in checked for finding in item.findings]


def rules(findings: list[Finding] | Checked) -> set[str]:
    """The ids of the rules that are broken."""
    return {item.rule for item in (findings.findings if isinstance(findings, Checked) else findings)}


def submission(folder: Path, *, manifest: str = MANIFEST, answer: str = GOOD, team: str = "acme") -> Path:
    """A submission's folder below `folder`."""
    made = folder / team / "net"
    made.mkdir(parents=True)
    (made / "submission.toml").write_text(manifest, encoding="utf-8")
    (made / "model.py").write_text(CODE.format(answer=answer), encoding="utf-8")
    return made


def weighted(folder: Path, content: bytes, name: str = "weights.safetensors") -> Path:
    """A submission with these bytes as weights."""
    made = submission(folder, manifest=MANIFEST.replace("[input]", f'weights = "{name}"\n\n[input]'))
    (made / name).write_bytes(content)
    return made


def safetensors(tensors: dict[str, tuple[str, list[int], list[int]]], data: bytes) -> bytes:
    """A safetensors file: from name to dtype, shape and offsets; and the bytes of all tensors."""
    header = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        for name, (dtype, shape, offsets) in tensors.items()
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def result(
    folder: Path,
    *,
    num_samples: int = 60,
    claims: Claims | None = None,
    training: TrainingOrigin | None = None,
    **fields: Any,
) -> Path:
    """A stored result of a drawn run under `shapes10-val`, with all that lies beside it, below `folder/results`."""
    protocol, classes = load_protocol("shapes10-val"), class_table("shapes10")
    random = np.random.default_rng(0)
    labels_N = random.integers(0, 10, num_samples)
    logits_NC = random.normal(size=(num_samples, 10)).astype(np.float32)
    logits_NC[np.arange(num_samples), labels_N] += 1.5
    ids = tuple(f"shape/{number:06d}" for number in range(num_samples))
    predictions = predictions_from_logits(ids, logits_NC, labels_N)
    scored = score(predictions, labels_N, protocol, classes)
    store = Store(folder / "results")
    values: dict[str, Any] = {
        "now": datetime(2026, 8, 1, 10, 15, tzinfo=UTC),
        "bench_version": "0.1.0",
        "status": "self-reported",
        "submission": SubmissionRef(
            team="acme", name="net", title="Net", digest="a" * 64, source="python", claims=claims, training=training
        ),
        "protocol": protocol_ref(protocol),
        "dataset": DatasetRef(name="shapes10", split="val", digest="c" * 64, num_samples=num_samples),
        "predictions": store.add_predictions(predictions),
        "isolation": "none",
        **scored.fields,
    }
    made = Result.create(**values | fields)
    return store.add(made, correctness=scored.correctness, breakdown=scored.breakdown)


def timed_result(folder: Path, **fields: Any) -> Path:
    """A stored result of a throughput run, with its raw times."""
    times = blocks(replicate(10, 11), replicate(10, 12))
    protocol = load_protocol("throughput-offline")
    values: dict[str, Any] = {
        "now": datetime(2026, 8, 1, 10, 15, tzinfo=UTC),
        "bench_version": "0.1.0",
        "status": "self-reported",
        "submission": SubmissionRef(team="acme", name="net", title="Net", digest="a" * 64, source="python"),
        "protocol": protocol_ref(protocol),
        "dataset": DatasetRef(name="random", split="none", num_samples=0),
        "costs": costs_of(times),
        "blocks": times.sha256(),
    }
    return Store(folder / "results").add(Result.create(**values | fields), blocks=times)


def training(folder: Path) -> Path:
    """The stored result of a training with two attempts."""
    made, attempts = training_of("net", attempt_of(1, 0.9), attempt_of(2, 0.8))
    return Store(folder / "results").add(made, attempts=attempts)


def cost(value: float) -> Cost:
    """A speed."""
    return Cost(value=value, unit="img/s", device="cpu")


LEDGER = LedgerRef(challenge="spring", phase="test", division="closed", sequence=1, head="0" * 64)
"""Where a challenge accounts for a run."""


def hidden_protocol(folder: Path) -> Protocol:
    """A protocol with hidden labels, in the folder of that challenge."""
    text = protocol_file("shapes10-val").read_text(encoding="utf-8")
    path = folder / "challenges" / LEDGER.challenge / "secret-val.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text.replace('id = "shapes10-val"', 'id = "secret-val"\nhidden = true'))
    return load_protocol(str(path))


def protocol_file(name: str) -> Path:
    """The file of a protocol that ships."""
    return Path(bench.protocols.__file__).with_name(f"{name}.toml")


def edited(path: Path, **changes: Any) -> Path:
    """A result with other values at its top level and a run id that fits them, as a forger would write it."""
    record = json.loads(path.read_text()) | changes
    record.pop("run")
    run = f"{path.stem[:16]}-{digest_of(record)[:12]}"
    new = path.with_name(f"{run}.json")
    new.write_text(canonical_json(record | {"run": run}))
    for beside in list(path.parent.glob(f"{path.stem}.*")):
        if beside != path:
            beside.rename(new.with_name(run + beside.name.removeprefix(path.stem)))
    path.unlink()
    return new


def without_predictions(path: Path) -> PredictionsRef | None:
    """Removes the predictions of a result; returns how it names them."""
    reference = Result.load(path).predictions
    assert reference is not None
    (path.parents[4] / "predictions" / f"{reference.sha256}.parquet").unlink()
    return reference


def repository(folder: Path) -> Path:
    """A git repository with one submission, one result and a workflow, committed on `main`."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    for key, value in (("user.name", "A. Maintainer"), ("user.email", "a@example.org"), ("commit.gpgsign", "false")):
        git(folder, "config", key, value)
    submission(folder / "submissions", team="first")
    (folder / ".github" / "workflows").mkdir(parents=True)
    (folder / ".github" / "workflows" / "ci.yml").write_text("on: push\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "One submission")
    return folder


def commit(folder: Path, message: str = "A change") -> str:
    """Commits all changes; returns the commit's id."""
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message)
    return git(folder, "rev-parse", "HEAD").strip()


def git(folder: Path, *words: str) -> str:
    """Runs git, and returns what it prints."""
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout
