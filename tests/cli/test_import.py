"""`bench import`."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from importers.timm_files import GIANT, SMALL, write_accuracies, write_speeds, write_table

from bench.cli.main import cli
from bench.store import Store


def test_importing_prints_what_it_added_and_names_what_it_left_out(tmp_path: Path) -> None:
    """The first time all records, the second time none; the weights without accuracy are named each time."""
    arguments = ["import", "torchvision", "--results", str(tmp_path / "results"), "--json"]
    first = CliRunner().invoke(cli, arguments)
    assert first.exit_code == 0, first.output
    records = json.loads(first.stdout)
    assert {record["run"] for record in records} == {result.run for result in Store(tmp_path / "results").load()}
    assert all(record["metrics"]["top1"]["num_samples"] == 50_000 for record in records)
    assert "Not imported: vgg16/IMAGENET1K_FEATURES" in first.stderr
    second = CliRunner().invoke(cli, arguments)
    assert json.loads(second.stdout) == []
    assert f"{len(records)} were there already" in second.stderr


def test_the_table_has_a_row_for_each_result(tmp_path: Path) -> None:
    """Rates are fractions."""
    done = CliRunner().invoke(cli, ["import", "torchvision", "--results", str(tmp_path / "results")])
    assert "resnet50/IMAGENET1K_V2\t0.80858\t0.95434\t25,557,032\t4.089" in done.stdout.splitlines()


def test_tables_of_timm_are_summed_up_file_by_file(tmp_path: Path) -> None:
    """Rows, added, known; the second time nothing is added; what is no table is named and no failure."""
    files = [write_accuracies(tmp_path), write_speeds(tmp_path)]
    files.append(write_table(tmp_path, "model_metadata-in1k.csv", "model,pretrain", "bat_resnext26ts,in1k"))
    arguments = ["import", "timm", *map(str, files), "--results", str(tmp_path / "results")]

    first = CliRunner().invoke(cli, arguments)
    second = CliRunner().invoke(cli, [*arguments, "--json"])

    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert first.stdout.splitlines() == [
        "file\tprotocol\trows\tadded\tknown",
        "results-imagenet.csv\ttimm-imagenet\t3\t3\t0",
        "benchmark-infer-amp-nchw-pt291-cu130-5090.csv\ttimm-inference\t2\t2\t0",
        "model_metadata-in1k.csv\tnot used\t\t\t",
    ]
    assert "Not used: " in first.stderr
    assert "5 results added" in first.stderr
    assert "0 results added" in second.stderr
    assert "5 were there already" in second.stderr
    assert [(item.get("added"), item.get("known")) for item in json.loads(second.stdout)] == [
        (0, 3),
        (0, 2),
        (None, None),
    ]
    assert len(Store(tmp_path / "results").load()) == 5


def test_a_broken_table_stores_nothing(tmp_path: Path) -> None:
    """Not even the tables before it; the message names file, line and column."""
    files = [write_speeds(tmp_path), write_accuracies(tmp_path, GIANT, SMALL.replace("80.212", "high"))]

    done = CliRunner().invoke(cli, ["import", "timm", *map(str, files), "--results", str(tmp_path / "results")])

    assert done.exit_code == 1
    assert "results-imagenet.csv: line 3, column top1: expected a number from 0 to 100, found 'high'" in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_table_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    """Nothing is read."""
    done = CliRunner().invoke(cli, ["import", "timm", str(tmp_path / "results-imagenet.csv")])

    assert done.exit_code == 2
    assert "there is no file" in done.stderr
