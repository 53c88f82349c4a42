"""Hostile submissions of `design/trust.md`, in the real sandbox: each ends in a typed failure, and nobody else is hurt.

All of them are evaluated in one run, with honest submissions before and after; the numbers are the rows of the table
in docs/security.md.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from textwrap import indent
from typing import NamedTuple

import numpy as np
import pytest
from conftest import TINY_PROTOCOL, WNIDS

from bench.backends.run import RunOptions
from bench.data.dataset import open_dataset
from bench.evaluate import evaluate_all
from bench.models.source import open_submission
from bench.records.protocol import Protocol
from bench.records.result import Result
from bench.sandbox.limits import Limits
from bench.store import Store
from sandbox.attacks import FAIR, HONEST, taken_over, write_submission

MIB = 1 << 20
LIMITS = Limits(
    memory_bytes=1024 * MIB,
    num_processes=96,
    scratch_bytes=64 * MIB,
    shm_bytes=64 * MIB,
    import_s=6,
    load_s=60,
    first_batch_s=6,
    batch_s=6,
    shutdown_s=6,
    output_bytes=64 << 10,
)
FORWARD = "        self.num_seen += 1\n"
CANARY = "/tmp/ilsvrc-bench-canary"  # noqa: S108 - what a pickle would write in the parent


class Attack(NamedTuple):
    """A hostile submission and its end."""

    row: int
    """The row of the table."""
    outcome: str
    """The kind of failure that the result must name; `ok` where it is evaluated."""
    code: str
    says: str = ""
    """What the failure's message must hold."""
    place: str = "takeover"
    """Where it acts: in the runner's place, or at `import` or in `forward` of a model that is honest otherwise."""


ATTACKS = {
    name: Attack(**fields)
    for name, fields in tomllib.loads(Path(__file__).with_name("hostile.toml").read_text()).items()
}


class Run(NamedTuple):
    """What the run of all of them gave."""

    results: dict[str, Result]
    left: list[str]


@pytest.fixture(scope="module")
def run(needs_sandbox: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All submissions evaluated in one run: an honest one, the hostile ones, an honest one."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "tiny-val.toml").write_text(TINY_PROTOCOL)
    protocol = Protocol.load(folder / "tiny-val.toml")
    dataset = open_dataset(_pictures(folder), protocol.dataset, allow_partial=True)
    places = [write_submission(folder / FAIR / "first", HONEST)]
    for name, attack in ATTACKS.items():
        places.append(write_attack(folder / "hostile" / name, attack))
    places.append(write_submission(folder / FAIR / "last", HONEST + "\n"))
    Path(CANARY).unlink(missing_ok=True)
    options = RunOptions(device="cpu", batch_size=5, isolation="sandbox", limits=LIMITS)
    store = Store(folder / "results")
    with taken_over() as children:
        evaluate_all([open_submission(str(place)) for place in places], protocol, dataset, store, options)
    results = {result.submission.name: result for result in store.load()}
    return Run(results, children.left())


def write_attack(folder: Path, attack: Attack) -> Path:
    """Writes the submission of an attack."""
    code = attack.code.replace("CANARY", repr(CANARY))
    if attack.place == "takeover":
        return write_submission(folder, code, is_takeover=True)
    if attack.place == "import":
        return write_submission(folder, code + HONEST)
    return write_submission(folder, "import os\n" + HONEST.replace(FORWARD, FORWARD + indent(code, 8 * " ")))


def _pictures(folder: Path) -> Path:
    from PIL import Image

    random = np.random.default_rng(0)
    for number in range(12):
        place = folder / "data" / "val" / WNIDS[number // 3]
        place.mkdir(parents=True, exist_ok=True)
        small_HWC = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(small_HWC).resize((50, 40)).save(place / f"ILSVRC2012_val_{number + 1:08d}.JPEG", format="JPEG")
    return folder / "data"


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_ends_as_it_must(run: Run, name: str) -> None:
    """The result names the kind of failure and what happened; what survives its own attack is scored as it answers."""
    attack, result = ATTACKS[name], run.results[name]
    if attack.outcome == "ok":
        assert result.status == "self-reported"
        return

    assert result.failure is not None
    assert (result.status, result.failure.outcome) == ("failed", attack.outcome), result.failure
    assert attack.says in result.failure.message
    assert not result.metrics


@pytest.mark.slow
def test_honest_submissions_of_the_same_run_are_evaluated(run: Run) -> None:
    """Before and after the hostile ones, with the numbers they deserve and the level that they ran at."""
    for name in ("first", "last"):
        result = run.results[name]

        assert result.failure is None
        assert result.metrics["top1"].count == 3
        assert result.isolation == "sandbox"
        assert "seccomp" in result.layers
        assert result.limits["num_processes"] == 96


@pytest.mark.slow
def test_nothing_is_left_behind(run: Run) -> None:
    """No process of any child, no control group, no file of a pickle."""
    assert run.left == []
    assert not Path(CANARY).exists()


@pytest.mark.slow
def test_what_is_printed_is_no_result(run: Run) -> None:
    """Row 7 and 17: a flood of forged results is counted and dropped; the score is that of the answers."""
    result = run.results["floods-its-outputs"]

    assert result.metrics["top1"].count == 3
    assert [note for note in result.notes if "were dropped" in note]


@pytest.mark.slow
def test_constant_logits_are_ranked_by_the_tie_rule(run: Run) -> None:
    """Row 23: equal logits give the lowest class indices: 3 of 12 images are of class 0, 9 of classes 0, 1 and 2."""
    result = run.results["constant-logits"]

    assert result.metrics["top1"].count == 3
    assert result.metrics["top5"].count == 9


@pytest.mark.slow
def test_a_failure_holds_the_last_words(run: Run) -> None:
    """The record of a raise has the place in the submission's own file."""
    failure = run.results["downloads-at-import"].failure

    assert failure is not None
    assert "model.py:2" in failure.message
