"""Control groups of both versions, found and used; the files of a group are made up."""

from __future__ import annotations

from pathlib import Path

from bench.sandbox.cgroups import ControlGroup, Place, find_places
from bench.sandbox.limits import Limits

LIMITS = Limits(memory_bytes=1 << 30, num_processes=64)


def _mount(root: str, point: Path, kind: str, options: str) -> str:
    return f"30 25 0:26 {root} {point} rw,nosuid - {kind} {kind} {options}\n"


def test_version_1_is_used_below_our_own_group(tmp_path: Path) -> None:
    """A controller each, where its folder can be written; the mount may show a part of the tree only."""
    (tmp_path / "memory" / "job").mkdir(parents=True)
    (tmp_path / "pids").mkdir()
    mounts = _mount("/box", tmp_path / "memory", "cgroup", "rw,memory") + _mount(
        "/", tmp_path / "pids", "cgroup", "rw,pids"
    )

    places = find_places(mounts, "4:memory:/box/job\n8:pids:/\n0::/\n")

    assert {(place.folder, place.version, place.controllers) for place in places} == {
        (tmp_path / "memory" / "job", 1, frozenset({"memory"})),
        (tmp_path / "pids", 1, frozenset({"pids"})),
    }


def test_version_2_is_used_where_memory_and_pids_are_handed_on(tmp_path: Path) -> None:
    """The scope of a user's session hands nothing on, the slice above it does."""
    scope = tmp_path / "app.slice" / "run-1.scope"
    scope.mkdir(parents=True)
    for folder, handed in ((scope, ""), (scope.parent, "cpu memory pids"), (tmp_path, "memory pids")):
        (folder / "cgroup.subtree_control").write_text(handed)
        (folder / "cgroup.procs").write_text("")

    places = find_places(_mount("/", tmp_path, "cgroup2", "rw"), "0::/app.slice/run-1.scope\n")

    assert places == (Place(scope.parent, 2, frozenset({"memory", "pids"})),)


def test_nowhere_is_no_error(tmp_path: Path) -> None:
    """A container without control groups, or with read-only ones."""
    assert find_places("", "0::/\n") == ()
    assert find_places(_mount("/", tmp_path, "cgroup2", "ro"), "0::/\n") == ()


def test_a_group_limits_tells_and_goes(tmp_path: Path) -> None:
    """Version 2: limits are written, hits are read, and the folder is gone at the end."""
    group = ControlGroup([Place(tmp_path, 2, frozenset({"memory", "pids"}))], LIMITS)
    (folder,) = tmp_path.iterdir()

    assert group.layers == ("memory:cgroup2", "processes:cgroup2")
    assert (folder / "memory.max").read_text() == str(1 << 30)
    assert (folder / "memory.swap.max").read_text() == "0"
    assert (folder / "pids.max").read_text() == "64"
    assert group.hits() == ()
    (folder / "memory.events").write_text("low 0\nmax 3\noom_kill 1\n")
    (folder / "pids.events").write_text("max 2\n")
    assert group.hits() == ("memory", "processes")
    for path in folder.iterdir():  # the kernel's own files go with the folder
        path.unlink()
    assert group.end() == ()
    assert not folder.exists()
