"""`bench throughput` as a user runs it: real processes on a CPU, short blocks, and every way to fail."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

from bench.cli.main import cli
from bench.errors import BenchError
from bench.models.source import open_submission
from bench.protocols import load_protocol
from bench.records.result import DatasetRef, ProtocolRef, SubmissionRef
from bench.store import Store
from bench.stored import read_blocks
from bench.throughput import run, session
from bench.throughput.replicate import Limits
from bench.throughput.session import Machine, ThroughputOptions

PROTOCOL = """
format_version = 1
id = "{scenario}"
kind = "throughput"
title = "Quick"
precision = {{}}
dataset = {{ name = "{data}", split = "val", num_samples = {num_samples} }}

[throughput]
scenario = "{scenario}"
batch_sizes = {{ cpu = [{batch}], cuda = [{batch}] }}
other_batch_sizes = {other}
num_replicates = {replicates}
num_blocks = 2
block_s = 0.01
warm_s = 0.01
{more}
"""

INPUT = "[input]\nimg_size = 16\n"


@pytest.fixture
def quick(tmp_path: Path) -> Callable[..., Path]:
    """Writes a short protocol."""

    def write(
        scenario: str = "offline",
        more: str = "",
        *,
        batch: int = 4,
        other: bool = True,
        replicates: int = 1,
        **data: Any,
    ) -> Path:
        path = tmp_path / f"{scenario}.toml"
        about = {"data": "random-pixels", "num_samples": 0} | data
        path.write_text(
            PROTOCOL.format(
                scenario=scenario, more=more, batch=batch, other=str(other).lower(), replicates=replicates, **about
            )
        )
        return path

    return write


def _bench(*words: object) -> Result:
    return CliRunner().invoke(cli, ["throughput", *(str(word) for word in words)])


def test_a_row_is_measured_kept_found_again_and_tied_to_its_accuracy(
    tmp_path: Path, quick: Callable[..., Path], make_submission: Callable[..., Path], make_result: Callable[..., Any]
) -> None:
    """Its raw times give its costs again, and a change of them is a fault; an equal run is answered from the store."""
    results, folder = tmp_path / "results", make_submission(more=INPUT)
    words = (folder, "--protocol", quick(replicates=2), "--results", results, "--device", "cpu", "--threads", 1)

    first = _bench(*words, "--batch-size", 2, "--json")

    assert first.exit_code == 0, first.output
    assert "speed without accuracy" in first.stderr
    (record,) = json.loads(first.stdout)
    assert record["status"] == "self-reported"
    assert record["costs"]["throughput_img_s"]["value"] > 0
    assert record["costs"]["gmacs"]["value"] == pytest.approx(48_000 / 1e9)
    assert record["costs"]["num_params"]["value"] == 49_000
    assert record["costs"]["peak_memory_mib"]["value"] > 1
    environment = record["environment"]
    assert (environment["batch_size"], environment["num_threads"], environment["compile_mode"]) == (2, 1, "eager")
    assert environment["affinity_size"] == 1
    assert len(environment["fingerprint"]) == 16

    store = Store(results)
    blocks = read_blocks(store.get(record["run"]))
    assert blocks is not None
    assert [len(replicate.blocks) for replicate in blocks.replicates] == [2, 2]
    assert blocks.output_gap == 0.0

    again = _bench(*words, "--batch-size", 2)
    assert again.exit_code == 0
    assert "from the store" in again.stdout

    digest = open_submission(str(folder)).digest
    store.add(
        make_result(
            count=30,
            submission=SubmissionRef(team="acme", name="tiny", title="Tiny", digest=digest, source="python"),
            protocol=ProtocolRef(id="tiny-val", version=1, digest="b" * 64),
            dataset=DatasetRef(name="imagenet-1k", split="val", digest="c" * 64, num_samples=40),
        )
    )
    shown = CliRunner().invoke(cli, ["show", record["run"], "--results", str(results)])
    assert "75.00% top-1 under tiny-val" in shown.stdout

    assert CliRunner().invoke(cli, ["check", str(results / "offline")]).exit_code == 0
    (path,) = results.rglob("*.blocks.json")
    path.write_text(blocks.model_copy(update={"batch_size": 8}).to_text())
    checked = CliRunner().invoke(cli, ["check", str(results / "offline")])
    assert checked.exit_code == 1
    assert "does not hold the times that the result names" in checked.output
    path.unlink()
    assert CliRunner().invoke(cli, ["check", str(results / "offline")]).exit_code == 1


@pytest.mark.usefixtures("machine")
def test_data_that_the_protocol_does_not_read_are_refused(
    tmp_path: Path, quick: Callable[..., Path], make_submission: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the command line they are a mistake; BENCH_DATA is for all commands."""
    words = [make_submission(), "--protocol", quick(), "--device", "cpu", "--results", tmp_path / "r"]
    done = _bench(*words, "--data", tmp_path)

    assert done.exit_code == 2
    assert "the protocol 'offline' reads no images; leave out --data" in done.stderr
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    assert "leave out --data" not in _bench(*words, "--threads", 10_000).stderr
    nan = _bench(*words, "--timeout", "nan")
    assert nan.exit_code == 2
    assert "'nan' is no number" in nan.stderr


@pytest.mark.parametrize(
    ("scenario", "more", "batch", "costs"),
    [
        ("latency", "num_requests = 130", 1, {"latency_p50_ms", "latency_p95_ms"}),
        (
            "server",
            "num_requests = 700\nloads = [0.9]\nload_s = 0.1\ntarget_ms = 1e6",
            4,
            {"server_rate_img_s", "server_p99_ms"},
        ),
        ("training", "", 4, {"train_throughput_img_s", "step_p50_ms", "step_p95_ms"}),
    ],
)
def test_every_scenario_gives_its_costs(
    tmp_path: Path,
    quick: Callable[..., Path],
    make_submission: Callable[..., Path],
    scenario: str,
    more: str,
    batch: int,
    costs: set[str],
) -> None:
    """From real processes."""
    protocol = quick(scenario, more, batch=batch)

    done = _bench(
        make_submission(more=INPUT), "--protocol", protocol, "--results", tmp_path, "--device", "cpu", "--json"
    )

    assert done.exit_code == 0, done.output
    (record,) = json.loads(done.stdout)
    assert costs <= set(record["costs"])
    assert all(record["costs"][name]["value"] > 0 for name in costs)


@pytest.mark.usefixtures("machine")
def test_files_are_read_on_the_evaluation_s_own_path(
    tmp_path: Path, tiny_data: Path, quick: Callable[..., Path], make_submission: Callable[..., Path]
) -> None:
    """The images that were read are named by their digest; without a folder, or with too few of them, it is said."""
    folder = make_submission(more=INPUT)
    protocol = quick("end-to-end", "num_images = 8", data="imagenet-1k", num_samples=12)
    words = (folder, "--protocol", protocol, "--results", tmp_path / "results", "--device", "cpu", "--json")

    done = _bench(*words, "--data", tiny_data)

    assert done.exit_code == 0, done.output
    (record,) = json.loads(done.stdout)
    assert record["costs"]["end_to_end_img_s"]["value"] > 0
    assert record["dataset"]["num_samples"] == 8
    assert len(record["dataset"]["digest"]) == 64
    missing = _bench(*words)
    assert missing.exit_code == 2
    assert "--data" in missing.stderr
    too_few = _bench(*words[:2], quick("end-to-end", "num_images = 20", data="imagenet-1k", num_samples=50),
                     *words[3:], "--data", tiny_data)  # fmt: skip
    assert too_few.exit_code == 1
    assert "holds 12 images, the protocol reads 20" in too_few.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--batch-size", 8), "fixes its batch sizes on cpu: 4"),
        (("--threads", 100_000), "100000 threads are more than"),
        (("--device", "mps"), "not on 'mps'"),
    ],
)
def test_what_the_protocol_or_the_machine_does_not_allow_is_wrong_usage(
    tmp_path: Path,
    quick: Callable[..., Path],
    make_submission: Callable[..., Path],
    words: tuple[object, ...],
    reason: str,
) -> None:
    """Exit code 2, before anything is measured."""
    done = _bench(
        make_submission(), "--protocol", quick(other=False), "--results", tmp_path / "r", "--device", "cpu", *words
    )

    assert done.exit_code == 2
    assert reason in done.stderr
    assert not (tmp_path / "r").exists()


def test_another_kind_of_protocol_is_wrong_usage(tmp_path: Path, make_submission: Callable[..., Path]) -> None:
    """It names the kind that it has."""
    done = _bench(make_submission(), "--protocol", "shapes10-val", "--results", tmp_path / "r")

    assert done.exit_code == 2
    assert "is of kind 'evaluate', this needs kind 'throughput'" in done.stderr


MODEL = """
import os
import time
import torch
from torch import nn

calls = []
kept = []


class Faulty(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 1000)

    def forward(self, images):
        calls.append(1)
        answer = self.head(images.mean((2, 3)))
        {fault}
        return answer


def build_model():
    torch.manual_seed(0)
    return Faulty()
"""

FAULTS = {
    "hangs": ("time.sleep(3600)", "timeout", "no answer within"),
    "crashes": ("os._exit(7)", "crash", "exited with code 7"),
    "is killed": ("os.kill(os.getpid(), 9)", "crash", "was killed by signal 9"),
    "leaks": (
        "kept.append(bytearray(os.urandom(1)) * (300 << 20)); time.sleep(1)",
        "limit",
        "MiB of memory, more than",
    ),
    "raises": ("raise ValueError('no such layer')", "import_error", "no such layer"),
    "wants too much": ("raise torch.OutOfMemoryError('CUDA out of memory')", "oom_device", "never made smaller"),
    "changes its answers": ("answer = answer * len(calls)", "audit_fail", "differ from the evaluation's"),
    "answers NaN": ("answer = answer * float('nan')", "nonfinite", "NaN or infinity"),
}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A known machine, so that only the process with the fault is started."""

    def found(_spec: object, _precision: object, device: str, options: ThroughputOptions) -> Machine:
        return Machine(
            device=device,
            name="CPU",
            num_threads=1,
            cores=(),
            environment={},
            machine={"cpu": "CPU"},
            software={"torch": "2"},
            gpu=None,
            limits=Limits(timeout_s=options.timeout_s, most_memory_mib=1500),
        )

    monkeypatch.setattr(session, "_found_machine", found)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("name", FAULTS)
def test_a_submission_that_fails_leaves_a_failed_result_and_one_clear_sentence(
    tmp_path: Path, quick: Callable[..., Path], make_submission: Callable[..., Path], name: str
) -> None:
    """No numbers are kept, and the other rows of it are not tried where the plain model is broken."""
    fault, outcome, sentence = FAULTS[name]
    entry = open_submission(str(make_submission(MODEL.replace("{fault}", fault), more=INPUT)))
    store = Store(tmp_path / "results")
    # A hang is noticed after this time; so is, on a machine that is busy enough, a slow start.
    options = ThroughputOptions(
        cache_folder=tmp_path, device="cpu", batch_sizes=(2,), timeout_s=10 if name == "hangs" else 600
    )

    (found,) = run.measure_all([entry], load_protocol(str(quick())), store, options)

    assert isinstance(found.found, BenchError)
    assert sentence in str(found.found)
    (result,) = store.load()
    assert result.status == "failed"
    assert result.failure is not None
    assert result.failure.outcome == outcome
    assert result.failure.message.startswith("batch 2, eager: ")
    assert result.environment["batch_size"] == 2
    assert not result.costs
    assert not list((tmp_path / "results").rglob("*.blocks.json"))


@pytest.mark.usefixtures("machine")
def test_after_an_out_of_memory_the_other_rows_go_on_and_after_a_crash_not(
    tmp_path: Path,
    quick: Callable[..., Path],
    make_submission: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another batch size may fit; a model that crashes crashes."""
    entry = open_submission(str(make_submission()))
    options = ThroughputOptions(cache_folder=tmp_path, device="cpu", batch_sizes=(2, 4, 8))
    protocol = load_protocol(str(quick()))

    def rows_after(error: BenchError) -> int:
        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(run, "_measured", fail)
        return len(list(run.measure_all([entry], protocol, Store(tmp_path / "results"), options)))

    assert rows_after(run.DeviceError("too large")) == 3
    assert rows_after(run.MismatchError("other answers")) == 1


def test_a_kill_in_the_middle_leaves_no_result_and_no_process(
    tmp_path: Path, quick: Callable[..., Path], make_submission: Callable[..., Path]
) -> None:
    """What is not whole is not there; the worker goes with the command."""
    slow = MODEL.replace("{fault}", "time.sleep(3600)")
    words = ["throughput", make_submission(slow, more=INPUT), "--protocol", quick(), "--results", tmp_path / "results"]
    command = subprocess.Popen(
        [sys.executable, "-m", "bench", *(str(word) for word in words), "--device", "cpu"], stderr=subprocess.DEVNULL
    )
    workers = _first(lambda: [child for child in psutil.Process(command.pid).children() if _is_measuring(child)])

    command.send_signal(signal.SIGKILL)
    command.wait()

    assert _first(lambda: [True for worker in workers if not worker.is_running() or worker.status() == "zombie"])
    assert not [path for path in (tmp_path / "results").rglob("*") if path.is_file()]


def _is_measuring(child: psutil.Process) -> bool:
    """Whether a child is a worker."""
    return any("worker.py" in word for word in child.cmdline())


def _first(look: Callable[[], list[Any]]) -> list[Any]:
    """What is found as soon as something is."""
    for _ in range(6000):
        if found := look():
            return found
        time.sleep(0.01)
    raise AssertionError("nothing was found in a minute")
