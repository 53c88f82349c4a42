"""What a run hands to the places to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import TINY_PROTOCOL, WNIDS

from bench.backends.base import Backend, ModelSession, RunSpec
from bench.backends.run import RunOptions, run_all
from bench.data.dataset import open_dataset
from bench.errors import SubmissionError
from bench.models.source import LoadedSubmission, open_submission
from bench.records.protocol import Protocol


def test_no_sandbox_shows_the_folders_of_labels(
    needs_sandbox: None, tmp_path: Path, make_submission: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dataset's own folder, and that of a devkit beside it; what the caller hides comes on top."""
    specs: list[RunSpec] = []

    class Refusing(Backend):
        isolation = "sandbox"

        @contextmanager
        def start(self, submission: LoadedSubmission, spec: RunSpec) -> Iterator[ModelSession]:
            specs.append(spec)
            raise SubmissionError("is not run")
            yield

    monkeypatch.setattr("bench.backends.run.BACKENDS", {"sandbox": Refusing})
    devkit, results = tmp_path / "data" / "devkit", tmp_path / "results"
    for folder in (devkit, tmp_path / "data" / "val" / WNIDS[0]):
        folder.mkdir(parents=True)
    (tmp_path / "data" / "val" / WNIDS[0] / "ILSVRC2012_val_00000001.JPEG").touch()
    (tmp_path / "tiny-val.toml").write_text(TINY_PROTOCOL)
    protocol = Protocol.load(tmp_path / "tiny-val.toml")
    (outcome,) = run_all(
        [open_submission(str(make_submission()))],
        protocol,
        open_dataset(tmp_path / "data" / "val", protocol.dataset, allow_partial=True),
        RunOptions(isolation="sandbox", hidden=(results,)),
        devices=["cpu"],
        precision="fp32",
        open_cache=lambda *_: None,
        on_progress=None,
    )

    assert isinstance(outcome[1], SubmissionError)
    assert {tmp_path / "data", tmp_path / "data" / "val", devkit, results} <= set(specs[0].hidden)
