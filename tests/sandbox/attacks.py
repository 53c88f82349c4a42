"""Hostile submissions, run in the real sandbox beside honest ones.

Two kinds. A `python` submission is imported by the runner, as every one is. A takeover is a program in a submission's
folder that takes the runner's place from its first instruction: whatever code in the child could ever say to the
parent, it can say, and it does not pay for importing torch.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import bench.backends.jailed
from bench.models.source import LoadedSubmission
from bench.sandbox.jail import Jail
from bench.sandbox.start import Child

TAKEOVER = "takeover.py"
FAIR = "fair"
"""The team of honest submissions."""
HONEST = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.num_seen = 0

    def forward(self, images):
        self.num_seen += 1
        return self.answer(images)

    def answer(self, images):
        logits = torch.zeros(len(images), 1000)
        logits[:, 740] = self.scale
        return logits


def build_model():
    return Model()
"""
"""Answers class 740 to everything: right for 3 of the 12 tiny pictures."""

_PREAMBLE = """
import ctypes, json, mmap, os, resource, signal, socket, sys, threading, time
QUESTIONS, REPLIES, MEMORY, CONFIG = map(int, sys.argv[1:5])
sys.path.insert(0, "/runner")
from bench.sandbox.frames import Kind, FrameReader, frame

SEEN = {"uid": 65534, "seccomp": 2, "capabilities": 0, "num_processes": 2}
reader = FrameReader(QUESTIONS, lambda header: None)


def write(content):
    while content:
        content = content[os.write(REPLIES, content):]


def say(*arguments):
    write(frame(*arguments))


def ready():
    say(Kind.HELLO, 0, 0, {"environment": {}, "seen": SEEN})
    say(Kind.READY, 1, 0, {"num_params": 1, "input": {}, "notes": []})


def answer(asked):
    kind, sequence, number, _ = asked.header
    if kind == Kind.BATCH:
        import array
        row = array.array("f", [0.0] * 740 + [1.0] + [0.0] * 259).tobytes()
        say(Kind.LOGITS, sequence, number, row * number)
    elif kind == Kind.COST:
        say(Kind.COSTED, sequence, 0, {"gmacs": 1.0})
    else:
        say(Kind.FINISHED, sequence)
        os._exit(0)


def serve():
    while True:
        answer(reader.read())
"""
_MANIFEST = 'format_version = 1\ntitle = "T"\n[model]\nsource = "python"\nfile = "model.py"\nfactory = "build_model"\n'


def write_submission(folder: Path, code: str, *, is_takeover: bool = False, keys: str = "") -> Path:
    """Writes a submission: the code of its model, or of the program that takes the runner's place."""
    folder.mkdir(parents=True)
    (folder / "submission.toml").write_text(_MANIFEST + keys)
    (folder / "model.py").write_text(HONEST if is_takeover else code)
    if is_takeover:
        (folder / TAKEOVER).write_text(_PREAMBLE + code)
    return folder


class Children:
    """All children that were started, to look for what they leave behind."""

    def __init__(self) -> None:
        self.started: list[Child] = []

    def left(self) -> list[str]:
        """Processes and control groups that are still there."""
        users = {child.uid for child in self.started} - {None}
        found = [
            f"process {path.name}" for path in Path("/proc").iterdir() if path.name.isdigit() and _user(path) in users
        ]
        found += [door for child in self.started for door in child.group.doors if Path(door).exists()]
        return found


def _user(process: Path) -> int | None:
    """Whose process it is; None for one that has ended, whether or not the system's init has noticed."""
    try:
        is_dead = "State:\tZ" in (process / "status").read_text()
        return None if is_dead else process.stat().st_uid
    except (FileNotFoundError, ProcessLookupError):
        return None


@contextmanager
def taken_over() -> Iterator[Children]:
    """Lets takeovers take the runner's place, and remembers all children."""
    children = Children()
    jail_of = bench.backends.jailed.jail_of
    begin = Jail.begin

    def jail(level: Any, submission: LoadedSubmission, run: Any, folder: Path) -> Jail:
        made = jail_of(level, submission, run, folder)
        if submission.team == FAIR:  # a machine that is busy must not fail the honest ones
            patient = dataclasses.replace(made.limits, import_s=120, load_s=300, first_batch_s=300, batch_s=120)
            return dataclasses.replace(made, limits=dataclasses.replace(patient, shutdown_s=120))
        if submission.folder is not None and (submission.folder / TAKEOVER).exists():
            made = dataclasses.replace(made, arguments=(sys.executable, "-I", "-B", f"/submission/{TAKEOVER}"))
        return made

    def begun(self: Jail, memory: int) -> Child:
        child = begin(self, memory)
        children.started.append(child)
        return child

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.backends.jailed, "jail_of", jail)
        patch.setattr(Jail, "begin", begun)
        yield children
