"""A broken thing for each rule: `BROKEN[id](folder)` makes it below a folder, and returns the findings about it."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable
from datetime import date
from pathlib import Path
from unittest.mock import patch

from check.made import (
    GOOD,
    LEDGER,
    MANIFEST,
    commit,
    context,
    cost,
    edited,
    found,
    hidden_protocol,
    protocol_file,
    repository,
    result,
    safetensors,
    submission,
    timed_result,
    training,
    weighted,
)

from bench.check.changes import check_changes
from bench.check.rule import Finding
from bench.check.waivers import load_waivers, waiver_findings
from bench.metrics.topk import predictions_from_logits
from bench.records.predictions import Predictions
from bench.records.reference import ReferenceRun, ReferenceRuns
from bench.records.result import Result
from bench.records.retraction import Retraction
from bench.records.submission import Claims, TrainingOrigin
from bench.score import protocol_ref

Break = Callable[[Path], list[Finding]]

TODAY = date(2026, 8, 1)


def _manifest(old: str, new: str, *, run: bool = False) -> Break:
    def make(folder: Path) -> list[Finding]:
        assert old in MANIFEST
        return found(submission(folder, manifest=MANIFEST.replace(old, new)), run_model=run)

    return make


def _code(line: str) -> Break:
    def make(folder: Path) -> list[Finding]:
        made = submission(folder)
        (made / "model.py").write_text(f"{line}\n{(made / 'model.py').read_text()}", encoding="utf-8")
        return found(made, run_model=False)

    return make


def _file(make_file: Callable[[Path], object]) -> Break:
    def make(folder: Path) -> list[Finding]:
        made = submission(folder)
        make_file(made)
        return found(made, run_model=False)

    return make


def _weights(content: bytes, name: str = "weights.safetensors") -> Break:
    return lambda folder: found(weighted(folder, content, name), run_model=False)


def _answer(answer: str, isolation: str = "none") -> Break:
    return lambda folder: found(submission(folder, answer=answer), isolation=isolation)


def _not_matching_weights(folder: Path) -> list[Finding]:
    return found(weighted(folder, safetensors({"other": ("F32", [1], [0, 4])}, bytes(4))))


def _of_weights_with(pickled: bytes) -> bytes:
    """An archive of torch.save whose pickle is this one."""
    import io
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3")
    return content.getvalue()


def _answers(folder: Path) -> list[Finding]:
    made = folder / "acme" / "answers"
    made.mkdir(parents=True)
    manifest = MANIFEST.partition("[model]")[0] + '[model]\nsource = "predictions"\nfile = "answers.txt"\n'
    (made / "submission.toml").write_text(manifest)
    (made / "answers.txt").write_text("490 361\n\n0\n")
    return found(made)


def _stored(change: Callable[[Path], object]) -> Break:
    """A result that is changed after it was stored."""

    def make(folder: Path) -> list[Finding]:
        change(result(folder))
        return found(folder / "results")

    return make


def _beside(suffix: str, change: Callable[[Path], object]) -> Break:
    return _stored(lambda path: change(path.with_suffix(suffix)))


def _flip_bits(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 0x80
    path.write_bytes(bytes(content))


def _change_classes(path: Path) -> None:
    record = json.loads(path.read_text())
    record["num_top1"][0] += 1
    path.write_text(json.dumps(record))


def _raise_top1(path: Path) -> None:
    metrics = json.loads(path.read_text())["metrics"]
    metrics["top1"]["value"] = 0.99
    edited(path, metrics=metrics)


def _other_nll(path: Path) -> None:
    metrics = json.loads(path.read_text())["metrics"]
    for key in ("value", "ci_low", "ci_high"):
        metrics["nll"][key] -= 0.1
    edited(path, metrics=metrics)


def _other_protocol(path: Path) -> None:
    edited(path, protocol=json.loads(path.read_text())["protocol"] | {"digest": "0" * 64})


def _retraction_of_another(path: Path) -> None:
    run = "20260801T101500Z-000000000000"
    record = {"format_version": 1, "run": run, "reason": "x", "by": "y", "created_at": "2026-08-02T00:00:00Z"}
    path.with_suffix(".retract.json").write_text(Retraction.parse(record).to_text())


def _predictions_of(path: Path) -> Path:
    reference = Result.load(path).predictions
    assert reference is not None
    return path.parents[4] / "predictions" / f"{reference.sha256}.parquet"


def _other_predictions(path: Path) -> None:
    predictions = _predictions_of(path)
    read = Predictions.read(predictions)
    dataclasses.replace(read, label_log_prob_N=read.label_log_prob_N - 1).write(predictions)


def _fewer_predictions(path: Path) -> None:
    import numpy as np

    logits_NC = np.random.default_rng(0).normal(size=(3, 10)).astype(np.float32)
    made = predictions_from_logits(("a", "b", "c"), logits_NC, np.zeros(3, np.int64))
    store = path.parents[4] / "predictions"
    made.write(store / f"{made.sha256()}.parquet")
    edited(path, predictions={"sha256": made.sha256(), "num_bytes": 1})


def _false_claim(folder: Path) -> list[Finding]:
    result(folder, claims=Claims(top1=0.999))
    return found(folder / "results")


def _foreign_training(folder: Path) -> list[Finding]:
    origin = TrainingOrigin(
        protocol="shapes10-train",
        protocol_digest="0" * 64,
        dataset_digest="0" * 64,
        trained_from="0" * 64,
        seed=0,
        epochs=1,
        seconds=1.0,
        bench_version="0.1.0",
    )
    result(folder, training=origin)
    return found(folder / "results")


def _told_too_much(folder: Path) -> list[Finding]:
    protocol = hidden_protocol(folder)
    result(folder / "leaderboards", protocol=protocol_ref(protocol), ledger=LEDGER)
    return found(folder / "leaderboards" / "results")


def _unearned_verified(folder: Path) -> list[Finding]:
    result(folder, status="verified")
    return found(folder / "results")


def _faster(folder: Path) -> list[Finding]:
    path = timed_result(folder)
    (name,) = [name for name in Result.load(path).costs if name.startswith("throughput")][:1]
    costs = json.loads(path.read_text())["costs"]
    costs[name] = cost(1e6).as_json()
    edited(path, costs=costs)
    return found(folder / "results")


def _written(relative: str, content: str) -> Break:
    def make(folder: Path) -> list[Finding]:
        path = folder / relative
        path.parent.mkdir(parents=True)
        path.write_text(content)
        return found(path)

    return make


def _protocol(old: str, new: str) -> str:
    text = protocol_file("imagenet-val-closed").read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new)


def _ledger(folder: Path) -> list[Finding]:
    path = folder / "challenges" / "spring" / "ledger.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"sequence": 1}\n')
    return found(folder)


def _challenge(folder: Path) -> list[Finding]:
    path = folder / "challenges" / "spring" / "challenge.toml"
    path.parent.mkdir(parents=True)
    path.write_text('format_version = 1\nid = "autumn"\n')
    return found(folder)


def _fewer_attempts(folder: Path) -> list[Finding]:
    path = training(folder)
    attempts = json.loads(path.with_suffix(".attempts.json").read_text())
    del attempts["attempts"][1]
    path.with_suffix(".attempts.json").write_text(json.dumps(attempts))
    return found(folder / "results")


def _too_fast(folder: Path) -> list[Finding]:
    training(folder)
    slow = ReferenceRun(network="Known net", seed=1, epochs=(20, 40, 60), top1=(0.1, 0.3, 0.8))
    known = ReferenceRuns(protocol="shapes10-train", protocol_digest="ab" * 32, source="made by hand", runs=(slow,))
    with patch("bench.training.reference.load_references", return_value=known):
        return found(folder / "results")


def _changes(change: Callable[[Path], object]) -> Break:
    def make(folder: Path) -> list[Finding]:
        made = repository(folder / "repository")
        change(made)
        commit(made)
        checked = check_changes("main~1..main", context(folder, run_model=False), repository=made)
        return [item for each in checked for item in each.findings]

    return make


def _and_workflow(made: Path) -> None:
    submission(made / "submissions")
    (made / ".github" / "workflows" / "ci.yml").write_text("on: pull_request_target\n")


def _with_link(made: Path) -> None:
    (submission(made / "submissions") / "labels").symlink_to("/etc/passwd")


def _to_the_first(made: Path) -> None:
    (made / "submissions" / "first" / "net" / "model.py").write_text("x = 1\n")


def _waivers(text: str) -> Break:
    def make(folder: Path) -> list[Finding]:
        path = folder / "waivers.toml"
        path.write_text(f"format_version = 1\n[[waiver]]\n{text}")
        made = submission(folder)
        waivers = load_waivers(path)
        return waiver_findings(found(made, run_model=False), waivers, path, TODAY, checked=[made])

    return make


_CODE_HINTS = {
    "L30": "import socket",
    "L31": "import os; WHERE = os.environ.get('HOSTNAME')",
    "L32": "import atexit",
    "L33": "import time; time.perf_counter = lambda: 0.0",
    "L34": "import torch; torch.hub.load('a/b', 'c')",
    "L35": "LABELS = [" + ", ".join(["490"] * 1001) + "]",
    "L36": "class Other:\n    def forward(self, images):\n        self.train()",
    "L37": "TABLE = open('/etc/passwd')",
    "L38": "import torch; torch.set_num_threads(1)",
    "L39": "def (:",
}

BROKEN: dict[str, Break] = {
    "L01": _manifest("title =", "titel ="),
    "L02": lambda folder: [
        *found(submission(folder, team="acme"), run_model=False),
        *found(submission(folder, team="acrne"), run_model=False),
    ],
    "L03": _manifest("[input]", f'sha256 = "{"0" * 64}"\n[input]'),
    "L04": _manifest('license = "Apache-2.0"\n', ""),
    "L05": _manifest('extra_training_data = "none"\n', ""),
    "L06": _manifest("[input]", "[claims]\nnum_params = 3\n[input]", run=True),
    "L07": _weights(safetensors({"a": ("F32", [1], [0, 4])}, bytes(4))),
    "L08": _manifest("[input]", '[claims]\ntop1 = 0.5\n[outputs]\nclasses = "shapes100"\n[input]'),
    "L10": _file(lambda made: (made / "labels").symlink_to("/etc/passwd")),
    "L11": _file(lambda made: (made / ("deep/" * 40)).mkdir(parents=True)),
    "L12": _file(lambda made: (made / "fast.so").write_bytes(b"\x7fELF")),
    "L13": _file(lambda made: (made / "__pycache__").mkdir()),
    "L20": _weights(struct.pack("<Q", 1 << 60) + b"{}"),
    "L21": _weights(_of_weights_with(b"cos\nsystem\n(S'true'\ntR."), "weights.pt"),
    "L22": _weights(safetensors({"a": ("F32", [1 << 40], [0, 4])}, bytes(4))),
    "L23": _weights(safetensors({"a": ("F32", [1], [0, 4])}, struct.pack("<f", float("nan")))),
    "L24": _answers,
    **{rule: _code(line) for rule, line in _CODE_HINTS.items()},
    "L40": lambda folder: [
        *_code("# \u202e a comment that runs backwards")(folder / "code"),
        *_manifest('"model.py"', '"mod\\u0000el.py"')(folder / "manifest"),
    ],
    "L41": _manifest("[input]", "[claims]\ntop1 = 76.1\n[input]"),
    "L42": _manifest("A small network", "<script>alert(1)</script>"),
    "D01": lambda folder: found(submission(folder, manifest=MANIFEST.replace("build_model", "build_nothing"))),
    "D02": _answer("self.layer(images)"),
    "D03": _answer(f"{GOOD}[:, :10]"),
    "D04": _answer(f"{GOOD} * float('nan')"),
    "D05": _not_matching_weights,
    "D06": _answer("__import__('os')._exit(0)", isolation="process"),
    "D07": _answer(f"{GOOD} + torch.rand(1)"),
    "R01": _stored(lambda path: path.write_text(path.read_text().replace('"status"', '"run": "x", "status"'))),
    "R02": _stored(lambda path: path.write_text(path.read_text().replace('"Net"', '"Nets"'))),
    "R03": _stored(lambda path: path.rename(path.parent.parent / path.name)),
    "R04": lambda folder: [
        *_beside(".bits", _flip_bits)(folder / "flipped"),
        *_beside(".bits", Path.unlink)(folder / "missing"),
    ],
    "R05": _faster,
    "R06": _beside(".classes.json", _change_classes),
    "R07": _stored(_raise_top1),
    "R08": _stored(_other_protocol),
    "R09": _false_claim,
    "R10": _unearned_verified,
    "R11": _stored(_retraction_of_another),
    "R12": _told_too_much,
    "P01": _stored(_other_predictions),
    "P02": _stored(_other_nll),
    "P03": _stored(_fewer_predictions),
    "B01": _written("boards/b.toml", 'format_version = 1\nid = "b"\nprotocol = "none"\ncolumns = ["top1"]\n'),
    "M01": _written("protocols/imagenet-val-closed.toml", _protocol("resize = 256", "resize = 256\nresizee = 3")),
    "M02": _written("protocols/imagenet-val-closed.toml", _protocol('"ece"', '"ecce"')),
    "C01": _ledger,
    "C02": _challenge,
    "S01": _stored(lambda path: path.with_suffix(".sig").write_text("{}")),
    "S02": _unearned_verified,
    "T01": _foreign_training,
    "T02": _fewer_attempts,
    "T03": _too_fast,
    "G01": _changes(_and_workflow),
    "G02": _changes(_with_link),
    "G03": _changes(_to_the_first),
    "W01": _waivers('rule = "L04"\npath = "*"\nauthor = "A"\nreason = "b"\nexpires = 2026-07-31\n'),
    "W02": _waivers('rule = "L04"\npath = "*"\nauthor = "A"\nreason = "b"\nexpires = 2026-08-31\n'),
}
"""From the id of a rule to what breaks it."""
