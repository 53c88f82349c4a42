"""What a submission sees and can do in the sandbox: one curious child, asked by the parent as ever."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import WNIDS

from bench.backends import BACKENDS
from bench.backends.base import RunSpec
from bench.models.source import open_submission
from bench.sandbox.limits import Limits
from sandbox.attacks import write_submission

MIB = 1 << 20
PLACES = ("/tmp", "/dev/shm")  # noqa: S108 - inside the sandbox
SECRET = "planted-secret-of-the-parent"  # noqa: S105 - planted to be looked for
IMAGES_NHWC = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
REFUSED = "Operation not permitted"


class Seen(NamedTuple):
    """What the curious child found, and what the parent has."""

    report: dict[str, Any]
    logits_NC: np.ndarray
    seconds: float
    printed: str
    data: Path


@pytest.fixture(scope="module")
def seen(needs_sandbox: None, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One run of the curious submission, with secrets all around it."""
    top = tmp_path_factory.mktemp("view")
    data, results = top / "imagenet", top / "results"
    picture = data / "val" / WNIDS[0] / "ILSVRC2012_val_00000001.JPEG"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"a picture")
    labels = data / "ILSVRC2012_validation_ground_truth.txt"
    labels.write_text("490\n")
    results.mkdir()
    folder = write_submission(top / "acme" / "curious", Path(__file__).with_name("curious.py").read_text())
    sample_ids = [f"ILSVRC2012_val_{number:08d}" for number in range(100)]  # in the parent's memory
    leak = labels.open("rb")
    os.set_inheritable(leak.fileno(), True)
    with (
        leak,
        pytest.MonkeyPatch.context() as patch,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        patch.setenv("BENCH_PLANTED", SECRET)
        abstract.bind("\0ilsvrc-bench-test-" + str(os.getpid()))
        abstract.listen()
        planted = {
            "paths": [str(data), str(picture), str(labels), str(results), str(Path.cwd() / "leaderboards")],
            "secrets": [SECRET, str(top), "BENCH_PLANTED", "curious"],
            "port": server.getsockname()[1],
            "abstract": "ilsvrc-bench-test-" + str(os.getpid()),
        }
        (folder / "planted.json").write_text(json.dumps(planted))
        limits = Limits(scratch_bytes=32 * MIB, shm_bytes=16 * MIB)
        spec = RunSpec(device="cpu", precision="fp32", num_classes=1000, cache_folder=top / "cache", limits=limits)
        with BACKENDS["sandbox"]().start(open_submission(str(folder)), spec) as session:
            session.logits(IMAGES_NHWC)
            started = time.perf_counter()
            logits_NC = session.logits(IMAGES_NHWC)
            seconds = time.perf_counter() - started
            session.finish()
            printed = session.printed[0]  # type: ignore[attr-defined]
    assert len(sample_ids) == 100
    report = next(line for line in printed.splitlines() if line.startswith("REPORT ")).removeprefix("REPORT ")
    return Seen(json.loads(report), logits_NC, seconds, printed, data)


@pytest.mark.slow
class TestView:
    """The rows of the table in docs/security.md that need no attack, only eyes."""

    def test_no_label_file_is_found(self, seen: Seen) -> None:
        """Row 1: not by walking, not by a known path."""
        assert seen.report["files"] == ["/submission"]

    def test_no_label_lies_in_its_memory(self, seen: Seen) -> None:
        """Row 2: no object of the parent's side, no sample id anywhere in readable memory, no order in a frame."""
        assert seen.report["objects"] == []
        planted, own = "ILSVRC2012_val_00000001", "ILSVRC2012_val_00009999"
        assert own in seen.report["memory"], "the child finds what it has made itself"
        assert set(seen.report["memory"]) <= {own, planted}, "of the path that it was told to look for"

    def test_no_other_process_and_no_path_of_the_host_is_seen(self, seen: Seen) -> None:
        """Row 3: two processes; no planted secret in any environment, no path of the host in any command line."""
        assert seen.report["processes"] == {"pids": 2, "secrets": []}

    def test_only_the_channel_is_inherited(self, seen: Seen) -> None:
        """Row 4: standard streams, two pipes, the batches; not the label file that the parent left inheritable."""
        places = [place for place in seen.report["descriptors"] if not place.startswith("/proc")]

        assert places == ["/dev/null", "/memfd:batches (deleted)", *["pipe:[N]"] * 4]

    def test_the_batches_cannot_be_changed(self, seen: Seen) -> None:
        """Row 6: cutting, growing, writing, mapping for writing and unsealing fail; a reopened file is still sealed."""
        assert set(seen.report["batch_memory"].values()) <= {REFUSED, "Permission denied", "File too large"}

    def test_what_is_printed_is_text(self, seen: Seen) -> None:
        """Row 7: forged results are kept as what they are; what `atexit` would print is never reached."""
        assert seen.printed.count('"status": "verified"') in (1, 2)

    def test_nothing_outside_can_be_written(self, seen: Seen) -> None:
        """Row 8: read-only, or not there at all."""
        answers = set(seen.report["writes"].values())

        assert answers <= {"Read-only file system", "No such file or directory", "Permission denied", "Not a directory"}

    def test_no_network(self, seen: Seen) -> None:
        """Row 9: no TCP, UDP or DNS, no server of this host, no socket family that no namespace confines."""
        found = seen.report["network"]

        assert {found["vsock"], found["packet"]} == {"Address family not supported by protocol"}
        assert not [name for name, answer in found.items() if answer.startswith("done")]

    def test_scratch_space_is_limited(self, seen: Seen) -> None:
        """Row 11: /tmp and /dev/shm end where the limits say."""
        full = "No space left on device"

        assert {place: end for place, (_, end) in seen.report["fills"].items()} == dict.fromkeys(PLACES, full)
        assert [seen.report["fills"][place][0] <= most for place, most in zip(PLACES, (32, 16), strict=True)] == [
            True
        ] * 2

    def test_dangerous_calls_are_refused(self, seen: Seen) -> None:
        """Rows 5 and 16: no tracing, no namespaces, no mounts, no keys, no io_uring, no BPF."""
        assert set(seen.report["calls"].values()) == {REFUSED}

    def test_patched_clocks_and_functions_change_nothing(self, seen: Seen) -> None:
        """Row 32: the parent measures with its own clock, and ranks logits by itself."""
        assert seen.seconds > 0
        np.testing.assert_array_equal(seen.logits_NC.argmax(axis=1), 740)

    def test_its_surroundings_are_the_same_everywhere(self, seen: Seen) -> None:
        """Row 46: nothing of the machine's environment, and names that are fixed."""
        given = {name: value for name, value in os.environ.items() if name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        expected = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HF_HUB_OFFLINE": "1", "USER": "nobody"}
        expected["GOMP_SPINCOUNT"] = "100000"
        expected |= dict.fromkeys(("HOME", "PWD"), PLACES[0])
        ours = {"CUBLAS_WORKSPACE_CONFIG", "LC_CTYPE"}
        found = {name: value for name, value in seen.report["environment"].items() if name not in ours}

        assert found == expected | given
        assert seen.report["place"] == ["sandbox", 65534, 65534, PLACES[0], []]

    def test_the_data_is_untouched(self, seen: Seen) -> None:
        """The files around it are as they were."""
        assert sorted(path.name for path in seen.data.rglob("*") if path.is_file()) == [
            "ILSVRC2012_val_00000001.JPEG",
            "ILSVRC2012_validation_ground_truth.txt",
        ]
        shutil.rmtree(seen.data)
