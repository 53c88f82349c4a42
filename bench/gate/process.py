"""A worker seen from the gate: started, asked, and ended; whatever it does, the gate goes on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from bench.errors import BenchError
from bench.measure.kernel import kib_of

__all__ = ["Worker", "WorkerError", "WorkerGrewError", "WorkerHungError", "WorkerRaisedError"]

_SCRIPT = Path(__file__).with_name("worker.py")
_LONGEST_LOG = 2000
_LONGEST_WORDS = 500
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class WorkerError(BenchError):
    """A worker crashed, hung, took too much memory, or its code raised.

    Args:
        message: What happened.
        path: The file it is about.
        is_missing: The side does not have the benchmark.
    """

    outcome = "crash"

    def __init__(self, message: str, *, path: Path | str | None = None, is_missing: bool = False) -> None:
        super().__init__(message, path=path)
        self.is_missing = is_missing


class WorkerHungError(WorkerError):
    """A worker does not answer in time."""

    outcome = "timeout"


class WorkerGrewError(WorkerError):
    """A worker took too much memory."""

    outcome = "limit"


class WorkerRaisedError(WorkerError):
    """The code in a worker raised."""

    outcome = "import_error"


class Worker:
    """One process of one side, in a session of its own so that all of its children end with it.

    Args:
        python: The interpreter.
        folder: Where it runs.
        environment: Variables beside those that are there.
        most_memory_mib: Anonymous memory at which it is ended.
    """

    def __init__(
        self,
        python: str,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        most_memory_mib: float | None = None,
    ) -> None:
        self._most_memory_mib = most_memory_mib
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user names the interpreter
                [python, str(_SCRIPT)],
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerError(f"cannot be started ({error.strerror or error})", path=python) from error
        self._log = b""
        self._selector = selectors.DefaultSelector()
        for stream, name in ((self._process.stdout, "answer"), (self._process.stderr, "log")):
            assert stream is not None  # noqa: S101 - both are pipes
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ, name)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def ask(self, do: str, *, timeout_s: float, **arguments: Any) -> dict[str, Any]:
        """Sends a request and waits for its answer.

        Raises:
            WorkerError: It raised, ended, does not answer in time, or takes too much memory.
        """
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._ended(do) from None
        do = arguments["method"] if do == "call" else do
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            self._check(do, deadline, timeout_s)
            for key, _ in self._selector.select(timeout=min(0.5, max(0.0, deadline - time.monotonic()))):
                self._take(key, do)
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerRaisedError(
                f"{do}: {_plain(answer['error'])}{self._log_words()}", is_missing=answer.get("missing", False)
            )
        return answer

    def _take(self, key: selectors.SelectorKey, do: str) -> None:
        content = os.read(key.fd, 1 << 16)
        if key.data == "log":
            self._log = (self._log + content)[-_LONGEST_LOG:]
            if not content:
                self._selector.unregister(key.fileobj)
        elif content:
            self._unread += content
        else:
            raise self._ended(do)

    def _check(self, do: str, deadline: float, timeout_s: float) -> None:
        if time.monotonic() > deadline:
            self.stop(at_once=True)
            raise WorkerHungError(f"{do}: no answer within {timeout_s:.0f} s{self._log_words()}")
        memory = _anonymous_mib(self._process.pid)
        # A child of it that lives on holds the pipe open, so that its end would not show there.
        if self._process.poll() is not None and not self._selector.select(timeout=0):
            raise self._ended(do)
        if self._most_memory_mib is not None and memory > self._most_memory_mib:
            self.stop(at_once=True)
            raise WorkerGrewError(f"{do}: took {memory:,.0f} MiB of memory, more than {self._most_memory_mib:,.0f}")

    def _ended(self, do: str) -> WorkerError:
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.stop(at_once=True)
            return WorkerError(f"{do}: the process closed its pipes and went on{self._log_words()}")
        how = f"was killed by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exited with code {code}"
        return WorkerError(f"{do}: the process {how}{self._log_words()}")

    def _log_words(self) -> str:
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(OSError, ValueError):  # nothing there yet, or closed
            while content := os.read(self._process.stderr.fileno(), 1 << 16):
                self._log = (self._log + content)[-_LONGEST_LOG:]
        last = _plain(self._log.decode(errors="replace").strip().rpartition("\n")[2])
        return f"; its last line: {last}" if last else ""

    def stop(self, *, at_once: bool = False) -> None:
        """Ends the process and all that it started."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        if not at_once and self._process.poll() is None:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                self._process.stdin.write(b'{"do": "stop"}\n')
                self._process.stdin.close()
                self._process.wait(timeout=5)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream is not None  # noqa: S101 - all are pipes
            with contextlib.suppress(OSError):
                stream.close()


def _plain(text: str) -> str:
    """One line without colours and other control characters, which JUnit's XML cannot hold."""
    words = " ".join(_COLOUR.sub("", text).split())
    return "".join(character for character in words if character.isprintable())[:_LONGEST_WORDS]


def _anonymous_mib(pid: int) -> float:
    """Anonymous memory of a process, in MiB; 0 where it cannot be read."""
    return (kib_of(f"/proc/{pid}/status", "RssAnon") or 0) / 1024
