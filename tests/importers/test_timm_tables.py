"""Reading timm's tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from importers.timm_files import GIANT, INFER, RESULTS, SMALL, TRAIN, write_accuracies, write_speeds, write_table

from bench.errors import RecordError
from bench.importers.timm_tables import ACCURACY_FILES, UnknownTable, read_table
from bench.protocols import load_protocol


def test_commas_between_thousands_are_read_as_numbers(tmp_path: Path) -> None:
    """Timm writes parameters above a thousand million as "1,013.01"."""
    frame = read_table(write_accuracies(tmp_path)).frame

    assert frame["param_count"].tolist() == [1013.01, 25.56, 25.56]
    assert frame["img_size"].tolist() == [336, 224, 288]


def test_every_table_of_accuracies_has_a_protocol(tmp_path: Path) -> None:
    """Its name decides which."""
    for stem, protocol in ACCURACY_FILES.items():
        table = read_table(write_table(tmp_path, f"{stem}.csv", RESULTS, GIANT))

        assert (table.protocol, table.speed, table.environment) == (protocol, None, {})
        assert load_protocol(protocol).kind == "reported"


@pytest.mark.parametrize(
    ("name", "gpu", "torch", "cuda"),
    [
        ("benchmark-infer-amp-nchw-pt291-cu130-5090.csv", "RTX 5090", "2.9.1", "13.0"),
        ("benchmark-infer-amp-nchw-pt291-cu128-4090.csv", "RTX 4090", "2.9.1", "12.8"),
        ("benchmark-infer-amp-nchw-pt240-cu124-rtx4090.csv", "RTX 4090", "2.4.0", "12.4"),
        ("benchmark-infer-amp-nchw-pt2101-cu130-rtx_5090.csv", "RTX 5090", "2.10.1", "13.0"),
        ("benchmark-infer-amp-nchw-pt21-cu118-a100_80gb.csv", "A100 80GB", "2.1", "11.8"),
    ],
)
def test_the_name_of_a_benchmark_tells_the_machine(tmp_path: Path, name: str, gpu: str, torch: str, cuda: str) -> None:
    """Both spellings of one GPU are one GPU."""
    table = read_table(write_speeds(tmp_path, name))

    assert table.protocol == "timm-inference"
    assert table.environment == {
        "gpu": gpu,
        "torch": torch,
        "cuda": cuda,
        "precision": "amp",
        "memory_format": "contiguous_format",
    }


def test_training_has_columns_of_its_own(tmp_path: Path) -> None:
    """Other names, another order, no multiply-adds; torch 1.12 has two parts."""
    name = "benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv"
    table = read_table(write_table(tmp_path, name, TRAIN, "tinynet_e,11915.85,41.681,512,106,2.04"))

    assert (table.protocol, table.environment["torch"]) == ("timm-training", "1.12")
    assert table.environment["memory_format"] == "channels_last"
    assert table.frame.to_dict("records") == [
        {
            "model": "tinynet_e",
            "img_size": 106,
            "param_count": 2.04,
            "samples_per_sec": 11915.85,
            "step_time": 41.681,
            "batch_size": 512,
        }
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("model_metadata-in1k.csv", "does not hold accuracy or speed"),
        ("results-imagenet-a-clean.csv", "no protocol for these images; did you mean .*results-imagenet-a"),
        ("benchmark-infer-fp32-nchw-pt240-cpu-i7_12700h-dynamo.csv", "does not tell GPU"),
    ],
)
def test_other_files_are_not_tables(tmp_path: Path, name: str, reason: str) -> None:
    """They are told apart by name, before anything is read."""
    with pytest.raises(UnknownTable, match=reason):
        read_table(write_table(tmp_path, name, "model,pretrain", "bat_resnext26ts,in1k"))


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "found"),
    [
        ("80.212", "80.2x2", 3, "top1", "a number from 0 to 100, found '80.2x2'"),
        ("80.212", "nan", 3, "top1", "found 'nan'"),
        ("80.212", "", 3, "top1", "found ''"),
        ("94.554", "194.554", 3, "top5", "found '194.554'"),
        ("25.56", "2,5.56", 3, "param_count", "found '2"),
        ("25.56", "-25.56", 3, "param_count", "found '-25.56'"),
        (",224,", ",224.5,", 3, "img_size", "a whole number above 0, found '224.5'"),
        (",224,", ",0,", 3, "img_size", "found '0'"),
        ("0.950", "0", 3, "crop_pct", "a number above 0, found '0'"),
        ("bicubic", "random", 3, "interpolation", "one of nearest, .*, found 'random'"),
        ("resnet50.a1_in1k", "<b>resnet</b>", 3, "model", "found '<b>resnet</b>'"),
        ("resnet50.a1_in1k", "", 3, "model", "found ''"),
    ],
)
def test_a_broken_cell_is_named_by_file_line_and_column(
    tmp_path: Path, old: str, new: str, line: int, column: str, found: str
) -> None:
    """As an editor counts lines, the header being the first."""
    cell = f'"{new}"' if "," in new.strip(",") else new
    path = write_accuracies(tmp_path, GIANT, SMALL.replace(old, cell))

    with pytest.raises(RecordError, match=rf"results-imagenet\.csv: line {line}, column {column}: expected .*{found}"):
        read_table(path)


def test_blank_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    """The number of a line stays that of the file."""
    assert read_table(write_accuracies(tmp_path, GIANT, "", SMALL)).frame.index.tolist() == [2, 4]
    with pytest.raises(RecordError, match="line 4, column top1"):
        read_table(write_accuracies(tmp_path, GIANT, "", SMALL.replace("80.212", "?")))


def test_a_column_of_a_benchmark_is_named_as_in_the_file(tmp_path: Path) -> None:
    """With its prefix."""
    path = write_table(
        tmp_path, "benchmark-infer-amp-nchw-pt291-cu130-5090.csv", INFER, "vit,160,0,5.426,1024,0.37,0.04,0.48"
    )

    with pytest.raises(RecordError, match="line 2, column infer_samples_per_sec: expected a number above 0, found '0'"):
        read_table(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (RESULTS.encode() + b",top1\n", "line 1: has two columns of one name"),
        (b"model,img_size\nvit,224\n", "lacks the column 'param_count'"),
        (RESULTS.encode() + b"\n" + SMALL.encode() + b",1,2,3\n" + GIANT.encode() + b"\n", "is no table: .* line 2"),
        (RESULTS.encode() + b"\n" + GIANT.encode() + b"\n" + SMALL.encode() + b",1,2\n", "is no table: .* line 3"),
        (b"mod\xffel,img_size\n", "is not UTF-8 text"),
        (
            (RESULTS + "\n" + SMALL + "\n" + SMALL).encode(),
            "line 3, column model: 'resnet50.a1_in1k' at 224 px is there twice",
        ),
        ((RESULTS + "\nvit,224").encode(), "line 2, column param_count: expected a number from 0 on, found ''"),
    ],
)
def test_a_broken_table_is_a_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    """Nothing of it is guessed."""
    path = tmp_path / "results-imagenet.csv"
    path.write_bytes(content)

    with pytest.raises(RecordError, match=reason):
        read_table(path)
