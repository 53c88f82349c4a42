"""`bench evaluate`, as a user types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli.main import cli

MakeSubmission = Callable[..., Path]


@pytest.fixture
def run(tiny_data: Path, tiny_protocol: Path, tmp_path: Path) -> Callable[..., Result]:
    """Calls `bench evaluate` on the small pictures."""

    def call(*arguments: str | Path, partial: bool = True) -> Result:
        fixed = ["--protocol", tiny_protocol, "--data", tiny_data, "--results", tmp_path / "results", "--device", "cpu"]
        words = ["evaluate", *arguments, *fixed, *(["--allow-partial"] if partial else [])]
        return CliRunner().invoke(cli, [str(word) for word in words])

    return call


def test_json_is_a_list_of_result_records(run: Callable[..., Result], make_submission: MakeSubmission) -> None:
    """Values, intervals, numbers of images and the address of the predictions, as other tools read them."""
    result = run(make_submission(), "--json")
    (record,) = json.loads(result.stdout)

    assert result.exit_code == 0
    assert set(record["metrics"]["top1"]) == {"value", "ci_low", "ci_high", "num_samples", "count"}
    assert len(record["predictions"]["sha256"]) == 64
    assert record["dataset"]["complete"] is False
    assert "Partial: 12 of the 12" in result.stderr or "Partial" in result.stderr


def test_the_table_has_a_line_a_submission(run: Callable[..., Result], make_submission: MakeSubmission) -> None:
    """In a pipe the table is tab-separated, without colours or boxes."""
    result = run(make_submission(), make_submission(name="other"))
    header, *lines = [line.split("\t") for line in result.stdout.splitlines()]

    assert header == ["submission", "top-1 %", "top-5 %", "images", "run", "result"]
    assert [line[0] for line in lines] == ["acme/tiny", "acme/other"]
    assert "\x1b" not in result.stdout


def test_a_second_run_is_answered_from_the_store(run: Callable[..., Result], make_submission: MakeSubmission) -> None:
    """And `--rerun` measures again."""
    folder = make_submission()
    run(folder)

    assert "from the store" in run(folder).stdout
    assert "from the store" not in run(folder, "--rerun").stdout


def test_a_submission_that_fails_does_not_take_the_others_down(
    run: Callable[..., Result], make_submission: MakeSubmission
) -> None:
    """The rest is evaluated, the failure is named, and the exit code is 1."""
    bad = make_submission("def build_model():\n    raise ValueError('no weights')\n", name="bad")
    result = run(bad, make_submission())

    assert result.exit_code == 1
    assert "acme/tiny\t" in result.stdout
    assert "Error: acme/bad: " in result.stderr
    assert "ValueError: no weights" in result.stderr


def test_the_user_is_told_that_code_is_run(run: Callable[..., Result], make_submission: MakeSubmission) -> None:
    """Without isolation, a submission's code can do what the user can."""
    assert "Running the code of acme/tiny" in run(make_submission()).stderr


def test_an_incomplete_dataset_is_refused_without_allow_partial(
    run: Callable[..., Result], make_submission: MakeSubmission
) -> None:
    """Four classes are not a thousand."""
    result = run(make_submission(), partial=False)

    assert result.exit_code == 1
    assert "--allow-partial" in result.stderr


def test_another_split_than_the_protocols_is_wrong_usage(
    run: Callable[..., Result], make_submission: MakeSubmission
) -> None:
    """The protocol fixes the split."""
    result = run(make_submission(), "--split", "train")

    assert result.exit_code == 2
    assert "is about the split 'val', not 'train'" in result.stderr


def test_a_full_disk_is_one_sentence_and_earlier_results_stay(
    run: Callable[..., Result], make_submission: MakeSubmission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When predictions or results cannot be written, nothing half-written is left."""
    import errno

    run(make_submission())
    before = {path: path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()}
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if self.suffix == ".tmp":
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    result = run(make_submission(name="other"), "--no-cache")

    assert result.exit_code == 1
    assert "the disk is full; nothing was written" in result.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()} == before


def test_a_broken_manifest_does_not_take_the_others_down(
    run: Callable[..., Result], make_submission: MakeSubmission
) -> None:
    """It is named, the rest is evaluated, and the exit code is 1; without a rest nothing is read."""
    bad = make_submission(name="bad")
    (bad / "submission.toml").write_text("format_version = 1\n")
    result = run(bad, make_submission())

    assert result.exit_code == 1
    assert "acme/tiny\t" in result.stdout
    assert "title: is missing" in result.stderr
    alone = run(bad, bad, "--json")
    assert (alone.exit_code, json.loads(alone.stdout)) == (1, [])
    assert alone.stderr.count("title: is missing") == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [(["--protocol", "shapes10-train"], "is of kind 'train'"), (["--device", "gpu"], "there is no device 'gpu'")],
)
def test_wrong_usage_is_said_before_the_data_are_read(
    words: list[str], says: str, tmp_path: Path, make_submission: MakeSubmission
) -> None:
    """Hashing ImageNet takes minutes; here there is not even a dataset."""
    fixed = ["evaluate", str(make_submission()), "--protocol", "imagenet-val-open", "--data", str(tmp_path / "none")]
    result = CliRunner().invoke(cli, [*fixed, *words])

    assert result.exit_code == 2
    assert says in result.stderr
