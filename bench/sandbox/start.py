"""The start of a child and its end: its pipes, its group, its first program, and nothing of it left behind."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bench.sandbox.bubblewrap import Bind, bubblewrap_arguments
from bench.sandbox.cgroups import ControlGroup
from bench.sandbox.limits import Limits
from bench.sandbox.seccomp import filter_program

__all__ = ["Child", "Confinement", "Ended", "start_child"]

_LAUNCHER = Path(__file__).with_name("launch.py")
_TOP_FOLDER = "/tmp"  # noqa: S108 - a mount point that the dropped user can walk to; made with a random name
_FIRST_UID, _NUM_UIDS = 1_900_000_000, 100_000_000
_END_S = 10.0
_REPLIES_BYTES = 1 << 20
"""The most that any user may ask for by default (fs.pipe-max-size): room for several answers at once."""


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """What keeps a child where it is."""

    bubblewrap: str | None = None
    """The path of bwrap; None for no sandbox."""
    has_disable_userns: bool = True
    """Whether it knows `--disable-userns`."""
    drops_root: bool = False
    """Started as root, it becomes a user that exists nowhere."""
    binds: tuple[Bind, ...] = ()
    """What the sandbox sees."""
    links: tuple[tuple[str, str], ...] = ()
    """Its symbolic links, (text, place)."""
    hidden: tuple[str, ...] = ()
    """Places inside its binds that are covered."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The child's variables, and no others."""
    folder: str = "/"
    """Where it starts, without a sandbox."""


class Ended(NamedTuple):
    """How a child ended."""

    status: int | None
    """The exit status; that of a program in the sandbox that a signal ended is 128 and the signal; None for unknown."""
    survivors: tuple[int, ...]
    """Processes that would not die."""


class Child:
    """A running child; its descriptors are the parent's ends.

    Args:
        process: Its outermost process.
        group: Its control group.
        questions: Where the parent writes, non-blocking.
        replies: Where it reads, non-blocking.
        info: Where bubblewrap tells the pid of the sandbox's first process; None without a sandbox.
        stage: The mount point to remove afterwards.
        uid: The user that it became, when it dropped root.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        group: ControlGroup,
        questions: int,
        replies: int,
        info: int | None,
        stage: str | None,
        uid: int | None,
    ) -> None:
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - our own invariant
        self.group, self.uid = group, uid
        self.questions, self.replies = questions, replies
        self.outputs = (process.stdout.fileno(), process.stderr.fileno())
        self.exits = os.pidfd_open(process.pid)
        self._process, self._info, self._stage = process, info, stage
        for descriptor in self.outputs:
            os.set_blocking(descriptor, False)

    @property
    def is_running(self) -> bool:
        """Whether its outermost process still runs."""
        return self._process.poll() is None

    def end(self) -> Ended:
        """Kills whatever is left of it and looks that it is gone; its outputs can still be read afterwards."""
        first = self._first_inside()
        if self._process.poll() is None:
            self._process.kill()
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        try:
            status: int | None = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            status = None
        survivors = self.group.end()
        # The sandbox's first process is gone only after the kernel has ended all others in its namespace.
        if first is not None:
            select.select([first], [], [], _END_S)
            os.close(first)
        if self._stage is not None:
            with suppress(OSError):
                Path(self._stage).rmdir()
        return Ended(status, survivors if status is not None else (*survivors, self._process.pid))

    def close(self) -> None:
        """Closes the parent's ends."""
        for descriptor in (self.questions, self.replies, self.exits, self._info):
            if descriptor is not None:
                os.close(descriptor)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _first_inside(self) -> int | None:
        """A descriptor of the sandbox's first process, where it still runs."""
        if self._info is None:
            return None
        told = b""
        with suppress(BlockingIOError):
            while block := os.read(self._info, 4096):
                told += block
        with suppress(ValueError, KeyError, OSError):
            return os.pidfd_open(json.loads(told)["child-pid"])
        return None


def start_child(
    arguments: Sequence[str],
    config: dict[str, Any],
    *,
    memory: int,
    confinement: Confinement,
    limits: Limits,
    group: ControlGroup,
) -> Child:
    """Starts a program with four descriptors as its last arguments: questions, replies, shared memory, config.

    bubblewrap ends its sandbox when the thread that calls this ends: it must outlive the child.

    Args:
        arguments: The program and its own arguments.
        config: What it reads, as JSON, from the fourth descriptor.
        memory: The descriptor of the memory that it may read.
        confinement: What keeps it where it is.
        limits: With numbers for the machine.
        group: Its control group.

    Raises:
        OSError: There is no more memory, or no more processes, for it.
    """
    questions_there, questions = os.pipe2(os.O_CLOEXEC)
    replies, replies_there = os.pipe2(os.O_CLOEXEC)
    theirs = [questions_there, replies_there, memory, _content("config", json.dumps(config).encode())]
    own = [*arguments, *map(str, theirs)]
    passed, info, stage = list(theirs), None, None
    try:
        os.set_blocking(questions, False)
        os.set_blocking(replies, False)
        with suppress(OSError):  # this user has very many pipes; then answers come in more parts
            fcntl.fcntl(replies, fcntl.F_SETPIPE_SZ, _REPLIES_BYTES)
        environment = dict(confinement.environment)
        uid = None
        sources = [bind.source for bind in confinement.binds]
        if confinement.drops_root:
            uid = _FIRST_UID + int.from_bytes(os.urandom(4), "little") % _NUM_UIDS
            stage = tempfile.mkdtemp(prefix="ilsvrc-bench-", dir=_TOP_FOLDER)
            sources = [f"{stage}/{number}" for number in range(len(sources))]
        if confinement.bubblewrap is not None:
            program = filter_program(platform.machine())
            seccomp = None if program is None else _content("seccomp", program)
            info, info_there = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            content = bubblewrap_arguments(
                confinement.binds,
                sources=sources,
                links=confinement.links,
                hidden=confinement.hidden,
                environment=environment,
                scratch_bytes=limits.scratch_bytes,
                shm_bytes=limits.shm_bytes,
                seccomp=seccomp,
                info=info_there,
                has_disable_userns=confinement.has_disable_userns,
            )
            listed = _content("arguments", content)
            passed += [listed, info_there, *([] if seccomp is None else [seccomp])]
            own = [confinement.bubblewrap, "--args", str(listed), "--", *own]
            environment = {"PATH": "/usr/bin:/bin"}  # of bwrap itself, which /proc/1/environ shows
        plan = {
            "argv": own,
            "environment": environment,
            "cwd": "/" if confinement.bubblewrap is not None else confinement.folder,
            "doors": group.doors,
            "uid": uid,
            "stage": stage,
            "binds": [bind.source for bind in confinement.binds],
            "rlimits": {
                "RLIMIT_NOFILE": limits.num_files,
                "RLIMIT_FSIZE": limits.file_bytes,
                "RLIMIT_CPU": limits.cpu_s,
            },
            "parent": os.getpid(),
        }
        passed.append(_content("plan", json.dumps(plan).encode()))
        process = subprocess.Popen(  # noqa: S603 - our own launcher
            [sys.executable, "-I", "-S", "-B", str(_LAUNCHER), str(passed[-1])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            cwd="/",
            close_fds=True,
            pass_fds=passed,
            start_new_session=True,
        )
    except BaseException:
        for descriptor in (questions, replies, info):
            if descriptor is not None:
                os.close(descriptor)
        if stage is not None:
            Path(stage).rmdir()
        raise
    finally:
        for descriptor in passed:
            if descriptor != memory:
                os.close(descriptor)
    return Child(process, group, questions, replies, info, stage, uid)


def _content(name: str, content: bytes) -> int:
    """A descriptor from which the content can be read, once."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as stream:
        stream.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
