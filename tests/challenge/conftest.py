"""A small challenge: two phases, one with hidden labels, a team, an evaluator, and pictures."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.backends.run import RunOptions
from bench.challenge.labels import seal_labels
from bench.challenge.loaded import LoadedChallenge, load_challenge
from bench.challenge.office import Office
from bench.challenge.private import PrivateStore
from bench.challenge.submitting import archive_of
from bench.data.classes import class_table
from bench.files import sha256_of_file
from bench.signing import SecretKey
from bench.store import Store

TEAM_KEY = SecretKey(b"t" * 32)
EVALUATOR_KEY = SecretKey(b"e" * 32)
OTHER_KEY = SecretKey(b"o" * 32)
WNIDS = class_table("shapes6").wnids

PROTOCOL = """
format_version = 1
id = "{id}"
kind = "evaluate"
title = "A few small pictures"
division = "closed"
{hidden}
dataset = {{ name = "shapes6", split = "{split}", num_samples = 12 }}
geometry = {{ resize = 36, crop = 32 }}
precision = {{}}
views = {{}}
metrics = {{ rank_by = "top1", report = ["top1", "top5", "mean_per_class", "ece", "nll"] }}
"""

CHALLENGE = """
format_version = 1
id = "tiny"
title = "The tiny challenge"
hand_in = "https://example.org/inbox"

[[evaluators]]
name = "E. Valuator"
key = "{evaluator}"

[[teams]]
team = "acme"
key = "{team}"
accounts = ["ann", "bob"]

[[labels]]
name = "secret"
file = "secret.labels.json"
sha256 = "{sha256}"
readers = ["E. Valuator"]

[[phases]]
name = "development"
start = {start}
end = {end}
tracks = [{{ division = "closed", protocol = "tiny-dev", board = "tiny-dev" }}]

[[phases]]
name = "test"
start = {start}
end = {end}
quota = {{ scored = 2, attempts = 5 }}
tracks = [{{ division = "closed", protocol = "tiny-test", board = "tiny-test", labels = "secret" }}]
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with twelve pictures of six classes: in folders of their classes in `val`, without classes in `test`."""
    from PIL import Image

    random = np.random.default_rng(0)
    top = tmp_path / "images"
    (top / "test").mkdir(parents=True)
    for number in range(12):
        image = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((50, 40))
        for folder in (top / "val" / WNIDS[number % 6], top / "test"):
            folder.mkdir(parents=True, exist_ok=True)
            image.save(folder / f"picture_val_{number + 1:08d}.JPEG", format="JPEG")
    return top


@pytest.fixture
def hidden_labels() -> dict[str, str]:
    """The labels of the pictures, by sample id."""
    return {f"picture_val_{number + 1:08d}": WNIDS[number % 6] for number in range(12)}


def write_challenge(folder: Path, labels: dict[str, str], *, start: datetime, end: datetime) -> LoadedChallenge:
    """Writes the challenge's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny-dev.toml").write_text(PROTOCOL.format(id="tiny-dev", hidden="", split="val"))
    (folder / "tiny-test.toml").write_text(PROTOCOL.format(id="tiny-test", hidden="hidden = true", split="test"))
    values = {
        "evaluator": EVALUATOR_KEY.public,
        "team": TEAM_KEY.public,
        "start": start.isoformat(),
        "end": end.isoformat(),
    }
    (folder / "challenge.toml").write_text(CHALLENGE.format(sha256="0" * 64, **values))
    rules = load_challenge(str(folder)).rules
    sealed = seal_labels(labels, challenge="tiny", name="secret", readers=rules.evaluators)
    path = folder / "secret.labels.json"
    path.write_text(sealed.to_text())
    (folder / "challenge.toml").write_text(CHALLENGE.format(sha256=sha256_of_file(path), **values))
    return load_challenge(str(folder))


@pytest.fixture
def tiny_challenge(tmp_path: Path, hidden_labels: dict[str, str]) -> LoadedChallenge:
    """A challenge whose phases are open now."""
    now = datetime.now(UTC).replace(microsecond=0)
    folder = tmp_path / "challenges" / "tiny"
    return write_challenge(folder, hidden_labels, start=now - timedelta(days=1), end=now + timedelta(days=1))


@pytest.fixture
def office(tmp_path: Path, tiny_challenge: LoadedChallenge, images: Path) -> Office:
    """Where the evaluator of the tiny challenge works."""
    return Office(
        challenge=tiny_challenge,
        key=EVALUATOR_KEY,
        data=images,
        public=Store(tmp_path / "leaderboards" / "results"),
        private=PrivateStore(tmp_path / "private"),
        options=RunOptions(device="cpu", num_threads=1),
    )


MakeAnswers = Callable[..., Path]


@pytest.fixture
def make_answers(tmp_path: Path, hidden_labels: dict[str, str]) -> MakeAnswers:
    """A function that writes a submission of answers, so many of which are right."""

    def make(right: int, *, name: str = "net", readme: str = "", num_answers: int = 12) -> Path:
        folder = tmp_path / "submissions" / "acme" / name
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "answers.csv").open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["ImageId", "PredictionString"])
            for number, (sample_id, wnid) in enumerate(sorted(hidden_labels.items())[:num_answers]):
                wrong = WNIDS[(WNIDS.index(wnid) + 1) % 6]
                rows.writerow([sample_id, wnid if number < right else wrong])
        (folder / "submission.toml").write_text(
            f'format_version = 1\ntitle = "{name}"\n[model]\nsource = "predictions"\nfile = "answers.csv"\n'
            '[outputs]\nclasses = "shapes6"\n'
        )
        (folder / "README.md").write_text(readme)
        return folder

    return make


@pytest.fixture
def make_archive(tmp_path: Path, tiny_challenge: LoadedChallenge, make_answers: MakeAnswers) -> MakeAnswers:
    """A function that packs such a submission for the test phase."""

    def make(right: int, *, account: str = "ann", phase: str = "test", **change: Any) -> Path:
        folder = make_answers(right, **change)
        packed = archive_of(
            str(folder),
            tiny_challenge,
            phase=phase,
            division="closed",
            account=account,
            key=TEAM_KEY,
            out=tmp_path / "inbox",
        )
        return packed.path

    return make
