"""The program of a submission's own process: it builds the model and answers batches, and knows nothing else.

It is run as a file, with four descriptors as arguments: questions, replies, shared memory, config. It never sees a
label, a sample id, or which images a batch holds. Whatever it says is checked by its parent, for the submission's code
runs in here and may say it in its place.
"""

from __future__ import annotations

import json
import os
import resource
import select
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.backends.base import ModelSession, PendingLogits
    from bench.models.source import LoadedSubmission
    from bench.sandbox.frames import Frame, Kind
    from bench.sandbox.memory import ReadableSlots

_NUM_TEXT = 4000


def main() -> int:
    """Serves until it is told to finish; returns the exit status."""
    questions, replies, memory, config_there = (int(text) for text in sys.argv[1:5])
    for descriptor in (questions, replies, memory):
        os.set_inheritable(descriptor, False)
    with open(config_there, encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor
        config: dict[str, Any] = json.load(stream)
    most = int(config["num_processes"])
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    sys.path[:0] = config["paths"]
    from bench.backends.device import device_type
    from bench.errors import BenchError
    from bench.measure.environment import environment
    from bench.sandbox.frames import Kind
    from bench.sandbox.memory import ReadableSlots

    if config["num_threads"] is not None:
        import torch

        torch.set_num_threads(config["num_threads"])
    channel = _Channel(questions, replies)
    device = device_type(config["spec"]["device"])
    # Until the submission is there, an exception is a fault of bench or of this machine: its traceback tells more.
    channel.say(Kind.HELLO, 0, {"environment": environment(device), "seen": _seen()})
    try:
        if device == "cuda":
            _need_cuda()
        with _session(config, channel) as session:
            slots = ReadableSlots(memory)
            ready = {"num_params": session.num_params, "input": session.input.as_json(), "notes": list(session.notes)}
            channel.say(Kind.READY, 1, ready)
            _serve(session, channel, slots, depth=2 if device == "cuda" else 0)
    except BenchError as error:
        path = None if error.path is None else str(error.path)
        _fail(channel, type(error).__name__, error.message, path, error.key)
    except BaseException as error:  # SystemExit and the like of the submission's code
        _fail(channel, "ModelError", f"raised {type(error).__name__}: {error}", None, None)
    sys.stdout.flush()
    sys.stderr.flush()
    return 0


class _Channel:
    """The way to the parent and back."""

    def __init__(self, questions: int, replies: int) -> None:
        from bench.sandbox.frames import FrameReader

        self._questions, self._replies = questions, replies
        self._reader = FrameReader(questions, lambda _: None)

    def say(self, kind: Kind, sequence: int, payload: Sequence[Any] | dict[str, Any] = (), number: int = 0) -> None:
        """Sends a frame whose payload is JSON, or consists of buffers of bytes."""
        from bench.sandbox.frames import frame, header

        if isinstance(payload, dict):
            parts = [frame(kind, sequence, number, payload)]
        else:
            parts = [header(kind, sequence, number, sum(map(len, payload))), *payload]
        rest = [memoryview(part) for part in parts]
        while rest:
            count = os.writev(self._replies, rest)
            while rest and count >= len(rest[0]):
                count -= len(rest.pop(0))
            if rest:
                rest[0] = rest[0][count:]

    def has_more(self) -> bool:
        """Whether a question waits already."""
        return bool(select.select([self._questions], [], [], 0)[0])

    def next(self) -> Frame:
        """The next question; ends the process when the parent is gone."""
        try:
            asked = self._reader.read()  # a pipe that blocks: a frame is there when this returns
        except EOFError:
            os._exit(1)
        assert asked is not None  # noqa: S101 - it blocks
        return asked


@contextmanager
def _session(config: dict[str, Any], channel: _Channel) -> Iterator[ModelSession]:
    """The model, in this process."""
    from bench.backends.base import RunSpec
    from bench.backends.local import LocalBackend
    from bench.models.phase import LISTENER
    from bench.sandbox.frames import Kind

    spec = config["spec"] | {"cache_folder": Path(config["spec"]["cache_folder"])}
    submission = _submission(config)
    phases = {"import": 1, "load": 2}

    def tell(phase: str) -> None:
        channel.say(Kind.PHASE, 1, number=phases[phase])

    if submission.source.runs_code:
        LISTENER.set(tell)
    else:
        tell("load")
    with LocalBackend().start(submission, RunSpec(**spec)) as session:
        yield session


def _submission(config: dict[str, Any]) -> LoadedSubmission:
    from bench.models.source import LoadedSubmission
    from bench.records.submission import Submission

    told = config["submission"]
    return LoadedSubmission(
        manifest=Submission.parse(told["manifest"]),
        team=told["team"],
        name=told["name"],
        folder=None if told["folder"] is None else Path(told["folder"]),
        digest=told["digest"],
    )


def _serve(session: ModelSession, channel: _Channel, slots: ReadableSlots, *, depth: int) -> None:
    """Answers questions in order; with a device of its own, the next batch is given to it before the last is fetched.

    Args:
        session: The model.
        channel: The way to the parent.
        slots: The batches.
        depth: How many batches may be with the device.
    """
    import numpy as np

    from bench.errors import BenchError
    from bench.sandbox.frames import Kind, unpacked

    working: deque[tuple[int, list[PendingLogits]]] = deque()

    def answer_oldest() -> None:
        sequence, pending = working.popleft()
        parts = [np.ascontiguousarray(wait(), dtype=np.float32) for wait in pending]
        rows = [part.reshape(-1).view(np.uint8).data for part in parts]
        channel.say(Kind.LOGITS, sequence, rows, sum(map(len, parts)))

    while True:
        while working and (len(working) > depth or not channel.has_more()):
            answer_oldest()
        header, payload = channel.next()
        sequence = header.sequence
        if header.kind == Kind.BATCH:
            pending = [session.submit(slots.pixels(place)) for place in unpacked(payload)]
            working.append((sequence, pending))
            continue
        while working:
            answer_oldest()
        if header.kind == Kind.COST:
            try:
                channel.say(Kind.COSTED, sequence, {"gmacs": session.gmacs(header.number)})
            except BenchError as error:
                channel.say(Kind.COSTED, sequence, {"error": error.message[:_NUM_TEXT]})
        elif header.kind == Kind.SETTINGS:
            channel.say(Kind.SET, sequence, dict(session.settings()))
        else:
            channel.say(Kind.FINISHED, sequence)
            return


def _need_cuda() -> None:
    import torch

    from bench.errors import DeviceError

    if not torch.cuda.is_available():
        raise DeviceError("torch sees no CUDA device in the submission's own process; see docs/security.md on GPUs")


def _seen() -> dict[str, int]:
    """What this process sees of its own confinement, before the submission's code is there to lie about it."""
    told = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in told.splitlines())}
    return {
        "uid": os.getuid(),
        "seccomp": int(status.get("Seccomp", "0")),
        "capabilities": int(status.get("CapEff", "0"), 16),
        "num_processes": sum(path.name.isdigit() for path in Path("/proc").iterdir()),
    }


def _fail(channel: _Channel, kind: str, message: str, path: str | None, key: str | None) -> None:
    from bench.sandbox.frames import Kind

    said = {"kind": kind, "message": message[:_NUM_TEXT], "path": path and path[:_NUM_TEXT], "key": key}
    channel.say(Kind.FAILED, 0, said)


if __name__ == "__main__":
    # Not sys.exit: what the submission left for the end, or threads that never end, is no part of the run.
    os._exit(main())
