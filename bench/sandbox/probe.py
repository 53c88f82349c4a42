"""What this machine can do: whether bubblewrap makes a sandbox here, with which layers, and what to do where not."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from bench.sandbox.bubblewrap import MIN_VERSION, find_bubblewrap, system_binds, version_of
from bench.sandbox.cgroups import ControlGroup, find_places
from bench.sandbox.interpreter import is_readable_by_all
from bench.sandbox.limits import Limits
from bench.sandbox.seccomp import ARCHITECTURES
from bench.sandbox.start import Confinement, start_child

__all__ = ["HOW_TO_GROUP", "Probe", "best_level", "probe", "probe_layers", "why_not"]

HOW_TO_GROUP = (
    "no control group can be made here, so memory and processes are not limited together; start it as "
    "`systemd-run --user --scope bench ...`"
)
_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_PROBE_S = 30.0


class Probe(NamedTuple):
    """What was found out, once for each process."""

    why_not: str | None
    """Why there is no sandbox here, as a sentence with what to do; None where there is one."""
    drops_root: bool
    """Started as root, it becomes a user that exists nowhere."""


@lru_cache(maxsize=1)
def probe() -> Probe:
    """Tries a sandbox that runs `true`; takes some ten milliseconds."""
    if not sys.platform.startswith("linux"):
        return Probe("a sandbox needs Linux", False)
    path = find_bubblewrap()
    if path is None:
        return Probe(
            "bubblewrap is not installed; get it with `apt-get install bubblewrap` or `dnf install bubblewrap`", False
        )
    if (version := version_of(path)) < MIN_VERSION:
        wanted, found = (".".join(map(str, numbers)) for numbers in (MIN_VERSION, version))
        return Probe(f"{path} is bubblewrap {found or 'of an unknown version'}, {wanted} or later is needed", False)
    tries = [True, False] if os.geteuid() == 0 and is_readable_by_all() else [False]
    for drops_root in tries:
        reason = _try(path, drops_root=drops_root)
        if reason is None:
            return Probe(None, drops_root)
    return Probe(f"bubblewrap makes no sandbox here ({reason}){_hint()}", False)


def why_not() -> str | None:
    """Why there is no sandbox on this machine, as a sentence with what to do; None where there is one."""
    return probe().why_not


def best_level() -> str:
    """The best level of isolation that can be had here: `sandbox`, `process` or `none`."""
    if why_not() is None:
        return "sandbox"
    return "process" if sys.platform.startswith("linux") else "none"


def probe_layers() -> tuple[str, ...]:
    """The layers that a sandbox has on this machine; empty where there is none."""
    found = probe()
    if found.why_not is not None:
        return ()
    group = ControlGroup(find_places(), Limits().resolved())
    group.end()
    return layers_of(group.layers, drops_root=found.drops_root)


def layers_of(group_layers: tuple[str, ...], *, drops_root: bool) -> tuple[str, ...]:
    """The names of a sandbox's layers, as results tell them."""
    spaces = ("user-namespace", "pid-namespace", "mount-namespace", "network-namespace")
    seccomp = ("seccomp",) if platform.machine() in ARCHITECTURES else ()
    # Root is exempt from the limit on processes.
    processes = ("processes:rlimit",) if drops_root or os.geteuid() != 0 else ()
    return (*spaces, *seccomp, *group_layers, *processes, "files:rlimit", *(("uid",) if drops_root else ()))


def _try(path: str, *, drops_root: bool) -> str | None:
    """What bubblewrap says when it is to run `true`; None when that goes well."""
    binds, links = system_binds(with_gpu=False)
    program = shutil.which("true", path="/usr/bin:/bin") or "/bin/true"
    confinement = Confinement(bubblewrap=path, drops_root=drops_root, binds=tuple(binds), links=tuple(links))
    limits = Limits().resolved()
    memory = os.memfd_create("nothing", os.MFD_CLOEXEC)
    try:
        child = start_child(
            [program], {}, memory=memory, confinement=confinement, limits=limits, group=ControlGroup((), limits)
        )
    except OSError as error:
        return str(error)
    finally:
        os.close(memory)
    with closing(child):
        until = time.monotonic() + _PROBE_S
        while child.is_running and time.monotonic() < until:
            time.sleep(0.002)
        ended = child.end()
        if ended.status == 0:
            return None
        told = b""
        with suppress(BlockingIOError):
            told = os.read(child.outputs[1], 4096)
        return told.decode(errors="replace").strip().splitlines()[-1] if told.strip() else f"status {ended.status}"


def _hint() -> str:
    """What most often forbids it."""
    with suppress(OSError):
        if _APPARMOR.read_text().strip() == "1":
            return (
                "; this distribution restricts user namespaces: allow them to bwrap with an AppArmor profile, or to "
                "all with `sysctl kernel.apparmor_restrict_unprivileged_userns=0`"
            )
    if os.environ.get("container") or Path("/.dockerenv").exists():  # noqa: SIM112 - its own spelling
        return "; in a container it needs user namespaces and a whole /proc (podman: --security-opt unmask=ALL)"
    return "; user namespaces may be switched off: see `sysctl user.max_user_namespaces`"
