"""Trainings in real processes: killed, stopped, resumed, shared among ranks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training.forks import DEADLINE_S, Forks, forks

from bench.data.synthetic import write_synthetic

PROTOCOL = """
format_version = 1
id = "shapes2-train"
kind = "train"
title = "Two shapes"
dataset = { name = "shapes2", split = "train", num_samples = 24 }
geometry = { resize = 20, crop = 16 }
metrics = { rank_by = "top1", report = ["top1"] }

[recipe]
epochs = 2
batch_size = 8
optimizer = "adamw"
learning_rate = 0.01
warmup_epochs = 1.0
clip_grad_norm = 1.0
ema_decay = 0.9
ranked_weights = "ema"
"""
MIXED = """
mixup_alpha = 0.2
cutmix_alpha = 1.0
label_smoothing = 0.1

[recipe.augmentation]
erase_probability = 0.5
"""
PLAIN = """
[recipe.augmentation]
"""

DRAWING = """
import os
import signal
import subprocess
import sys
from pathlib import Path

from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.num_calls = 0
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(196, 2)
        )

    def forward(self, images):
        self.num_calls += 1
        if os.environ.get("DIE_AT") == str(self.num_calls) and os.environ.get("RANK", "1") == "1":
            mark = Path(os.environ["DIED"])
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return self.layers(images)


def build_model():
    return Net()
"""
STEADY = DRAWING.replace("nn.BatchNorm2d(4), ", "").replace("nn.Dropout(0.2), ", "")
"""Without batch statistics and dropout: what ranks may share without a difference."""

NUM_LOOKS = 1
"""Forward passes before the first step: the first look at a network."""


@pytest.fixture(scope="module")
def bench() -> Iterator[Forks]:
    """What starts processes."""
    with forks() as started:
        yield started


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes with twelve training images each."""
    root = tmp_path_factory.mktemp("processes") / "shapes2"
    write_synthetic(root, num_classes=2, train_per_class=12, val_per_class=1, num_workers=1)
    return root


@pytest.fixture(scope="module")
def make_words(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Callable[..., list[str]]:
    """A function that gives the words of a training without `--out`."""

    def make(code: str = DRAWING, recipe: str = MIXED) -> list[str]:
        folder = tmp_path_factory.mktemp("words")
        (folder / "shapes2-train.toml").write_text(PROTOCOL + recipe)
        submission = folder / "acme" / "net"
        submission.mkdir(parents=True)
        (submission / "model.py").write_text(code)
        (submission / "submission.toml").write_text(
            'format_version = 1\ntitle = "Net"\n[model]\nsource = "python"\nfile = "model.py"\n'
            'factory = "build_model"\n[outputs]\nclasses = "shapes2"\n'
        )
        words = ["train", submission, "--protocol", folder / "shapes2-train.toml", "--data", data]
        return [str(word) for word in [*words, "--device", "cpu", "--workers", "1", "--no-cache"]]

    return make


@pytest.fixture(scope="module")
def straight(
    bench: Forks, make_words: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[str], Path]:
    """The words of a training that draws all that can be drawn, and what it leaves when nothing happens to it."""
    words, out = make_words(), tmp_path_factory.mktemp("straight")
    assert bench.run(*words, "--out", out, "--checkpoint-every", 2) == [0]
    return words, out


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "acme" / "net" / "weights.safetensors")


def events(out: Path) -> list[dict[str, Any]]:
    """The events without what depends on clocks."""
    lines = (out / "acme" / "net" / "training" / "events.jsonl").read_text().splitlines()
    timed = {"time", "seconds", "train_s", "wait_s", "evaluate_s", "start_s", "compile_s", "img_s", "wait_share"}
    timed |= {"memory_mib", "peak_memory_mib", "num_restarts"}
    found = [{key: value for key, value in json.loads(line).items() if key not in timed} for line in lines]
    return [event for event in found if event["kind"] != "restart"]


def assert_as_if_nothing_had_happened(out: Path, expected: Path) -> None:
    assert events(out) == events(expected)
    found, wanted = weights(out), weights(expected)
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("step", [1, 2, 3, 4, 6])
def test_a_killed_training_goes_on_to_the_very_same_weights(
    bench: Forks, straight: tuple[list[str], Path], tmp_path: Path, step: int
) -> None:
    """SIGKILL within any step, before or after a checkpoint; weights bit for bit, and all events."""
    words, expected = straight
    words = [*words, "--out", str(tmp_path / "out"), "--checkpoint-every", "2"]
    died = bench.run(*words, DIE_AT=NUM_LOOKS + step, DIED=tmp_path / "died")
    again = bench.run(*words, "--resume")

    assert (died, again) == ([-signal.SIGKILL], [0])
    assert_as_if_nothing_had_happened(tmp_path / "out", expected)


def test_a_training_may_be_killed_again_and_again(
    bench: Forks, straight: tuple[list[str], Path], tmp_path: Path
) -> None:
    """Also while it writes a checkpoint; it ends the same, and nothing is left behind."""
    words, expected = straight
    words = [*words, "--out", str(tmp_path / "out"), "--checkpoint-every", "1", "--resume"]
    for start in range(3):
        codes = bench.run(*words, DIE_AT=NUM_LOOKS + 3, DIED=tmp_path / f"died-{start}")
        assert codes in ([-signal.SIGKILL], [0])
    assert bench.run(*words) == [0]

    unlike = {"checkpoint"}  # one a step here
    found, wanted = ([e for e in events(out) if e["kind"] not in unlike] for out in (tmp_path / "out", expected))
    assert found == wanted
    assert all(torch.equal(tensor, weights(expected)[name]) for name, tensor in weights(tmp_path / "out").items())
    assert [path.name for path in (tmp_path / "out" / "acme").iterdir()] == ["net"]


def test_sigterm_saves_and_asks_to_be_queued_again(
    bench: Forks, make_words: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Exit code 75, and --resume ends as if nothing had happened."""
    words = make_words()
    protocol = Path(words[words.index("--protocol") + 1])
    protocol.write_text(protocol.read_text().replace("epochs = 2", "epochs = 300"))
    run, log = tmp_path / "out" / "acme" / ".net.training", tmp_path / "log"
    pids = bench.start(*words, "--out", tmp_path / "out", log=log)
    wait_for(lambda: (run / "checkpoints").is_dir() and any((run / "checkpoints").glob("step-*")))
    os.kill(pids[0], signal.SIGTERM)

    assert bench.wait(pids) == [75]
    assert "go on with --resume" in log.read_text()
    kept = json.loads((max((run / "checkpoints").glob("step-*")) / "state.json").read_text())
    assert kept["step"] < 900
    assert not (tmp_path / "out" / "acme" / "net").exists()


@pytest.mark.parametrize(("ranks", "run_id", "num_sentences"), [(1, "", 1), (2, "", 1), (2, "bench-0", 0)])
def test_an_interrupt_is_answered_by_one_sentence(
    bench: Forks, make_words: Callable[..., list[str]], tmp_path: Path, ranks: int, run_id: str, num_sentences: int
) -> None:
    """Of the first rank; the launcher of --processes, which names its runs so, says it in the ranks' place."""
    words = make_words()
    protocol = Path(words[words.index("--protocol") + 1])
    protocol.write_text(protocol.read_text().replace("epochs = 2", "epochs = 300"))
    run, log = tmp_path / "out" / "acme" / ".net.training", tmp_path / "log"
    pids = bench.start(*words, "--out", tmp_path / "out", ranks=ranks, log=log, TORCHELASTIC_RUN_ID=run_id)
    wait_for(lambda: (run / "checkpoints").is_dir() and any((run / "checkpoints").glob("step-*")))
    for pid in pids:
        os.kill(pid, signal.SIGINT)

    assert bench.wait(pids) == [130] * ranks, log.read_text()
    assert log.read_text().count("Interrupted") == num_sentences
    assert log.read_text().count("with --resume goes on with what was saved.") == num_sentences


@pytest.mark.slow
def test_an_interrupted_launcher_says_it_once(make_words: Callable[..., list[str]], tmp_path: Path) -> None:
    """For all of its processes, when they have ended, and exits 130."""
    words = make_words()
    protocol = Path(words[words.index("--protocol") + 1])
    protocol.write_text(protocol.read_text().replace("epochs = 2", "epochs = 300"))
    run, log = tmp_path / "out" / "acme" / ".net.training", tmp_path / "log"
    command = [sys.executable, "-m", "bench", *words, "--out", str(tmp_path / "out"), "--processes", "2"]
    with log.open("w") as said:
        started = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        wait_for(lambda: (run / "checkpoints").is_dir() and any((run / "checkpoints").glob("step-*")))
        os.killpg(started.pid, signal.SIGINT)
        code = started.wait(DEADLINE_S)

    assert code == 130, log.read_text()
    assert log.read_text().count("Interrupted") == 1


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_share_a_batch_without_a_difference(
    bench: Forks, make_words: Callable[..., list[str]], tmp_path: Path, ranks: int
) -> None:
    """One, two and four processes reach the same weights but for the order of sums."""
    words = make_words(STEADY, PLAIN)
    assert bench.run(*words, "--out", tmp_path / "alone") == [0]
    assert bench.run(*words, "--out", tmp_path / "shared", ranks=ranks) == [0] * ranks

    alone, shared = weights(tmp_path / "alone"), weights(tmp_path / "shared")
    for name, tensor in alone.items():
        torch.testing.assert_close(shared[name], tensor, rtol=0, atol=2e-5)


def test_ranks_share_parameters_without_a_difference(
    bench: Forks, make_words: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Spread over two processes (FSDP), with accumulation, the weights are the same but for the order of sums."""
    words = make_words(STEADY, PLAIN)
    protocol = Path(words[words.index("--protocol") + 1])
    protocol.write_text(protocol.read_text().replace('ema_decay = 0.9\nranked_weights = "ema"\n', ""))
    assert bench.run(*words, "--out", tmp_path / "alone") == [0]
    shared = [*words, "--out", tmp_path / "shared", "--shard", "--accumulate", "2", "--checkpoint-every", "1"]
    pids = bench.start(*shared, ranks=2, DIE_AT=8, DIED=tmp_path / "died", log=tmp_path / "log")
    assert bench.wait(pids)[1] == -signal.SIGKILL, (tmp_path / "log").read_text()
    assert bench.run(*shared, "--resume", ranks=2) == [0, 0]

    for name, tensor in weights(tmp_path / "alone").items():
        torch.testing.assert_close(weights(tmp_path / "shared")[name], tensor, rtol=0, atol=2e-5)


SPEAKING = """
import sys

import torch

from bench.errors import UsageError
from bench.training.distributed import StopVote, joined_world
from bench.training.parallel import share_buffers

with joined_world("cpu") as world:
    layer = torch.nn.BatchNorm1d(2)
    layer.running_mean.fill_(world.rank + 5)
    share_buffers(layer, world)
    assert layer.running_mean.tolist() == [5, 5]
    assert world.gather(world.rank) == [0, 1, 2]
    assert world.total(torch.tensor([world.rank, 0.5])).tolist() == [3, 1.5]
    vote = StopVote(world)
    votes = [vote(asked) for asked in (False, world.rank == 1, False, False)]
    vote.end()
    assert votes == [False, False, True, False]
    with world.unison():
        pass
    with world.unison():
        if world.rank > 0:
            print("rank", world.rank, "failed")
            raise UsageError("one of us cannot")
"""


def test_ranks_speak_to_each_other(bench: Forks, tmp_path: Path) -> None:
    """Sums, votes and buffers are everybody's; a failed set-up ends all, and one rank says why."""
    (tmp_path / "speaking.py").write_text(SPEAKING)
    log = tmp_path / "log"
    codes = bench.wait(bench.start(tmp_path / "speaking.py", ranks=3, log=log))

    assert codes == [2, 71, 2], log.read_text()
    assert log.read_text().count("UsageError: one of us cannot") == 1


@pytest.mark.parametrize("ranks", [2, 4])
def test_a_lost_rank_ends_the_others_and_all_go_on(
    bench: Forks, make_words: Callable[..., list[str]], tmp_path: Path, ranks: int
) -> None:
    """The rest say so with exit code 1; resumed, all ranks end bit for bit as if nothing had happened."""
    words, log = make_words(), tmp_path / "log"
    assert bench.run(*words, "--out", tmp_path / "straight", "--checkpoint-every", 2, ranks=ranks) == [0] * ranks
    words = [*words, "--out", str(tmp_path / "out"), "--checkpoint-every", "2"]
    pids = bench.start(*words, ranks=ranks, log=log, DIE_AT=6, DIED=tmp_path / "died")
    assert bench.wait(pids) == [1, -signal.SIGKILL, *[1] * (ranks - 2)]
    assert "another process of this training has ended" in log.read_text()
    assert bench.run(*words, "--resume", ranks=ranks) == [0] * ranks

    assert_as_if_nothing_had_happened(tmp_path / "out", tmp_path / "straight")


@pytest.mark.parametrize(("code", "recipe", "ends"), [(STEADY, PLAIN, 0), (DRAWING, MIXED, 2)])
def test_a_training_goes_on_with_fewer_ranks_where_that_changes_nothing(
    bench: Forks, make_words: Callable[..., list[str]], tmp_path: Path, code: str, recipe: str, ends: int
) -> None:
    """Otherwise it is refused, and every reason is named once."""
    words, log = make_words(code, recipe), tmp_path / "log"
    assert bench.run(*words, "--out", tmp_path / "straight") == [0]
    words = [*words, "--out", str(tmp_path / "out"), "--checkpoint-every", "1"]
    assert bench.run(*words, ranks=2, DIE_AT=6, DIED=tmp_path / "died")[1] == -signal.SIGKILL
    assert bench.wait(bench.start(*words, "--resume", log=log)) == [ends]

    if ends == 0:
        for name, tensor in weights(tmp_path / "straight").items():
            torch.testing.assert_close(weights(tmp_path / "out")[name], tensor, rtol=0, atol=2e-5)
    else:
        said = log.read_text()
        assert "began on 2 processes and cannot go on with 1: batch normalisation takes" in said
        assert said.count("mixed with others of the same rank; the network draws random numbers") == 1


@pytest.mark.slow
def test_torchruns_agent_restarts_a_killed_rank(
    bench: Forks, make_words: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Without anybody's help the run ends as if nothing had happened."""
    words = [*make_words(), "--checkpoint-every", "2"]
    assert bench.run(*words, "--out", tmp_path / "straight", ranks=2) == [0, 0]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    launch += ["--max-restarts", "1", "--monitor-interval", "0.1", "-m", "bench", *words, "--out"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "DIE_AT": "6", "DIED": str(tmp_path / "died")}
    ended = subprocess.run(
        [*launch, str(tmp_path / "out")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )

    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "died").exists()
    assert_as_if_nothing_had_happened(tmp_path / "out", tmp_path / "straight")


@pytest.mark.slow
def test_processes_are_started_with_one_option(
    bench: Forks, make_words: Callable[..., list[str]], tmp_path: Path
) -> None:
    """`--processes 2` trains in two; a number that does not fit is refused before any starts."""
    words = make_words(STEADY, PLAIN)
    assert bench.run(*words, "--out", tmp_path / "out", "--processes", 2) == [0]
    assert events(tmp_path / "out")[0]["world_size"] == 2

    log = tmp_path / "log"
    assert bench.wait(bench.start(*words, "--out", tmp_path / "other", "--processes", 3, log=log)) == [2]
    assert log.read_text().count("the recipe's batch of 8 images cannot be cut into equal parts for 3 ranks") == 1
