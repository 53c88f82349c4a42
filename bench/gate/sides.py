"""The sides of a comparison: an interpreter, a revision of this repository, or a submission; made ready and kept."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shlex
import shutil
import site
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from bench.errors import BenchError, UsageError
from bench.files import digest_of
from bench.gate.collect import Launch
from bench.gate.config import Row
from bench.gate.git import commit_of, git

__all__ = ["BuildError", "Prepared", "launch_of", "parse_side", "prepare", "target_file"]

Kind = Literal["rev", "env", "path"]
_READY = ".ready"
_LIST = """
import hashlib, importlib.metadata as m, json, os, sys
from urllib.parse import unquote, urlparse
packages, folders = [], []
for d in m.distributions():
    record = hashlib.sha256((d.read_text("RECORD") or "").encode()).hexdigest()
    packages.append("%s==%s %s" % (d.metadata["Name"], d.version, record))
    url = json.loads(d.read_text("direct_url.json") or "{}")
    if url.get("dir_info", {}).get("editable"):
        folders.append(unquote(urlparse(url["url"]).path))
standard = os.path.dirname(os.__file__)
for p in sys.path:
    if os.path.isdir(p) and not p.startswith(standard) and not p.endswith(("site-packages", "dist-packages")):
        folders.append(os.path.abspath(p))
print(json.dumps([sys.version.split()[0], packages, folders]))
"""
"""Asks an interpreter for its version, its packages with a hash of their files, and the folders that it imports from
without having installed them: editable packages, and what PYTHONPATH and .pth files name."""


class BuildError(BenchError):
    """A revision cannot be made ready."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A side that can be started."""

    name: str
    """As the user wrote it."""
    python: str
    folder: Path
    """Where its code lies."""
    facts: dict[str, str] = field(default_factory=dict)
    """What a reader needs to know: commit, interpreter, digest."""
    arguments: dict[str, str] = field(default_factory=dict)
    """What every row is called with here: of a submission, its folder and that of caches."""
    is_installed: bool = False
    """The code under test is in the interpreter's environment, not in the folder."""
    sources: tuple[Path, ...] = ()
    """Folders that it imports from and whose content its facts do not fix."""


def parse_side(text: str) -> tuple[Kind, str]:
    """Kind and value of `rev:<git revision>`, `env:<python>` or `path:<submission>`.

    Raises:
        UsageError: It is none of these.
    """
    kind, _, value = text.partition(":")
    if kind == "rev" and value:
        return "rev", value
    if kind == "env" and value:
        return "env", value
    if kind == "path" and value:
        return "path", value
    raise UsageError(f"{text!r} is no side; write rev:<git revision>, env:<python> or path:<submission>")


def prepare(text: str, *, repository: Path, cache: Path, install: tuple[str, ...] = ()) -> Prepared:
    """Makes a side ready; a revision's tree and environment are made once and kept in the cache.

    Args:
        text: The side, as `parse_side` reads it.
        repository: The folder of the git repository that revisions belong to, and where interpreters run.
        cache: Where trees and environments are kept.
        install: Commands that make a revision ready.

    Raises:
        UsageError: There is no such revision, interpreter or folder.
        BuildError: A command of `install` failed.
    """
    kind, value = parse_side(text)
    if kind == "env":
        found = shutil.which(value)
        if found is None:
            raise UsageError(f"there is no interpreter {value!r}")
        # Not resolved: the link of an environment is what makes it one.
        python = os.path.abspath(found)  # noqa: PTH100
        packages = _packages(python)
        return Prepared(
            name=text,
            python=python,
            folder=repository,
            facts={"python": python, **packages.facts},
            is_installed=True,
            sources=(repository, *packages.folders),
        )
    if kind == "path":
        folder = Path(value).resolve()
        if not (folder / "submission.toml").is_file():
            raise UsageError(f"{value!r} is no submission; there is no submission.toml in it")
        facts = {"submission": str(folder), "digest": _digest(folder)}
        arguments = {"folder": str(folder), "cache_folder": str(cache)}
        return Prepared(name=text, python=sys.executable, folder=folder, facts=facts, arguments=arguments)
    return _revision(text, value, repository, cache, install)


def _revision(text: str, revision: str, repository: Path, cache: Path, install: tuple[str, ...]) -> Prepared:
    commit = commit_of(repository, revision)
    inside = git(repository, "rev-parse", "--show-prefix").stdout.decode()  # a folder of it has a tree of its own
    key = digest_of([commit, inside, list(install), sys.executable, sys.version])[:12]
    home = cache.resolve() / "gate" / f"{commit[:12]}-{key}"
    tree, environment = home / "tree", home / "env"
    python = str(environment / "bin" / "python") if install else sys.executable
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two gates at once make it once
        if not (home / _READY).is_file():
            shutil.rmtree(home, ignore_errors=True)
            _export(repository, commit, tree, text)
            if install:
                _make_environment(environment)
            for command in install:
                _run(command.replace("{python}", shlex.quote(python)), tree, text)
            (home / _READY).touch()
    facts = {"commit": commit, "python": python, **_packages(python).facts}
    return Prepared(name=text, python=python, folder=tree, facts=facts)


def _export(repository: Path, commit: str, tree: Path, name: str) -> None:
    """Writes the files of a commit into a new folder."""
    tree.mkdir(parents=True)
    found = git(repository, "archive", "--format=tar", commit)
    if found.returncode:  # the folder is not in that commit
        raise BuildError(f"{name}: {found.stderr.decode(errors='replace').strip()}")
    try:
        with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
            archive.extractall(tree, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise BuildError(f"{name}: its files cannot be written: {error}", path=tree) from error


def _make_environment(folder: Path) -> None:
    """An environment that also sees the packages of this one, so that torch is not installed again."""
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)  # noqa: S603
    except subprocess.CalledProcessError as error:
        last = (error.stdout + error.stderr).decode(errors="replace").strip().splitlines()[-3:]
        raise BuildError(f"no environment can be made: {' | '.join(last)}", path=folder) from error
    (packages,) = folder.glob("lib/python*/site-packages")
    shared = [path for path in (*site.getsitepackages(), *sys.path) if path.endswith("site-packages")]
    (packages / "bench_gate_shared.pth").write_text("\n".join(dict.fromkeys(shared)) + "\n", encoding="utf-8")


class _Packages(NamedTuple):
    """What an interpreter imports."""

    facts: dict[str, str]
    """Its version, that of its torch, and a digest of all its packages: what a comparison belongs to."""
    folders: tuple[Path, ...]
    """Folders that it imports from without having installed them."""


@lru_cache(maxsize=16)
def _packages(python: str) -> _Packages:
    """The packages of an interpreter.

    Raises:
        BuildError: It does not run, or is none.
    """
    try:
        done = subprocess.run([python, "-c", _LIST], capture_output=True, text=True, check=True)  # noqa: S603
        version, packages, folders = json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError) as error:
        last = str(getattr(error, "stderr", None) or error).strip().rpartition("\n")[2]
        raise BuildError(f"the interpreter does not run: {last}", path=python) from error
    except (ValueError, TypeError) as error:
        raise BuildError("is no Python interpreter; name one, such as env:.venv/bin/python", path=python) from error
    facts = {"version": version, "packages": digest_of(sorted(packages))[:12]}
    torch = [package.split()[0].partition("==")[2] for package in packages if package.startswith("torch==")]
    return _Packages(facts | ({"torch": torch[0]} if torch else {}), tuple(Path(folder) for folder in folders))


def _digest(folder: Path) -> str:
    """The digest of a submission: blocks of another content are blocks of another gate."""
    from bench.models.source import open_submission

    return open_submission(str(folder)).digest[:12]


def _run(command: str, folder: Path, name: str) -> None:
    # A shell command, as the user's own configuration has it.
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S602
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise BuildError(f"{name}: `{command}` failed with exit code {done.returncode}: {' | '.join(last)}")


def target_file(side: Prepared, row: Row) -> Path | None:
    """The file that a row's target names, in a side; None where it names a module."""
    test = row.target.removeprefix("pytest:")
    place = test.partition("::")[0] if test != row.target else test.rpartition(":")[0]
    return side.folder / place if place.endswith(".py") else None


def launch_of(side: Prepared, row: Row, import_from: tuple[str, ...]) -> Launch:
    """How a row is started on a side."""
    target = row.target
    place, _, function = target.rpartition(":")
    is_file = place.endswith(".py") and not target.startswith("pytest:")  # a test is named from its side's folder
    if is_file and not os.path.isabs(place):  # noqa: PTH117 - text, not a path yet
        target = f"{side.folder / place}:{function}"
    threads = {} if row.threads is None else dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(row.threads))
    return Launch(
        python=side.python,
        folder=side.folder,
        target=target,
        arguments={**row.arguments, **side.arguments},
        path=tuple(str(side.folder / folder) for folder in import_from),
        environment=threads,
        is_installed=side.is_installed,
    )
