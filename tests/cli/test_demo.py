"""`bench demo`: the whole pipeline, once for real."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.cli.demo import _BOARDS, _EVALUATE, _NETWORKS, _TRAIN
from bench.models.source import open_submission
from bench.protocols import load_protocol
from bench.records.result import Result
from bench.resources import resource_folder
from bench.stats.paired import paired_test
from bench.store import Store
from bench.stored import read_attempts, read_correctness


class Run(NamedTuple):
    """One call of the command."""

    stdout: str
    stderr: str
    seconds: float


def call(out: Path) -> Run:
    started = time.perf_counter()
    command = [sys.executable, "-c", "from bench.cli.main import main; main()", "demo", "--out", str(out)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=out.parent, env=os.environ | {"NO_COLOR": "1"}
    )
    return Run(done.stdout, done.stderr, time.perf_counter() - started)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """The folder of a finished demo, and what it printed."""
    out = tmp_path_factory.mktemp("demo") / "bench-demo"
    return out, call(out)


def results(out: Path, protocol: str = _EVALUATE) -> list[Result]:
    """Those of the three networks under a protocol, in the order of their years."""
    found = {one.submission.name: one for one in Store(out / "results").load() if one.protocol.id == protocol}
    return [found[name] for name in _NETWORKS]


def test_its_protocols_fit_together() -> None:
    """Both are about the same classes, and the boards rank what it evaluates."""
    train, evaluate = load_protocol(_TRAIN), load_protocol(_EVALUATE)

    assert train.evaluate_with == evaluate.id
    assert train.dataset.name == evaluate.dataset.name
    assert train.geometry is not None
    assert evaluate.geometry is not None
    assert (train.geometry.resize, train.geometry.crop) == (evaluate.geometry.resize, evaluate.geometry.crop)
    assert all((resource_folder("boards") / f"{name}.toml").is_file() for name in _BOARDS)


@pytest.mark.parametrize("name", _NETWORKS)
def test_its_networks_ship_without_weights(name: str) -> None:
    """Ordinary submissions of source `python`, with a paper."""
    submission = open_submission(str(resource_folder("submissions") / "demo" / name))

    assert submission.manifest.model.source == "python"
    assert submission.manifest.model.weights is None
    assert submission.manifest.outputs.classes == "shapes10"
    assert submission.manifest.paper


@pytest.mark.slow
def test_its_last_line_is_the_page(demo: tuple[Path, Run]) -> None:
    """The only one on stdout; what it does goes to stderr; everything lies below --out."""
    out, first = demo

    assert first.stdout == f"{out / 'site' / 'index.html'}\n"
    assert [line[:3] for line in first.stderr.splitlines() if line[1:2] == "/"] == [f"{step}/6" for step in range(1, 7)]
    assert [path.name for path in out.parent.iterdir()] == ["bench-demo"]


@pytest.mark.slow
def test_its_networks_learn_and_are_apart(demo: tuple[Path, Run]) -> None:
    """Each is well above chance, the last above 90 %; neighbours differ at p < 0.05 on the same 500 images."""
    out, _ = demo
    store, found = Store(out / "results"), results(out)
    right = []
    for result in found:
        bits = read_correctness(store.get(result.run))
        assert bits is not None
        assert result.metrics["top1"].ci_low > 0.2
        assert result.metrics["top1"].num_samples == 500
        right.append(bits.top1_N)

    assert right[0].sum() < right[1].sum() < right[2].sum()
    assert found[2].metrics["top1"].value > 0.9
    assert paired_test(right[1], right[0]).p_value < 0.05
    assert paired_test(right[2], right[1]).p_value < 0.05


@pytest.mark.slow
def test_its_page_shows_the_networks_and_torchvision(demo: tuple[Path, Run]) -> None:
    """The index has both boards; the board of the networks has their intervals."""
    out, _ = demo
    index = (out / "site/index.html").read_text()
    board = (out / "site/boards/shapes10.html").read_text()

    assert "Shapes-10" in index
    assert (out / "site/boards/torchvision-reported.html").is_file()
    for result in results(out):
        low = f"{100 * (result.metrics['top1'].ci_low or 0):.2f}"
        assert result.submission.title in board
        assert low in board


@pytest.mark.slow
def test_its_trainings_are_scored_and_its_speed_is_only_a_demo(demo: tuple[Path, Run]) -> None:
    """The courses stand on the pages of the networks; the speed of the last one says that it is not comparable."""
    out, first = demo
    store = Store(out / "results")
    for training, evaluated in zip(results(out, _TRAIN), results(out), strict=True):
        attempts = read_attempts(store.get(training.run))

        assert attempts is not None
        assert attempts.attempts[0].curve[-1].top1 == training.metrics["top1"].value
        assert training.metrics["top1"].value == evaluated.metrics["top1"].value
    assert "Top-1 while it was trained" in next((out / "site/submissions").glob("*tiny-resnet*.html")).read_text()
    assert "demo, not comparable" in first.stderr
    assert "Demo, not comparable" in (out / "site/boards/shapes10.html").read_text()


@pytest.mark.slow
def test_a_second_run_is_answered_from_what_is_there(demo: tuple[Path, Run]) -> None:
    """In seconds, with the same page and no new result."""
    out, first = demo
    before = {path: path.read_bytes() for path in (out / "site").rglob("*") if path.is_file()}
    runs = [result.run for result in results(out)]
    second = call(out)

    assert second.stdout == first.stdout
    assert second.seconds < first.seconds / 2
    assert [result.run for result in results(out)] == runs
    assert {path: path.read_bytes() for path in (out / "site").rglob("*") if path.is_file()} == before
