"""The command of bubblewrap: which namespaces, which files, which descriptors. Its traps are in docs/security.md."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["INSIDE_UID", "MIN_VERSION", "Bind", "bubblewrap_arguments", "find_bubblewrap", "system_binds", "version_of"]

INSIDE_UID = 65534
"""The user that a submission sees itself as."""
MIN_VERSION = (0, 8)
"""The first with `--disable-userns`."""
_LINKED = ("lib", "lib32", "lib64", "libx32", "bin", "sbin")
_VISIBLE_ETC = ("/etc/ld.so.cache", "/etc/alternatives")
_GPU_NODES = ("nvidia[0-9]*", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-caps", "dxg", "kfd", "dri")


class Bind(NamedTuple):
    """A file or folder of the host that the sandbox sees."""

    source: str
    target: str
    is_device: bool = False
    """Bound so that the device can be used; everything else is read-only."""


def find_bubblewrap() -> str | None:
    """The path of `bwrap`, or None."""
    return shutil.which("bwrap")


@lru_cache
def version_of(path: str) -> tuple[int, ...]:
    """The version of a bubblewrap; empty when it does not tell."""
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout  # noqa: S603 - a path from PATH
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"(\d+)\.(\d+)", told)
    return (int(found[1]), int(found[2])) if found else ()


def system_binds(*, with_gpu: bool) -> tuple[list[Bind], list[tuple[str, str]]]:
    """The parts of the system that programs need: what is bound, and the links of the top folder (text, place)."""
    binds, links = [Bind("/usr", "/usr")], []
    for name in _LINKED:
        path = Path("/") / name
        if path.is_symlink():
            links.append((os.readlink(path), str(path)))  # noqa: PTH115 - the text of the link, as it is
        elif path.is_dir():
            binds.append(Bind(str(path), str(path)))
    binds += [Bind(path, path) for path in _VISIBLE_ETC if Path(path).exists()]
    if with_gpu:
        # Without /sys, cuInit says 304; a plain bind of a node gives no access to the device.
        binds.append(Bind("/sys", "/sys"))
        nodes = [str(node) for pattern in _GPU_NODES for node in sorted(Path("/dev").glob(pattern))]
        binds += [Bind(node, node, is_device=True) for node in nodes]
    return binds, links


def bubblewrap_arguments(
    binds: Sequence[Bind],
    *,
    sources: Sequence[str],
    links: Iterable[tuple[str, str]],
    hidden: Iterable[str],
    environment: Mapping[str, str],
    scratch_bytes: int,
    shm_bytes: int,
    seccomp: int | None,
    info: int | None,
    has_disable_userns: bool = True,
) -> bytes:
    """The arguments, NUL separated, for `--args`: on the command line, /proc/1/cmdline would show them.

    Arguments act in order: temporary file systems first, binds later, and the root is made read-only last.

    Args:
        binds: What the sandbox sees, parents before children.
        sources: Where each of them lies for the user that bubblewrap runs as.
        links: Symbolic links, (text, place).
        hidden: Places inside binds that are covered by an empty folder.
        environment: The variables that the child gets, and no others.
        scratch_bytes: Size of /tmp.
        shm_bytes: Size of /dev/shm.
        seccomp: The descriptor of the filter.
        info: The descriptor that the pid of the child's first process is written to.
        has_disable_userns: Whether this bubblewrap knows it.
    """
    nobody = str(INSIDE_UID)
    arguments = ["--unshare-all", "--unshare-user"]
    if has_disable_userns:
        arguments += ["--disable-userns", "--assert-userns-disabled"]
    arguments += ["--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    arguments += ["--uid", nobody, "--gid", nobody, "--hostname", "sandbox", "--proc", "/proc", "--dev", "/dev"]
    arguments += ["--size", str(shm_bytes), "--tmpfs", "/dev/shm", "--size", str(scratch_bytes), "--tmpfs", "/tmp"]  # noqa: S108 - inside the sandbox
    for text, place in links:
        arguments += ["--symlink", text, place]
    for bind, source in zip(binds, sources, strict=True):
        arguments += ["--dev-bind" if bind.is_device else "--ro-bind", source, bind.target]
    for place in hidden:
        arguments += ["--tmpfs", place, "--remount-ro", place]
    for name, value in environment.items():
        arguments += ["--setenv", name, value]
    arguments += ["--chdir", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/"]  # noqa: S108 - inside the sandbox
    if info is not None:
        arguments += ["--info-fd", str(info)]
    if seccomp is not None:
        arguments += ["--seccomp", str(seccomp)]
    return b"".join(argument.encode() + b"\0" for argument in arguments)
