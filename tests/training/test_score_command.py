"""`bench train` and `bench score-training` as a team calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from click.testing import CliRunner, Result
from training.made_trainings import write_trained

from bench.cli.main import cli
from bench.protocols import load_protocol
from bench.records.protocol import Protocol
from bench.store import Store
from bench.stored import read_attempts


@pytest.fixture
def bench(
    shapes_root: Path,
    make_protocol: Callable[..., Protocol],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Callable[..., Result]:
    """A function that runs a command; the protocols for two classes are there, with keys of the recipe as parameter."""
    evaluation = load_protocol("shapes10-val").as_json()
    evaluation |= {"id": "shapes2-val", "dataset": {"name": "shapes2", "split": "val", "num_samples": 4}}
    evaluation["geometry"] |= {"resize": 36, "crop": 32}
    recipe = {"num_seeds": 2, "evaluate_every_epochs": 1} | getattr(request, "param", {})
    training = make_protocol(**recipe).as_json() | {"evaluate_with": "shapes2-val"}
    folder = tmp_path / "protocols"
    folder.mkdir()
    for content in (evaluation, training):
        (folder / f"{content['id']}.toml").write_text(tomli_w.dumps(content))
    monkeypatch.setenv("BENCH_PROTOCOLS", str(folder))

    def run(*words: Any) -> Result:
        common = ["--data", str(shapes_root), "--device", "cpu", "--workers", "1", "--no-cache"]
        return CliRunner().invoke(cli, [*map(str, words), *common])

    return run


def test_a_training_under_a_protocol_file_needs_its_name(
    bench: Callable[..., Result], make_network: Callable[..., Path], tmp_path: Path
) -> None:
    """The events know its id alone; with the file it is scored."""
    content = load_protocol("shapes2-train").as_json() | {"id": "mini-train"}
    protocol = tmp_path / "mini-train.toml"
    protocol.write_text(tomli_w.dumps(content))
    source = make_network()
    for number in (1, 2):
        write_trained(tmp_path / "out", source, Protocol.load(protocol), number)
    score = ("score-training", tmp_path / "out" / "acme" / "net", "--results", tmp_path / "results")
    unnamed, named = bench(*score), bench(*score, "--protocol", protocol)

    assert unnamed.exit_code == 2
    assert "was trained under 'mini-train', which does not ship; name its file with --protocol" in unnamed.stderr
    assert named.exit_code == 0, named.output


@pytest.mark.slow
def test_two_attempts_become_a_score(
    bench: Callable[..., Result], make_network: Callable[..., Path], tmp_path: Path
) -> None:
    """After one attempt the next is asked for; after both there is a result, and a second call finds it."""
    source, out, results = make_network(), tmp_path / "out", tmp_path / "results"
    score = ("score-training", out / "acme" / "net", "--results", results)
    train = ("train", source, "--protocol", "shapes2-train", "--out", out)
    nothing = bench(*score)
    first = bench(*train)
    too_few = bench(*score)
    second = bench(*train, "--attempt", 2)
    done = bench(*score)
    again = bench(*score, "--json")

    assert (nothing.exit_code, first.exit_code, too_few.exit_code, second.exit_code) == (2, 0, 2, 0), second.output
    assert "holds no training" in nothing.output
    assert "1 of 2 attempts are there" in too_few.output
    assert "--attempt 2" in too_few.output
    assert done.exit_code == 0, done.output
    assert "(SD) %" in done.stdout
    stored = Store(results).scan().stored
    assert [one.result.protocol.id for one in stored] == ["shapes2-train"]
    attempts = read_attempts(stored[0])
    assert attempts is not None
    for attempt in attempts.attempts:
        # The last evaluation while training and the fresh one of the exported weights see the same network.
        assert attempt.curve[-1].top1 == attempt.final["top1"].value
        assert attempt.steps == 6
        assert attempt.evaluate_s is not None
    assert attempts.attempts[0].seed != attempts.attempts[1].seed
    assert json.loads(again.stdout)["result"]["run"] == stored[0].run
    assert "from the store" in again.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bench", "epochs", "num_missed"),
    [
        ({"num_seeds": 1, "target": {"value": 0.01, "margin": 0.01}}, 1, 0),
        ({"num_seeds": 1, "target": {"value": 0.98, "margin": 0.1}}, 2, 1),
    ],
    indirect=["bench"],
)
def test_a_target_ends_a_training_when_it_is_reached(
    bench: Callable[..., Result], make_network: Callable[..., Path], tmp_path: Path, epochs: int, num_missed: int
) -> None:
    """Confirmed twice, or missed after all epochs."""
    out, results = tmp_path / "out", tmp_path / "results"
    assert bench("train", make_network(), "--protocol", "shapes2-train", "--out", out).exit_code == 0
    done = bench("score-training", out / "acme" / "net", "--results", results)
    (stored,) = Store(results).scan().stored
    attempts = read_attempts(stored)

    assert done.exit_code == 0, done.output
    assert attempts is not None
    assert attempts.attempts[0].epochs == epochs
    assert stored.result.training is not None
    assert stored.result.training.num_missed == num_missed
    assert ("time_to_target_s" in stored.result.costs) == (num_missed == 0)
    assert ("infinite" in done.stdout) == (num_missed == 1)


@pytest.mark.slow
def test_a_diverged_attempt_makes_the_result_fail(
    bench: Callable[..., Result], make_network: Callable[..., Path], tmp_path: Path
) -> None:
    """It counts: the record says which one, and the exit code says it too."""
    code = """
from torch import nn


class Diverging(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3 * 32 * 32, 2)

    def forward(self, images):
        return self.head(images.flatten(1)) * (float("nan") if self.training else 1.0)


def build_model():
    return Diverging()
"""
    source, out, results = make_network(code), tmp_path / "out", tmp_path / "results"
    for number in (1, 2):
        assert bench("train", source, "--protocol", "shapes2-train", "--out", out, "--attempt", number).exit_code == 1
    done = bench("score-training", out / "acme" / "net", "--results", results)
    (stored,) = Store(results).scan().stored

    assert done.exit_code == 1
    assert "attempt 1 of 2 failed" in done.output
    assert (stored.result.status, stored.result.submission.title) == ("failed", "Net")
    assert stored.result.training is not None
    assert stored.result.training.num_failed == 2
