"""`bench score`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bench.cli.main import cli
from bench.data.classes import class_table


def _score(file: Path, *arguments: str | Path) -> Result:
    words = ["score", file, "--protocol", "imagenet-val-closed", *arguments]
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ground truth of the devkit's form and size: 50 images of each of the 1,000 ids."""
    ids_N = np.random.default_rng(0).permutation(np.repeat(np.arange(1, 1001), 50))
    path = tmp_path_factory.mktemp("devkit") / "ILSVRC2012_validation_ground_truth.txt"
    path.write_text("\n".join(map(str, ids_N)) + "\n")
    return path


def test_perfect_answers_score_one(truth: Path, tmp_path: Path) -> None:
    """The ground truth itself as answers."""
    answers = tmp_path / "answers.txt"
    answers.write_text(truth.read_text())
    result = _score(answers, "--labels", truth, "--json")
    (record,) = json.loads(result.stdout)

    assert result.exit_code == 0
    assert record["metrics"]["top1"]["value"] == record["metrics"]["top5"]["value"] == 1.0
    assert record["metrics"]["top1"]["count"] == record["metrics"]["top1"]["num_samples"] == 50_000
    assert len(record["predictions"]["sha256"]) == 64


def test_ids_minus_one_score_exactly_zero_and_the_hint_says_so(truth: Path, tmp_path: Path) -> None:
    """The classic mistake: no class keeps its place."""
    answers = tmp_path / "answers.txt"
    answers.write_text("\n".join(str(int(line) - 1) for line in truth.read_text().split()) + "\n")
    result = _score(answers, "--labels", truth, "--json")
    (record,) = json.loads(result.stdout)

    assert record["metrics"]["top1"]["value"] == 0.0
    assert any("ILSVRC2012 ids minus one" in sentence for sentence in record["notes"])
    assert "ILSVRC2012 ids minus one" in result.stderr


def test_alphabetical_indices_are_not_ids(truth: Path, tmp_path: Path) -> None:
    """Answers numbered as torchvision numbers classes get the hint that fits."""
    table = class_table("imagenet-1k")
    answers = tmp_path / "answers.txt"
    indices = (table.index_of_ilsvrc_id(int(line)) for line in truth.read_text().split())
    answers.write_text("\n".join(map(str, indices)) + "\n")

    assert "class indices from 0 in alphabetical order" in _score(answers, "--labels", truth).stderr


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda lines: lines[:-1], "49,999"),
        (lambda lines: [*lines[:10], "", *lines[10:]], "line 11"),
        (lambda lines: [*lines[:10], "1 2 3 4 5 6", *lines[11:]], "line 11"),
        (lambda lines: [*lines[:10], "cat", *lines[11:]], "line 11"),
    ],
)
def test_a_file_that_does_not_answer_each_image_is_refused(
    truth: Path, tmp_path: Path, change: object, reason: str
) -> None:
    """Missing, blank, overlong and non-numeric lines are named."""
    answers = tmp_path / "answers.txt"
    answers.write_text("\n".join(change(truth.read_text().split())) + "\n")  # type: ignore[operator]
    result = _score(answers, "--labels", truth)

    assert result.exit_code == 1
    assert reason in result.stderr


def test_labels_or_data_must_be_given(truth: Path) -> None:
    """Neither, or both, is wrong usage."""
    assert _score(truth).exit_code == 2
    assert _score(truth, "--labels", truth, "--data", truth.parent).exit_code == 2


def test_the_official_evaluator_agrees(real_data: Path, tmp_path: Path) -> None:
    """On the oracle's predictions, errors at 1 and 5 equal those that the official ILSVRC2015 code printed."""
    import gzip

    folder = real_data / "ilsvrc2015"
    expected = json.loads((folder / "oracle" / "expected.json").read_text())["clsloc"]["max_num_pred_per_image"]
    lines = gzip.decompress((folder / "oracle" / "clsloc_predictions.txt.gz").read_bytes()).decode().splitlines()
    answers = tmp_path / "answers.txt"
    answers.write_text("\n".join(" ".join(line.split()[::5]) for line in lines) + "\n")
    result = _score(answers, "--labels", folder / "ILSVRC2015_clsloc_validation_ground_truth.txt", "--json")
    (record,) = json.loads(result.stdout)

    assert 1 - record["metrics"]["top1"]["value"] == pytest.approx(expected["1"]["cls_error"], abs=1e-11)
    assert 1 - record["metrics"]["top5"]["value"] == pytest.approx(expected["5"]["cls_error"], abs=1e-11)


def test_labels_go_before_the_datasets_variable(truth: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever has set BENCH_DATA can still score with --labels; two options exclude each other."""
    answers = tmp_path / "answers.txt"
    answers.write_text(truth.read_text())
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))

    assert _score(answers, "--labels", truth).exit_code == 0
    assert _score(answers, "--labels", truth, "--data", tmp_path).exit_code == 2


def test_no_right_answer_is_counted_as_zero(truth: Path, tmp_path: Path) -> None:
    """Not as an empty cell."""
    answers = tmp_path / "answers.txt"
    answers.write_text("0\n" * 50_000)
    rows = [line.split("\t") for line in _score(answers, "--labels", truth).stdout.splitlines()]

    assert [row[2] for row in rows if row[0] == "top1"] == ["0"]


def test_a_protocol_under_which_nothing_is_evaluated_is_refused(truth: Path) -> None:
    """Numbers of another kind would look like its results."""
    words = ["score", str(truth), "--protocol", "torchvision-reported", "--labels", str(truth)]
    result = CliRunner().invoke(cli, words)

    assert result.exit_code == 2
    assert "is of kind 'reported'" in result.stderr


@pytest.mark.parametrize("kind", ["null", "number", "quote"])
def test_files_that_are_no_answers_are_one_sentence(kind: str, truth: Path, tmp_path: Path) -> None:
    """Sample ids that are no text, and a quote that swallows the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    answers = tmp_path / ("answers.csv" if kind == "quote" else "answers.parquet")
    if kind == "quote":
        answers.write_text('ImageId,PredictionString\n"a' + "x" * 200_000 + "\n")
    else:
        pq.write_table(
            pa.table({"sample_id": [None, "a"] if kind == "null" else [1, 2], "classes": [[0], [1]]}), answers
        )
    result = _score(answers, "--labels", truth)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {answers}: ")
    assert ("quote left open" if kind == "quote" else "'sample_id' has type") in result.stderr
