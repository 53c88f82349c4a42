"""Several processes on this machine, started and watched by torchrun's agent, as one command with one exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Sequence

from bench.errors import RequeueError

__all__ = ["is_launched", "launch", "without_option"]

_RUN_ID = "bench-"
"""How the ids of runs begin that this module starts."""
_INTERRUPTED = (130, -signal.SIGINT)
"""Exit codes of a process that Ctrl-C ended."""


def is_launched() -> bool:
    """Whether this is one of the processes that `launch` started."""
    return os.environ.get("TORCHELASTIC_RUN_ID", "").startswith(_RUN_ID)


def launch(arguments: Sequence[str], processes: int) -> None:
    """Runs `bench` with the same arguments in several processes, and ends this one with their exit code.

    Args:
        arguments: Of the command line, with `--processes`.
        processes: How many.

    Raises:
        SystemExit: Always: 0, the exit code of the process that failed first, or 75 after SIGTERM.
        KeyboardInterrupt: Ctrl-C came.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable(logging.ERROR)  # the processes say what is wrong, the agent would only repeat that they ended
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=f"{_RUN_ID}{uuid.uuid4().hex}",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
    )
    words = ["-m", "bench", *without_option(arguments, "--processes")]
    try:
        elastic_launch(config, sys.executable)(*words)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        if failure.exitcode in _INTERRUPTED:  # it was quicker than the signal to this process
            raise KeyboardInterrupt from None
        raise SystemExit(max(1, failure.exitcode)) from None
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(RequeueError.exit_code) from None
    raise SystemExit(0)


def without_option(arguments: Sequence[str], option: str) -> list[str]:
    """Arguments without an option and its value.

    >>> without_option(["train", "a", "--processes", "2", "--resume"], "--processes")
    ['train', 'a', '--resume']
    >>> without_option(["train", "--processes=2"], "--processes")
    ['train']
    """
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == option:
            next(words, None)
        elif not word.startswith(f"{option}="):
            kept.append(word)
    return kept
