"""The first program of a child, before bubblewrap: it enters the control group, limits itself and drops root.

It runs alone (`python -I -S launch.py FD`), imports nothing of bench, and ends by becoming bubblewrap, or Python at
the level `process`. Started as root, it becomes a user that exists nowhere, for whom the limit on processes holds and
to whom no file belongs. That user cannot walk into folders such as /root, so what the sandbox binds is first bound
below a folder of its own, in a mount namespace of its own.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_PR_SET_PDEATHSIG = 1


def main(descriptor: int) -> None:
    """Reads its plan from a descriptor, does what it says, and becomes the program that it names."""
    with open(descriptor, "rb") as stream:
        plan: dict[str, Any] = json.load(stream)
    for door in plan["doors"]:
        Path(door).write_text("0")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, value in plan["rlimits"].items():
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (most, most))
    libc = ctypes.CDLL(None, use_errno=True)
    if plan["uid"] is not None:
        _stage(libc, plan["stage"], plan["binds"])
        os.setgroups([])
        os.setresgid(plan["uid"], plan["uid"], plan["uid"])
        os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    os.umask(0o077)
    os.chdir(plan["cwd"])
    # After the change of user, which resets it. A parent that died before this line is noticed by the pid.
    _check(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    if os.getppid() != plan["parent"]:
        sys.exit("the parent has ended")
    os.execve(plan["argv"][0], plan["argv"], plan["environment"])  # noqa: S606 - no shell is wanted


def _stage(libc: ctypes.CDLL, folder: str, binds: list[str]) -> None:
    """Binds the sources as `<folder>/0`, `<folder>/1`, ... where nobody else sees them."""
    _check(libc.unshare(_CLONE_NEWNS), "unshare")
    _mount(libc, None, "/", None, _MS_REC | _MS_PRIVATE, None)
    _mount(libc, "tmpfs", folder, "tmpfs", 0, "mode=0755,size=1m")
    for number, source in enumerate(binds):
        target = Path(folder) / str(number)
        if Path(source).is_dir():
            target.mkdir(mode=0o755)
        else:
            target.touch(mode=0o644)
        _mount(libc, source, str(target), None, _MS_BIND | _MS_REC, None)


def _mount(libc: ctypes.CDLL, source: str | None, target: str, kind: str | None, flags: int, data: str | None) -> None:
    encoded = [None if text is None else text.encode() for text in (source, target, kind, data)]
    _check(libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]), f"mount on {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
