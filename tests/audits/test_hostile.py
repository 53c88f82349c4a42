"""Submissions that cheat and must be caught, and honest ones that must not; see section 13 of the threat model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audits.made import BATCH_SIZE, CHEATS, HONEST, NUM_IMAGES, Task, audits_of, make_task, run, write_submission
from bench.backends.inference import Answered

MakeSubmission = Callable[..., Path]


@pytest.fixture(scope="module")
def task() -> Task:
    """Coloured squares."""
    return make_task()


@pytest.mark.parametrize("seed", range(5))
def test_honest_code_passes_all_audits(seed: int, task: Task, tmp_path: Path, make_submission: MakeSubmission) -> None:
    """With any secret; what it scores is what it scores without audits."""
    folder = write_submission(make_submission, task, "honest", HONEST)
    audited, plain = (run(folder, task, tmp_path, seed=which) for which in (seed, None))
    audits = audits_of(audited)

    assert {name: audit.sentence for name, audit in audits.items() if audit.outcome == "failed"} == {}
    # Coloured squares are no machine's peak, and ten batches are enough for the rest.
    assert [name for name, audit in audits.items() if audit.outcome == "not-run"] == ["A8"]
    assert isinstance(audited, Answered)
    assert isinstance(plain, Answered)
    assert audited.predictions.sha256() == plain.predictions.sha256()
    assert plain.evidence is None


@pytest.mark.parametrize("name", list(CHEATS))
def test_a_cheat_fails_the_audit_that_looks_for_it(
    name: str, task: Task, tmp_path: Path, make_submission: MakeSubmission
) -> None:
    """In this process."""
    body, wanted = CHEATS[name]
    audits = audits_of(run(write_submission(make_submission, task, name, body), task, tmp_path))

    assert wanted <= {one for one, audit in audits.items() if audit.outcome == "failed"}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
@pytest.mark.parametrize("name", ["honest", *CHEATS])
def test_a_cheat_fails_in_the_sandbox_too(
    name: str, task: Task, tmp_path: Path, make_submission: MakeSubmission
) -> None:
    """Where the parent's own settings are out of reach; an honest model passes there."""
    body, wanted = CHEATS.get(name, (HONEST, set()))
    folder = write_submission(make_submission, task, name, body)
    audits = audits_of(run(folder, task, tmp_path, backend="sandbox"))
    failed = {one for one, audit in audits.items() if audit.outcome == "failed"}

    assert wanted <= failed
    assert wanted or not failed


def test_constants_after_the_first_images_are_scored_as_they_are_without_audits(
    task: Task, tmp_path: Path, make_submission: MakeSubmission
) -> None:
    """Every image is answered once; wrong answers are wrong answers."""
    body, _ = CHEATS["is-right-for-the-first-batches-only"]
    outcome = run(write_submission(make_submission, task, "lazy", body), task, tmp_path, seed=None)

    assert isinstance(outcome, Answered)
    first_N = outcome.predictions.top_classes_NK[:, 0]
    assert len(first_N) == NUM_IMAGES
    assert (first_N[3 * BATCH_SIZE :] == 9).all()
    assert np.mean(first_N[: 3 * BATCH_SIZE] == task.dataset.labels_N[: 3 * BATCH_SIZE]) > 0.9


def test_one_seed_is_one_course_of_audits(task: Task, tmp_path: Path, make_submission: MakeSubmission) -> None:
    """A stored secret replays the questions; another secret asks other ones."""
    folder = write_submission(make_submission, task, "honest", HONEST)
    found = [audits_of(run(folder, task, tmp_path, seed=seed))["A3"].figures for seed in (1, 1, 2)]

    assert found[0] == found[1]
    assert found[0] != found[2]


@pytest.mark.parametrize("num_images", [1, 5, BATCH_SIZE, BATCH_SIZE + 1, 40])
def test_a_small_dataset_is_audited_as_far_as_it_can_be(
    num_images: int, tmp_path: Path, make_submission: MakeSubmission
) -> None:
    """Nothing breaks, and no honest model fails, down to one image."""
    task = make_task(num_images)
    audits = audits_of(run(write_submission(make_submission, task, "honest", HONEST), task, tmp_path))

    assert not [audit for audit in audits.values() if audit.outcome == "failed"]
    assert audits["A7"].outcome == "not-run"


def test_an_error_in_a_batch_of_the_audit_ends_the_run(
    task: Task, tmp_path: Path, make_submission: MakeSubmission
) -> None:
    """A model that answers one image at a time with NaN gives no result."""
    body = "right = self.honest(images)\nreturn right if len(images) > 1 else right * float('nan')"
    outcome = run(write_submission(make_submission, task, "nan", body), task, tmp_path)

    assert outcome.outcome == "nonfinite"  # type: ignore[union-attr]
    assert "an audit" in str(outcome)
