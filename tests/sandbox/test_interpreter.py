"""What a child's Python shows of the host: its own folders, and of what leads to them only the links."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.sandbox.interpreter import python_view

LIBRARY = Path(os.__file__).parent.name


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose `bin/python3` is a link to an installation, and the link of an environment, which is this Python."""
    installed, home, environment = (tmp_path / name for name in ("installed", "home", "environment"))
    for folder in (installed / "bin", installed / "lib" / LIBRARY, home / "bin", home / "secret", environment / "bin"):
        folder.mkdir(parents=True)
    (installed / "bin" / "python3.99").touch()
    (home / "bin" / "python3").symlink_to(installed / "bin" / "python3.99")
    (environment / "bin" / "python3").symlink_to(home / "bin" / "python3")
    (environment / "bin" / "python").symlink_to("python3")
    monkeypatch.setattr(sys, "executable", str(environment / "bin" / "python"))
    monkeypatch.setattr(sys, "prefix", str(environment))
    monkeypatch.setattr(sys, "base_prefix", str(installed))
    return home


def test_a_home_that_a_link_leads_through_is_not_shown(home: Path, tmp_path: Path) -> None:
    """The link is made again, alone; the environment and the installation are bound."""
    view = python_view()
    targets = [Path(bind.target) for bind in view.binds]

    assert {tmp_path / "environment", tmp_path / "installed"} <= set(targets)
    assert not [target for target in targets if home.is_relative_to(target) or target.is_relative_to(home)]
    assert view.links == ((f"{tmp_path}/installed/bin/python3.99", f"{home}/bin/python3"),)


def test_of_an_executable_without_a_library_only_the_file_is_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of Python in somebody's `~/bin` makes no installation of the home."""
    (home / "bin" / "python3").unlink()
    (home / "bin" / "python3").touch()

    view = python_view()

    assert f"{home}/bin/python3" in [bind.target for bind in view.binds]
    assert str(home) not in [bind.target for bind in view.binds]


def test_the_whole_machine_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /bin is a link to /usr/bin, the folder above a Python that was found there is the root."""
    monkeypatch.setattr(sys, "executable", "/bin/python3")
    monkeypatch.setattr(sys, "prefix", "/")
    monkeypatch.setattr(sys, "base_prefix", "/")

    assert not [bind for bind in python_view(("/usr", "/bin")).binds if "/" in (bind.source, bind.target)]


def test_what_python_needs_is_named(home: Path, tmp_path: Path) -> None:
    """The way to the executable, the standard library and the packages: no cover may lie over them."""
    needed = python_view().needed

    assert {f"{tmp_path}/environment/bin/python", f"{home}/bin/python3"} <= set(needed)
    assert str(Path(os.__file__).parent) in needed
    assert str(Path(np.__file__).parent.parent) in needed
