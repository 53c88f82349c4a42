"""What a child does to the pipes that it shares with the thread that keeps it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.backends import BACKENDS
from bench.backends.base import RunSpec
from bench.errors import ChannelError
from bench.models.source import open_submission
from sandbox.attacks import HONEST

STUFFING = """
import os, sys, time


def stuff():
    pipe = os.open(f"/proc/self/fd/{sys.argv[1]}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(pipe, b"x")
    except BlockingIOError:
        print("stuffed", flush=True)
    time.sleep(999)


"""
IMAGES_NHWC = np.zeros((2, 8, 8, 3), np.uint8)


@pytest.mark.slow
def test_a_child_that_fills_the_pipe_of_its_questions_ends_alone(
    tmp_path: Path, make_submission: Callable[..., Path]
) -> None:
    """A pipe can be opened again by whoever has its user; the next question then ends the child, and nothing else."""
    code = STUFFING + HONEST.replace("self.num_seen += 1\n", "stuff()\n")
    spec = RunSpec(device="cpu", precision="fp32", num_classes=1000, cache_folder=tmp_path / "cache")
    with BACKENDS["process"]().start(open_submission(str(make_submission(code))), spec) as session:
        session.submit(IMAGES_NHWC)
        until = time.monotonic() + 60
        while "stuffed" not in session.printed[1]:  # type: ignore[attr-defined]
            assert time.monotonic() < until
            time.sleep(0.01)

        with pytest.raises(ChannelError, match="filled the pipe"):
            session.logits(IMAGES_NHWC)
        with pytest.raises(ChannelError, match="filled the pipe"):
            session.finish()
