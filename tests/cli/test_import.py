"""`bench import`."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

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
