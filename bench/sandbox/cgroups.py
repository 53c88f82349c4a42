"""Control groups: the only dependable cap on the memory and the number of processes of a whole tree of processes.

Version 1 where its controllers are writable (the group lies below our own), else version 2: in the nearest group above
us, or our own, that hands memory and pids to its children and that we may write to. Root has one on any machine with
systemd, ordinary users when bench is started as `systemd-run --user --scope bench ...`.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bench.sandbox.limits import Limits

__all__ = ["ControlGroup", "Place", "find_places"]

_PREFIX = "ilsvrc-bench-"
_CONTROLLERS = ("memory", "pids")
_END_S = 5.0


class Place(NamedTuple):
    """A folder of the control group file system in which groups can be made."""

    folder: Path
    version: int
    """1 or 2."""
    controllers: frozenset[str]
    """Of `memory` and `pids`, those that limit groups made here."""


def find_places(mountinfo: str | None = None, own: str | None = None) -> tuple[Place, ...]:
    """Where a group with a limit on memory and processes can be made; empty where nowhere.

    Args:
        mountinfo: The content of /proc/self/mountinfo, for tests.
        own: The content of /proc/self/cgroup, for tests.
    """
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
        own = Path("/proc/self/cgroup").read_text() if own is None else own
    except OSError:
        return ()
    paths: dict[str, str] = {}  # from controller, or "" for version 2, to the path of our own group
    for line in own.splitlines():
        number, names, path = line.split(":", 2)
        paths |= {"": path} if number == "0" else dict.fromkeys(names.split(","), path)
    first: dict[str, Place] = {}
    second: list[Place] = []
    for root, point, kind, options in _mounts(mountinfo):
        if kind == "cgroup":
            for name in set(_CONTROLLERS) & set(options) & paths.keys():
                folder = _below(point, root, paths[name])
                if folder is not None and os.access(folder, os.W_OK | os.X_OK):
                    first[name] = Place(folder, 1, frozenset({name}))
        elif kind == "cgroup2" and "" in paths and (folder := _below(point, root, paths[""])) is not None:
            second += [place for above in _up_to(folder, point) if (place := _place2(above)) is not None][:1]
    # A controller belongs to one version at a time: whatever version 1 does not have may be with version 2.
    have = set(first)
    return (*first.values(), *(place for place in second if not place.controllers & have))


class ControlGroup:
    """A group for one child.

    Args:
        places: Where it is made.
        limits: With numbers for the machine.
    """

    def __init__(self, places: Sequence[Place], limits: Limits) -> None:
        self._folders: list[Path] = []
        self.layers: tuple[str, ...] = ()
        """What it limits, such as `memory:cgroup1`."""
        name = f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        for place in places:
            _sweep(place.folder)
            folder = place.folder / name
            try:
                folder.mkdir()
            except OSError:
                continue
            self._folders.append(folder)
            for controller in sorted(place.controllers):
                if _limit(folder, place.version, controller, limits):
                    noun = "processes" if controller == "pids" else controller
                    self.layers += (f"{noun}:cgroup{place.version}",)

    @property
    def doors(self) -> tuple[str, ...]:
        """The files that a process writes "0" to when it enters."""
        return tuple(str(folder / "cgroup.procs") for folder in self._folders)

    def hits(self) -> tuple[str, ...]:
        """Which limits were hit so far: of `memory` and `processes`."""
        memory = sum(_event(folder / name, "oom_kill") for folder in self._folders for name in _MEMORY_EVENTS)
        processes = sum(_event(folder / "pids.events", "max") for folder in self._folders)
        return ("memory",) * bool(memory) + ("processes",) * bool(processes)

    def end(self) -> tuple[int, ...]:
        """Kills everything in the group and removes it; returns the processes that would not die within seconds."""
        until = time.monotonic() + _END_S
        while pids := self._pids():
            for folder in self._folders:
                with suppress(OSError):
                    (folder / "cgroup.kill").write_text("1")  # version 2 of Linux 5.14 and later
            for pid in pids:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > until:
                break
            time.sleep(0.005)
        for folder in self._folders:
            while time.monotonic() < until:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:  # busy until the last of them is gone
                    time.sleep(0.005)
                else:
                    break
        return tuple(self._pids())

    def _pids(self) -> list[int]:
        found: set[int] = set()
        for folder in self._folders:
            with suppress(OSError):
                found.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
        return sorted(found)


_MEMORY_EVENTS = ("memory.oom_control", "memory.events")


def _limit(folder: Path, version: int, controller: str, limits: Limits) -> bool:
    """Writes a limit; returns whether the kernel took it."""
    memory, processes = str(limits.memory_bytes), str(limits.num_processes)
    files = {
        ("memory", 1): (("memory.limit_in_bytes", memory), ("memory.memsw.limit_in_bytes", memory)),
        ("memory", 2): (("memory.max", memory), ("memory.swap.max", "0")),
        ("pids", 1): (("pids.max", processes),),
        ("pids", 2): (("pids.max", processes),),
    }
    (name, value), *others = files[controller, version]
    try:
        (folder / name).write_text(value)
    except OSError:
        return False
    for other, its_value in others:  # swap, which not every kernel counts
        with suppress(OSError):
            (folder / other).write_text(its_value)
    return True


def _event(path: Path, name: str) -> int:
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0


def _sweep(folder: Path) -> None:
    """Removes the empty groups of parents that were killed; one that holds a process is never removed."""
    with suppress(OSError):
        for leftover in folder.glob(f"{_PREFIX}*"):
            pid = leftover.name.removeprefix(_PREFIX).partition("-")[0]
            if pid.isdigit() and not Path(f"/proc/{pid}").exists():
                with suppress(OSError):
                    leftover.rmdir()


class _Mount(NamedTuple):
    root: str
    point: Path
    kind: str
    options: list[str]


def _mounts(mountinfo: str) -> Iterator[_Mount]:
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields, ends = left.split(), right.split()
        if len(fields) >= 5 and len(ends) >= 3:
            yield _Mount(fields[3], Path(fields[4]), ends[0], ends[2].split(","))


def _below(point: Path, root: str, path: str) -> Path | None:
    """The folder of a group, where the mount shows it."""
    if not Path(path).is_relative_to(root):
        return None
    return point / Path(path).relative_to(root)


def _up_to(folder: Path, top: Path) -> Iterator[Path]:
    while folder.is_relative_to(top):
        yield folder
        if folder == top:
            return
        folder = folder.parent


def _place2(folder: Path) -> Place | None:
    with suppress(OSError):
        handed = set((folder / "cgroup.subtree_control").read_text().split()) & set(_CONTROLLERS)
        # Moving a process needs the right to write the group that is above both.
        if len(handed) == len(_CONTROLLERS) and all(
            os.access(path, os.W_OK) for path in (folder, folder / "cgroup.procs")
        ):
            return Place(folder, 2, frozenset(handed))
    return None
