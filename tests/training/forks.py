"""Real processes of `bench`, in a tenth of the time: one process imports torch once and forks the others.

As a script it is that process: it reads a request a line from stdin and answers each with a line on stdout.
As a module it has `Forks`, which starts and talks to it. A forked process is killed, signalled and waited for like any
other; with one OpenMP thread nothing of torch runs yet when it is forked.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

DEADLINE_S = 300


class Forks:
    """Starts processes of `bench`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *words: object, ranks: int = 1, **environment: object) -> list[int]:
        """Runs `bench` with these words in one or more processes; returns their exit codes, minus a signal's number."""
        return self.wait(self.start(*words, ranks=ranks, **environment))

    def start(self, *words: object, ranks: int = 1, log: Path | None = None, **environment: object) -> list[int]:
        """Starts `bench`, as torchrun would where there are several ranks; returns the process ids.

        A first word that ends in `.py` is run as a script instead.
        """
        settings = {key: str(value) for key, value in environment.items()}
        if ranks > 1:
            settings |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(ranks)}
            settings |= {"LOCAL_WORLD_SIZE": str(ranks)}
        pids = []
        for rank in range(ranks):
            own = settings | ({"RANK": str(rank), "LOCAL_RANK": str(rank)} if ranks > 1 else {})
            pids.append(self._ask(words=[str(word) for word in words], environment=own, log=str(log or os.devnull)))
        return pids

    def wait(self, pids: Sequence[int]) -> list[int]:
        """The exit codes of processes, when they have ended."""
        return [self._ask(wait=pid) for pid in pids]

    def _ask(self, **request: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextlib.contextmanager
def forks() -> Iterator[Forks]:
    """The process that forks others; it ends with the block."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, __file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:  # on leaving, its stdin is closed, which ends it
        yield Forks(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    _import_everything()
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            print(_exit_code(request["wait"]), file=answers)
            continue
        pid = os.fork()
        if pid == 0:
            _become(**request)
        print(pid, file=answers)


def _exit_code(pid: int) -> int:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return 124


def _import_everything() -> None:
    import importlib

    for name in (
        "torch.distributed.run",
        "torch.nn.parallel",
        "torch.distributed.fsdp",
        "torch.optim.swa_utils",
        "torchvision.transforms.v2",
        "timm.data",
        "timm.optim",
        "safetensors.torch",
        "bench.backends.arithmetic",
        "bench.cli.main",
        "bench.cli.train",
        "bench.measure.environment",
        "bench.measure.flops",
        "bench.training.live",
        "bench.training.meanwhile",
        "bench.training.running",
        "bench.training.train",
        "rich.live",
    ):
        importlib.import_module(name)


def _become(words: list[str], environment: dict[str, str], log: str) -> None:
    """Is `bench`, from here on."""
    code = 70
    try:
        os.environ.update(environment)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        if words[0].endswith(".py"):
            runpy.run_path(words[0], run_name="__main__")
        else:
            from bench.cli.main import main

            sys.argv = ["bench", *words]
            main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 71
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
