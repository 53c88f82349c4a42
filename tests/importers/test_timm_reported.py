"""Importing timm's tables."""

from __future__ import annotations

import csv
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from importers.timm_files import (
    GIANT,
    INFER,
    LARGE,
    SHIFTED,
    SMALL,
    TRAIN,
    write_accuracies,
    write_speeds,
    write_table,
)

from bench.errors import RecordError
from bench.files import sha256_of_file
from bench.importers.timm_reported import count_of, identifier_of, import_tables, read_tables, results_of
from bench.importers.timm_tables import ACCURACY_FILES
from bench.leaderboard.board import load_board
from bench.leaderboard.facts import provenance
from bench.leaderboard.frame import frame_of
from bench.leaderboard.material import Material
from bench.leaderboard.standing import standing
from bench.protocols import load_protocol
from bench.records.result import Result
from bench.resources import resource_folder
from bench.stats.intervals import wilson
from bench.store import Store

NOW = datetime(2026, 8, 1, 10, 0, tzinfo=UTC)
BOARDS = resource_folder("boards")


def _results(*paths: Path) -> list[Result]:
    tables, left_out = read_tables(list(paths))
    assert not left_out
    return [result for table in tables for result in results_of(table, NOW)]


def test_an_accuracy_says_what_the_table_says(tmp_path: Path) -> None:
    """Counts with their interval, geometry, parameters, tag and origin of one known row."""
    path = write_accuracies(tmp_path)
    giant, small, _ = _results(path)

    assert (giant.status, giant.protocol.id, giant.protocol.digest) == ("imported", "timm-imagenet", None)
    assert giant.entry == "timm/eva_giant_patch14_336.clip_ft_in1k-336"
    assert giant.submission.architecture == "eva_giant_patch14_336"
    assert giant.costs["num_params"].value == 1_013_010_000
    assert small.metrics["top1"].count == 40_106
    assert (small.metrics["top1"].ci_low, small.metrics["top1"].ci_high) == tuple(wilson(40_106, 50_000))
    assert small.input is not None
    geometry = small.input.geometry
    assert (geometry.resize, geometry.crop, geometry.interpolation) == (235, 224, "bicubic")
    assert small.origin == f"timm's results-imagenet.csv, sha256 {sha256_of_file(path)}"
    assert any("tag" in note for note in small.notes)


def test_normalisation_that_is_not_known_is_not_shown(tmp_path: Path) -> None:
    """The table has no mean and standard deviation, and none are made up."""
    result = _results(write_accuracies(tmp_path))[0]

    assert result.input is not None
    assert result.input.mean is None
    assert {"Pixels", "Numbers from"} <= {fact.label for fact in provenance(result)}
    assert "Normalisation" not in {fact.label for fact in provenance(result)}


def test_a_name_at_two_sizes_says_at_which(tmp_path: Path) -> None:
    """A row of the board is a model at a size; the name alone would be there twice."""
    titles = [result.submission.title for result in _results(write_accuracies(tmp_path))]

    assert titles == ["eva_giant_patch14_336.clip_ft_in1k", "resnet50.a1_in1k at 224 px", "resnet50.a1_in1k at 288 px"]


def test_a_speed_belongs_to_an_architecture_at_a_size(tmp_path: Path) -> None:
    """No image, no weights; machine and libraries as the file's name tells them."""
    first, second = _results(write_speeds(tmp_path))

    assert (first.entry, second.entry) == ("timm/resnet50-224", "timm/resnet50-160")
    assert (first.submission.title, first.submission.architecture) == ("resnet50 at 224 px", "resnet50")
    assert (first.dataset.num_samples, first.metrics) == (0, {})
    assert {name: (cost.value, cost.unit, cost.device) for name, cost in first.costs.items()} == {
        "throughput_img_s": (6128.5, "img/s", "RTX 5090"),
        "step_time_ms": (167.091, "ms", "RTX 5090"),
        "num_params": (25_560_000, "parameters", None),
        "gmacs": (4.11, "GMAC", None),
        "macts": (11.11, "million activations", None),
    }
    shown = {fact.label: fact.value for fact in provenance(first)}
    assert (shown["Dataset"], shown["Pixels"]) == ("none, random pixels", "224 \N{MULTIPLICATION SIGN} 224 px")
    assert first.environment["batch_size"] == 1024
    assert (first.environment["gpu"], first.environment["torch"]) == ("RTX 5090", "2.9.1")


def test_what_timm_could_not_count_or_run_is_missing(tmp_path: Path) -> None:
    """Empty multiply-adds are no cost; a row without a speed is left out and counted."""
    path = write_table(
        tmp_path,
        "benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv",
        INFER,
        "resnet50,224,6128.50,167.091,1024,25.56,4.11,11.11",
        "tresnet_m,224,5000.00,100.000,512,31.39,,",
        "vit_giant,518,,,,1136.00,1784.20,2757.89",
    )
    (table,), _ = read_tables([path])
    known, uncounted = results_of(table, NOW)

    assert {"gmacs", "macts"} <= set(known.costs)
    assert set(uncounted.costs) == {"throughput_img_s", "step_time_ms", "num_params"}
    assert table.num_unmeasured == 1


def test_a_cell_of_another_text_is_no_empty_one(tmp_path: Path) -> None:
    """What cannot be read is named, wherever nothing may stand."""
    row = "resnet50,224,6128.50,167.091,1024,25.56,n/a,11.11"
    path = write_table(tmp_path, "benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv", INFER, row)

    with pytest.raises(RecordError, match=r"line 2, column infer_gmacs: expected a number from 0 on, found 'n/a'"):
        read_tables([path])


def test_training_speed_is_a_cost_of_its_own(tmp_path: Path) -> None:
    """It is never mixed with inference."""
    name = "benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv"
    (result,) = _results(write_table(tmp_path, name, TRAIN, "tinynet_e,11915.85,41.681,512,106,2.04"))

    assert result.protocol.id == "timm-training"
    assert set(result.costs) == {"train_throughput_img_s", "step_time_ms", "num_params"}


def test_a_percentage_that_is_no_share_of_the_images_is_refused(tmp_path: Path) -> None:
    """76.1301 % of 50,000 is no whole number of images, so the table is of other images."""
    path = write_accuracies(tmp_path, GIANT, SMALL.replace("80.212", "80.2131"))

    with pytest.raises(RecordError, match=r"line 3, column top1: 80.2131% of 50,000 images is no whole number"):
        read_tables([path])


@pytest.mark.parametrize("num_samples", [46_837, 50_889, 30_000, 7_500, 10_000, 50_000])
def test_counts_come_back_from_what_timm_prints(num_samples: int) -> None:
    """Four decimals, then three; every count is found again, whatever the number of images."""
    for count in range(0, num_samples, 7):
        assert count_of(float(f"{round(100 * count / num_samples, 4):.3f}"), num_samples) == count


def test_names_stay_unique_when_characters_are_lost() -> None:
    """A hash tells apart what cutting and lower case would make equal."""
    long = "x" * 100
    names = [identifier_of(name, 224) for name in (long, long + "y", "ResNet", "resnet", "a/b")]

    assert len(set(names)) == 5
    assert all(len(name) <= 80 for name in names)
    assert names[3] == "resnet-224"


def test_importing_twice_adds_nothing(tmp_path: Path) -> None:
    """The same statement is not stored again, whenever it is made and from whatever file."""
    store = Store(tmp_path / "results")
    tables, _ = read_tables([write_accuracies(tmp_path)])
    (first,) = import_tables(tables, store, NOW)
    (tmp_path / "copy").mkdir()
    turned, _ = read_tables([write_accuracies(tmp_path, LARGE, GIANT, SMALL), write_accuracies(tmp_path / "copy")])

    second = import_tables(turned, store, NOW + timedelta(days=1))

    assert (first.num_added, first.num_known) == (3, 0)
    assert [(item.num_added, item.num_known) for item in second] == [(0, 3), (0, 3)]
    assert len(store.load()) == 3


def test_a_table_and_its_copy_are_one_statement(tmp_path: Path) -> None:
    """Also within one import."""
    (tmp_path / "copy").mkdir()
    tables, _ = read_tables([write_accuracies(tmp_path), write_accuracies(tmp_path / "copy")])

    found = import_tables(tables, Store(tmp_path / "results"), NOW)

    assert [(item.num_added, item.num_known) for item in found] == [(3, 0), (0, 3)]


def test_the_rest_of_a_killed_import_is_removed_and_the_import_repeated(tmp_path: Path) -> None:
    """A file that was not complete never counted."""
    tables, _ = read_tables([write_accuracies(tmp_path)])
    folder = tmp_path / "results" / "timm-imagenet" / "timm" / "resnet50.a1_in1k-224"
    folder.mkdir(parents=True)
    leftover = folder / f".20260801T100000Z-000000000000.json.{socket.gethostname()}.999999999.00000000.tmp"
    leftover.write_text("{")

    (found,) = import_tables(tables, Store(tmp_path / "results"), NOW)

    assert found.num_added == 3
    assert not leftover.exists()


def test_the_same_speed_on_another_machine_is_another_result(tmp_path: Path) -> None:
    """The environment is part of what is stated."""
    names = ["benchmark-infer-amp-nchw-pt291-cu128-4090.csv", "benchmark-infer-amp-nchw-pt240-cu124-rtx4090.csv"]
    tables, _ = read_tables([write_speeds(tmp_path, name) for name in names])

    assert [item.num_added for item in import_tables(tables, Store(tmp_path / "results"), NOW)] == [2, 2]


def test_a_changed_number_is_added(tmp_path: Path) -> None:
    """When timm corrects a value, both records stand, and the later one is shown."""
    store = Store(tmp_path / "results")
    for hours, top1 in enumerate(("80.212", "80.214")):
        tables, _ = read_tables([write_accuracies(tmp_path, SMALL.replace("80.212", top1))])
        assert import_tables(tables, store, NOW + timedelta(hours=hours))[0].num_added == 1

    ranked = standing(load_board(BOARDS / "timm-imagenet.toml"), frame_of(store.load())).ranked

    assert ranked["metrics.top1.count"].tolist() == [40_107]


def test_the_board_joins_speed_by_architecture_and_size(tmp_path: Path) -> None:
    """The speed at another size is a row of its own, without a rank; what was not measured is missing."""
    shifted = SMALL.replace("80.212", "80.000").replace("94.554", "94.553") + ",-0.2,-0.1,+3"
    ranked = standing(
        load_board(BOARDS / "timm-imagenet.toml"),
        frame_of(
            [
                *_results(write_accuracies(tmp_path), write_speeds(tmp_path)),
                *_results(write_table(tmp_path, "results-imagenet-r.csv", SHIFTED, shifted)),
            ]
        ),
    ).ranked

    found = ranked.set_index("entry")[["rank", "rtx5090.costs.throughput_img_s.value", "r.metrics.top1.value"]]
    expected = pd.DataFrame(
        {
            "timm/eva_giant_patch14_336.clip_ft_in1k-336": [1, None, None],
            "timm/resnet50.a1_in1k-288": [2, None, None],
            "timm/resnet50.a1_in1k-224": [3, 6128.5, 0.8],
            "timm/resnet50-160": [None, 11000.0, None],
        }
    ).T
    assert found.index.tolist() == expected.index.tolist()
    assert np.array_equal(found.to_numpy("float64", na_value=np.nan), expected.to_numpy("float64"), equal_nan=True)


def test_a_board_that_leaves_a_setting_open_is_named(tmp_path: Path) -> None:
    """Two memory formats of one machine: a join that takes both shows either by chance. The shipped board takes one."""
    store = Store(tmp_path / "results")
    names = [f"benchmark-infer-amp-{layout}-pt240-cu124-rtx4090.csv" for layout in ("nchw", "nhwc")]
    tables, _ = read_tables([write_speeds(tmp_path, name) for name in names])
    import_tables(tables, store, NOW)
    shipped = (BOARDS / "timm-imagenet.toml").read_text(encoding="utf-8")
    (tmp_path / "boards").mkdir()
    path = tmp_path / "boards" / "timm-imagenet.toml"
    path.write_text(shipped.replace(', memory_format = "contiguous_format"', ""), encoding="utf-8")

    (error,) = Material(store, path.parent).broken

    assert str(error) == (
        f"{path}: joins.2.environment: fits results of one model that differ in memory_format; say which it shows"
    )
    assert Material(store, BOARDS).broken == []


def test_the_real_tables_join_as_pandas_says(real_data: Path) -> None:
    """1,990 rows, 1,556 with accuracy, and the joins that the description of the tables counts."""
    folder = real_data / "timm-results"
    tables, left_out = read_tables(sorted(folder.glob("*.csv")))
    frame = frame_of([result for table in tables for result in results_of(table, NOW)])

    assert [path.name for path, _ in left_out] == ["model_metadata-in1k.csv"]
    accuracies = frame[frame["dataset.num_samples"] > 0]
    for name in ("entry", "submission.title"):
        assert not accuracies.duplicated(["protocol.id", name]).any()
    place = standing(load_board(BOARDS / "timm-imagenet.toml"), frame)
    rows = place.ranked
    assert (len(rows), place.num_ranked, len(place.unranked)) == (1990, 1556, 0)
    with_rank = rows[rows["rank"].notna()]
    counts = {
        "rtx5090.costs.throughput_img_s.value": 1556,
        "rtx4090.costs.throughput_img_s.value": 1556,
        "rtx4090-torch24.costs.throughput_img_s.value": 1454,
        "rtx3090.costs.train_throughput_img_s.value": 712,
        "a.metrics.top1.value": 1555,
        **{f"{join}.metrics.top1.value": 1556 for join in ("real", "v2", "r", "sketch")},
    }
    assert {name: int(with_rank[name].notna().sum()) for name in counts} == counts

    main = pd.read_csv(folder / "results-imagenet.csv", thousands=",")
    speed = pd.read_csv(folder / "benchmark-infer-amp-nchw-pt291-cu130-5090.csv", thousands=",")
    main["architecture"] = main["model"].str.partition(".")[0]
    keys = ["architecture", "img_size"]
    joined = main.merge(
        speed.rename(columns={"model": "architecture", "infer_img_size": "img_size"}), on=keys, validate="many_to_one"
    )
    joined["entry"] = [identifier_of(*key) for key in zip(joined["model"], joined["img_size"], strict=True)]
    both = with_rank.assign(entry=with_rank["submission.name"]).merge(joined, on="entry", validate="one_to_one")
    assert len(both) == 1556
    assert np.allclose(both["metrics.top1.value"] * 100, both["top1"], rtol=0, atol=1e-9)
    assert (both["rtx5090.costs.throughput_img_s.value"] == both["infer_samples_per_sec"]).all()
    assert (both["rtx5090.costs.gmacs.value"] == both["infer_gmacs"]).all()
    assert np.array_equal(both["rank"], both["top1"].rank(method="min", ascending=False))


def test_the_real_counts_are_those_of_the_protocols(real_data: Path) -> None:
    """No other number of images near it explains the percentages: 46,837 of ReaL's images have a label."""
    folder = real_data / "timm-results"
    for stem, protocol in ACCURACY_FILES.items():
        with (folder / f"{stem}.csv").open(newline="") as stream:
            percents = [float(row["top1"]) for row in csv.DictReader(stream)]
        size = load_protocol(protocol).dataset.num_samples

        assert all(count_of(percent, size) is not None for percent in percents)
        assert not all(count_of(percent, size - 1) is not None for percent in percents)
        assert not all(count_of(percent, size + 1) is not None for percent in percents)
