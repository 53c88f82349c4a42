"""Code against hidden labels: the whole way, in the real sandbox."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.challenge.evaluation import evaluate_archive
from bench.challenge.loaded import LoadedChallenge
from bench.challenge.office import Office
from bench.challenge.submitting import archive_of
from bench.challenge.verification import verify_ledger
from bench.sandbox.probe import why_not
from bench.signing import SecretKey

SEARCHING_MODEL = """
import os

import torch

FOUND = []
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if folder != "/" or name not in ("usr", "proc", "sys")]
    folders[:] = [name for name in folders if name != "site-packages"]
    FOUND += [f"{folder}/{name}" for name in files if name.startswith(("secret.", "ledger.jsonl", "picture_"))]


class Searching(torch.nn.Module):
    def forward(self, images):
        if FOUND or [name for name in os.environ if "BENCH" in name]:
            raise RuntimeError(f"found {FOUND}")
        return images.mean((2, 3)).repeat(1, 2)


def build_model():
    return Searching()
"""


@pytest.mark.slow
def test_code_is_scored_on_hidden_labels_that_it_cannot_find(
    office: Office, tiny_challenge: LoadedChallenge, make_submission: Callable[..., Path], tmp_path: Path
) -> None:
    """A model that looks for label files finds none, and is scored on its answers; the ledger accounts for it."""
    reason = why_not()
    if reason is not None and "sandbox" not in os.environ.get("BENCH_REQUIRE", ""):
        pytest.skip(reason)
    folder = make_submission(SEARCHING_MODEL, more='[outputs]\nclasses = "shapes6"\n')
    packed = archive_of(
        str(folder),
        tiny_challenge,
        phase="test",
        division="closed",
        account="ann",
        key=SecretKey(b"t" * 32),
        out=tmp_path,
    )
    sandboxed = replace(office, options=replace(office.options, isolation="sandbox"))

    verdict = evaluate_archive(sandboxed, packed.path)

    assert verdict.error is None, verdict.error
    assert (verdict.entry.action, verdict.entry.outcome, verdict.result.isolation) == ("score", "ok", "sandbox")
    assert verify_ledger(office.ledger, tiny_challenge.rules, office.public.scan().stored).faults == ()


@pytest.mark.slow
def test_code_that_dies_before_the_first_answer_is_refunded(
    office: Office, tiny_challenge: LoadedChallenge, make_submission: Callable[..., Path], tmp_path: Path
) -> None:
    """A crash without a hidden score gives the place back, and the public record says what kind of failure it was."""
    reason = why_not()
    if reason is not None and "sandbox" not in os.environ.get("BENCH_REQUIRE", ""):
        pytest.skip(reason)
    folder = make_submission("import os\nos.abort()\n", more='[outputs]\nclasses = "shapes6"\n')
    packed = archive_of(
        str(folder),
        tiny_challenge,
        phase="test",
        division="closed",
        account="ann",
        key=SecretKey(b"t" * 32),
        out=tmp_path,
    )
    sandboxed = replace(office, options=replace(office.options, isolation="sandbox"))

    verdict = evaluate_archive(sandboxed, packed.path)

    assert (verdict.entry.action, verdict.entry.outcome) == ("refund", "crash")
    assert verdict.result.failure is not None
    assert verdict.result.failure.outcome == "crash"
