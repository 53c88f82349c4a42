"""Audited and verified evaluations, from the command to the record."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bench.cli.main import cli
from bench.records.verified import may_be_verified
from bench.store import Store
from bench.stored import Stored

WNIDS = ("n01440764", "n01443537", "n01484850", "n03995372")
RANDOM = """
import torch
from torch import nn


class Random(nn.Module):
    def forward(self, images):
        return torch.randn(len(images), 1000)


def build_model():
    return Random()
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Forty small pictures: enough for every audit that a verified result needs."""
    from PIL import Image

    random = np.random.default_rng(0)
    for number in range(40):
        folder = tmp_path / "imagenet" / "val" / WNIDS[number % 4]
        folder.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(random.integers(0, 256, (40, 50, 3), dtype=np.uint8))
        image.save(folder / f"ILSVRC2012_val_{number + 1:08d}.JPEG", format="JPEG")
    return tmp_path / "imagenet"


class _Bench:
    """Evaluations into one store."""

    def __init__(self, tmp_path: Path, data: Path, protocol: Path) -> None:
        self.results, self.data, self.protocol = tmp_path / "leaderboards" / "results", data, protocol

    def evaluate(self, *arguments: str) -> Result:
        fixed = ["--protocol", str(self.protocol), "--data", str(self.data), "--allow-partial", "--batch-size", "8"]
        return CliRunner().invoke(cli, ["evaluate", *arguments, *fixed, "--results", str(self.results)])

    def stored(self) -> dict[str, list[Stored]]:
        found: dict[str, list[Stored]] = {}
        for item in Store(self.results).scan().stored if self.results.is_dir() else ():
            found.setdefault(item.result.submission.name, []).append(item)
        return found


@pytest.fixture
def bench(tmp_path: Path, data: Path, tiny_protocol: Path) -> _Bench:
    """The command with what all its calls share."""
    return _Bench(tmp_path, data, tiny_protocol)


def test_a_failed_audit_is_a_failed_result_and_the_others_go_on(
    bench: _Bench, make_submission: Callable[..., Path]
) -> None:
    """The figures and the answers are kept; nothing is scored; the command says which audits and exits 1."""
    honest, cheat = make_submission(), make_submission(RANDOM, name="random")
    done = bench.evaluate(str(honest), str(cheat), "--audit")
    (good,), (bad,) = bench.stored()["tiny"], bench.stored()["random"]

    assert done.exit_code == 1
    assert "audits failed." in done.stderr
    assert "A6 (The same batch gets the same answers)" in done.stderr
    assert good.result.status == "self-reported"
    assert {audit.outcome for audit in good.result.audits} <= {"passed", "not-run"}
    assert bad.result.status == "failed"
    assert bad.result.failure is not None
    assert bad.result.failure.outcome == "audit_fail"
    assert {audit.id for audit in bad.result.audits if audit.outcome == "failed"} >= {"A4", "A5", "A6"}
    assert bad.result.metrics == {}
    assert Store(bench.results).read_predictions(bad.result).sample_ids
    assert "audit" in bad.result.seeds
    assert {"audit_s", "model_s"} <= good.result.timing.keys()


def test_an_audited_run_is_not_answered_by_one_that_was_not(
    bench: _Bench, make_submission: Callable[..., Path]
) -> None:
    """An equal run must promise as much."""
    folder = str(make_submission())
    for arguments, num_runs in ((), 1), (("--audit",), 2), (("--audit",), 2), ((), 2):
        assert bench.evaluate(folder, *arguments).exit_code == 0
        assert len(bench.stored()["tiny"]) == num_runs


def test_nothing_runs_where_nothing_can_be_verified(bench: _Bench, make_submission: Callable[..., Path]) -> None:
    """The list of what is missing, before the data is even looked at."""
    folder = str(make_submission())
    done = bench.evaluate(folder, "--verified", "--isolation", "none")

    assert done.exit_code == 1
    assert "no result can be verified here: its isolation is 'none', not 'sandbox'" in done.stderr
    assert "a limit on memory (memory) is not active" in done.stderr
    assert "audits are switched off" in bench.evaluate(folder, "--verified", "--no-audit", "--isolation", "none").stderr
    assert bench.stored() == {}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_a_maintainers_run_in_the_sandbox_is_verified(bench: _Bench, make_submission: Callable[..., Path]) -> None:
    """With all layers, or refused with the names of those that this machine lacks."""
    from bench.records.verified import missing_isolation
    from bench.sandbox.probe import probe_layers

    folder = str(make_submission())
    assert bench.evaluate(folder, "--isolation", "none").exit_code == 0
    done = bench.evaluate(folder, "--verified", "--isolation", "sandbox")
    if missing := missing_isolation("sandbox", probe_layers()):
        assert all(clause in done.stderr for clause in missing)
        pytest.skip(f"this machine cannot verify: {'; '.join(missing)}")
    verified, plain = (item.result for item in reversed(bench.stored()["tiny"]))
    if plain.status == "verified":  # both may lie in one second
        verified, plain = plain, verified

    assert done.exit_code == 0, done.output
    assert (verified.status, plain.status) == ("verified", "self-reported")
    assert may_be_verified(verified.isolation, verified.layers, verified.audits) == ()
    assert {"audit", "order"} <= verified.seeds.keys()
    assert verified.predictions == plain.predictions
