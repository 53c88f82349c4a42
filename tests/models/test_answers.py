"""Files of answers: devkit text, Kaggle CSV, Parquet, and the devkit's own printed errors."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.classes import ClassTable, class_table
from bench.errors import BenchError, NonFiniteError, OutputError, PredictionsError
from bench.metrics.topk import predictions_from_logits
from bench.models.answers import read_answers, sample_ids_in
from bench.records.predictions import Predictions

# Three classes whose devkit ids are in no order: id 1 is index 2.
CLASSES = ClassTable(
    name="three",
    wnids=("n00000001", "n00000002", "n00000003"),
    names=("a", "b", "c"),
    ilsvrc_ids=(3, 2, 1),
)
IDS = ("ILSVRC2012_val_00000001", "ILSVRC2012_val_00000002")
LABELS_N = np.array([0, 2])


def _read(path: Path, **options: Any) -> Predictions:
    return read_answers(path, classes=CLASSES, sample_ids=IDS, labels_N=LABELS_N, **options)


def _text(tmp_path: Path, text: str, name: str = "answers.txt") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize("text", ["3 2 1\n1\n", "3 2 1\n1", "3\t2  1 \r\n1\r\n", "\ufeff3 2 1\n1\n"])
def test_devkit_ids_become_class_indices(tmp_path: Path, text: str) -> None:
    """Ids are looked up in the class table, whatever white space and line ends the file has."""
    found = _read(_text(tmp_path, text))
    assert found.top_classes_NK.tolist() == [[0, 1, 2], [2, -1, -1]]
    assert not found.has_probabilities
    assert found.sample_ids == IDS


def test_ids_that_are_no_class_are_wrong_but_legal(tmp_path: Path) -> None:
    """`0` is no guess; an id beyond the classes keeps its place and cannot be right (as the devkit counts)."""
    found = _read(_text(tmp_path, "0\n1001 1 -7\n"))
    assert found.top_classes_NK.tolist() == [[-1, -1, -1], [-1, 2, -1]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1\n\n2\n", "line 2 is blank"),
        ("1\n2\n\n", "line 3 is blank"),
        ("1\n", "has 1 lines, expected 2"),
        ("1\n2\n3\n", "has 3 lines, expected 2"),
        ("", "has 0 lines, expected 2"),
        ("1\n2.0\n", "line 2 holds '2.0'"),
        ("1\nn01440764\n", "line 2 holds 'n01440764'"),
        ("1\n1_0\n", "line 2 holds '1_0'"),
        ("1\n1 2 3 4 5 6\n", "line 2 holds 6 numbers"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, says: str) -> None:
    """The number of the line is in the message."""
    with pytest.raises(PredictionsError, match=says):
        _read(_text(tmp_path, text))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("n00000001 n00000003", "n00000003"),  # WNIDs
        ("1 3", "3"),  # Kaggle's labels: the place in alphabetical WNID order, from 1
        ("1 10 20 30 40 3 0 0 5 5", "3 0 0 9.5 9.5"),  # with boxes
        ("n00000001 10 20 30 40 n00000003 0 0 5 5 ", "n00000003 -1 0 5 5"),  # as in Kaggle's solution file
    ],
)
def test_kaggle_rows_in_any_order_with_or_without_boxes(tmp_path: Path, first: str, second: str) -> None:
    """Labels are alphabetical, and rows are found by their image id."""
    text = f"ImageId,PredictionString\n{IDS[1]},{second}\n{IDS[0]}.JPEG,{first}\n"
    found = _read(_text(tmp_path, text, "answers.csv"))
    assert found.top_classes_NK.tolist() == [[0, 2, -1], [2, -1, -1]]


def test_five_labels_are_no_box(tmp_path: Path) -> None:
    """Five whole numbers are labels when they cannot all be boxes."""
    classes = class_table("imagenet-1k")
    text = f"ImageId,PredictionString\n{IDS[0]},5 4 3 2 1\n{IDS[1]},1 2 3 4 5\n"
    found = read_answers(_text(tmp_path, text, "a.csv"), classes=classes, sample_ids=IDS, labels_N=LABELS_N)
    assert found.top_classes_NK[:, :5].tolist() == [[4, 3, 2, 1, 0], [0, 1, 2, 3, 4]]


def test_an_empty_prediction_is_no_guess(tmp_path: Path) -> None:
    """Kaggle's files may leave an image unanswered."""
    found = _read(_text(tmp_path, f"ImageId,PredictionString\n{IDS[0]},\n{IDS[1]},3\n", "answers.csv"))
    assert found.top_classes_NK.tolist() == [[-1, -1, -1], [2, -1, -1]]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("", "2 missing sample ids, the first is 'ILSVRC2012_val_00000001'"),
        (f"{IDS[0]},1\n{IDS[0]},2\n{IDS[1]},1\n", f"1 doubled sample ids, the first is '{IDS[0]}'"),
        (f"{IDS[0]},1\n{IDS[1]},1\nother,1\n", "1 unknown sample ids, the first is 'other'"),
        (f"{IDS[0]},0\n{IDS[1]},1\n", "'0' is no label"),
        (f"{IDS[0]},4\n{IDS[1]},1\n", "'4' is no label"),
        (f"{IDS[0]},n09999999\n{IDS[1]},1\n", "n09999999 is no class of three"),
        (f"{IDS[0]},1 2 3 1 2 3\n{IDS[1]},1\n", "has 6 answers"),
        (f"{IDS[0]},1,2\n{IDS[1]},1\n", "line 2 has 3 columns"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, rows: str, says: str) -> None:
    """The image or the line is in the message."""
    with pytest.raises(PredictionsError, match=says):
        _read(_text(tmp_path, f"ImageId,PredictionString\n{rows}", "answers.csv"))


def test_another_header_or_suffix_is_refused(tmp_path: Path) -> None:
    """What is expected is in the message."""
    with pytest.raises(PredictionsError, match="expected 'ImageId,PredictionString'"):
        _read(_text(tmp_path, "image,label\n", "answers.csv"))
    with pytest.raises(PredictionsError, match=r"suffix '\.json'"):
        _read(_text(tmp_path, "{}", "answers.json"))
    with pytest.raises(PredictionsError, match="no such file"):
        _read(tmp_path / "nothing.txt")


def _parquet(tmp_path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), tmp_path / "answers.parquet")
    return tmp_path / "answers.parquet"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_logits_in_any_order_are_ranked_as_those_of_a_model(tmp_path: Path, dtype: Any) -> None:
    """The rows are sorted into the order of the sample ids, with probabilities."""
    logits_NC = np.array([[0.5, 2.0, -1.0], [3.0, 0.0, 1.0]], dtype)
    path = _parquet(tmp_path, sample_id=[IDS[1], IDS[0]], logits=list(logits_NC))
    expected = predictions_from_logits(IDS, logits_NC[::-1].astype(np.float32), LABELS_N)
    assert _read(path).sha256() == expected.sha256()


def test_the_background_column_is_dropped(tmp_path: Path) -> None:
    """A 1001-class model's logits are read with background = true."""
    path = _parquet(tmp_path, sample_id=list(IDS), logits=[[9.0, 1.0, 2.0, 3.0], [9.0, 3.0, 2.0, 1.0]])
    assert _read(path, background=True).top_classes_NK[:, 0].tolist() == [2, 0]
    with pytest.raises(OutputError, match="has 4 logits, expected 3"):
        _read(path)


def test_ranked_class_indices(tmp_path: Path) -> None:
    """A list of class indices, best first, as short as one likes."""
    path = _parquet(tmp_path, sample_id=list(IDS), classes=[[2, 0], []])
    assert _read(path).top_classes_NK.tolist() == [[2, 0, -1], [-1, -1, -1]]


@pytest.mark.parametrize(
    ("columns", "error", "says"),
    [
        ({"sample_id": IDS, "logits": [[1.0, 2.0, np.nan], [1.0, 2.0, 3.0]]}, NonFiniteError, IDS[0]),
        ({"sample_id": IDS, "logits": [[1.0, 2.0, 3.0], [1.0, np.inf, 3.0]]}, NonFiniteError, IDS[1]),
        ({"sample_id": IDS, "logits": [[1.0, 2.0, 3.0], [1.0]]}, OutputError, "has 1 logits, expected 3"),
        ({"sample_id": IDS, "logits": [1.0, 2.0]}, PredictionsError, "expected lists of floats"),
        ({"sample_id": IDS, "logits": [[1.0, 2.0, 3.0], None]}, PredictionsError, "nulls"),
        ({"sample_id": IDS, "classes": [[0], [3]]}, PredictionsError, r"class indices 0\.\.2"),
        ({"sample_id": IDS, "classes": [[0], [-1]]}, PredictionsError, r"class indices 0\.\.2"),
        ({"sample_id": IDS, "classes": [["0"], ["1"]]}, PredictionsError, "expected lists of integers"),
        ({"sample_id": IDS, "answers": [[0], [1]]}, PredictionsError, "has the columns answers, sample_id"),
        ({"sample_id": [IDS[0], IDS[0]], "classes": [[0], [1]]}, PredictionsError, "doubled"),
    ],
)
def test_a_wrong_column_is_named(tmp_path: Path, columns: dict[str, Any], error: type[BenchError], says: str) -> None:
    """Column, image and value are in the message."""
    with pytest.raises(error, match=says):
        _read(_parquet(tmp_path, **{key: list(value) for key, value in columns.items()}))


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """Truncated or text."""
    with pytest.raises(PredictionsError, match="is no Parquet file"):
        _read(_text(tmp_path, "no parquet", "answers.parquet"))


def test_predictions_of_bench_come_back_unchanged(tmp_path: Path) -> None:
    """What one run wrote can be handed in and scored again."""
    logits_NC = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    written = predictions_from_logits(IDS, logits_NC, LABELS_N)
    written.write(tmp_path / "p.parquet")
    assert _read(tmp_path / "p.parquet").sha256() == written.sha256()


def test_an_invented_probability_of_the_label_is_refused(tmp_path: Path) -> None:
    """The probability of the label must agree with the ranked classes."""
    logits_NC = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    found = predictions_from_logits(IDS, logits_NC, LABELS_N)
    forged = Predictions(**{**vars(found), "label_log_prob_N": np.zeros(2, np.float32)})
    forged.write(tmp_path / "p.parquet")
    with pytest.raises(PredictionsError, match="does not agree with the ranked classes"):
        _read(tmp_path / "p.parquet")


def test_predictions_for_other_classes_are_refused(tmp_path: Path) -> None:
    """The number of classes is part of the file."""
    found = predictions_from_logits(IDS, np.zeros((2, 4), np.float32), LABELS_N)
    found.write(tmp_path / "p.parquet")
    with pytest.raises(OutputError, match="chooses from 4 classes, but three has 3"):
        _read(tmp_path / "p.parquet")


def test_the_sample_ids_of_a_file(tmp_path: Path) -> None:
    """A CSV and a Parquet name their images; a text has lines."""
    csv = _text(tmp_path, f"ImageId,PredictionString\n{IDS[1]}.JPEG,1\n{IDS[0]},2\n", "answers.csv")
    assert sample_ids_in(csv) == IDS
    assert sample_ids_in(_parquet(tmp_path, sample_id=list(IDS), classes=[[0], [1]])) == IDS
    assert len(sample_ids_in(_text(tmp_path, "1\n2\n3\n"))) == 3


@given(rows=st.lists(st.lists(st.integers(-5, 2000), min_size=1, max_size=5), min_size=1, max_size=8))
def test_the_text_format_counts_like_its_definition(rows: list[list[int]], tmp_path_factory: Any) -> None:
    """Written out: guess j of image i is right when its id is the id of the label."""
    classes = class_table("imagenet-1k")
    path = tmp_path_factory.mktemp("answers") / "a.txt"
    path.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
    ids = tuple(f"{index:04d}" for index in range(len(rows)))
    labels_N = np.arange(len(rows))
    found = read_answers(path, classes=classes, sample_ids=ids, labels_N=labels_N)
    for index, row in enumerate(rows):
        hits = [classes.ilsvrc_ids[index] == guess for guess in row]
        assert (found.top_classes_NK[index, : len(row)] == index).tolist() == hits


# The devkit's own numbers (ILSVRC2012 development kit, eval_flat.m; ILSVRC2015, eval_clsloc.m).


@pytest.fixture(scope="module")
def truth(real_data: Path) -> list[int]:
    """The devkit's 50,000 ids."""
    path = real_data / "ilsvrc2015" / "ILSVRC2015_clsloc_validation_ground_truth.txt"
    return [int(line) for line in path.read_text().split()]


def _construction_f(index: int, truth: int) -> list[int]:
    """Image i has m = i mod 6 guesses (31i + 17j) mod 1000 + 1; if m > 0 and i mod 4 == 0, the last one is right."""
    count = index % 6
    guesses = [(31 * index + 17 * place) % 1000 + 1 for place in range(1, count + 1)] or [0]
    if count and index % 4 == 0:
        guesses[-1] = truth
    return guesses


def _construction_c2(index: int, truth: int) -> list[int]:
    """Guess j is (7i + 13j + 5) mod 1000 + 1; with r = i mod 7 + 1, guess r is right when r <= 5."""
    guesses = [(7 * index + 13 * place + 5) % 1000 + 1 for place in range(1, 6)]
    if (rank := index % 7 + 1) <= 5:
        guesses[rank - 1] = truth
    return guesses


def _errors(path: Path, truth: list[int]) -> list[float]:
    """The flat errors for one to five guesses."""
    classes = class_table("imagenet-1k")
    ids = tuple(f"ILSVRC2012_val_{number:08d}" for number in range(1, 50_001))
    labels_N: npt.NDArray[np.int64] = np.array([classes.index_of_ilsvrc_id(value) for value in truth])
    found = read_answers(path, classes=classes, sample_ids=ids, labels_N=labels_N)
    hits_NK = found.top_classes_NK[:, :5] == labels_N[:, None]
    return [float(1 - hits_NK[:, :k].any(axis=1).mean()) for k in range(1, 6)]


@pytest.mark.parametrize(
    ("construction", "expected"),
    [
        (_construction_f, [0.99908, 0.91548, 0.9148, 0.8315, 0.83122]),
        (_construction_c2, [0.85636, 0.71312, 0.57026, 0.42720, 0.28450]),
    ],
)
def test_the_flat_error_is_the_devkits(
    tmp_path: Path, truth: list[int], construction: Callable[[int, int], list[int]], expected: list[float]
) -> None:
    """The official evaluator printed these numbers for these constructions."""
    rows = [construction(index, label) for index, label in enumerate(truth, start=1)]
    path = _text(tmp_path, "".join(" ".join(map(str, row)) + "\n" for row in rows))
    assert _errors(path, truth) == pytest.approx(expected, abs=1e-11)


def test_the_oracles_labels_give_the_oracles_errors(tmp_path: Path, truth: list[int], real_data: Path) -> None:
    """Predictions as real files hold them, with the numbers that the official evaluator printed."""
    folder = real_data / "ilsvrc2015" / "oracle"
    lines = gzip.decompress((folder / "clsloc_predictions.txt.gz").read_bytes()).decode().splitlines()
    path = _text(tmp_path, "".join(" ".join(line.split()[::5]) + "\n" for line in lines))
    printed = json.loads((folder / "expected.json").read_text())["clsloc"]["max_num_pred_per_image"]
    assert _errors(path, truth) == pytest.approx([printed[str(k)]["cls_error"] for k in range(1, 6)], abs=1e-11)


def test_kaggles_solution_file_is_a_perfect_answer(tmp_path: Path, truth: list[int], real_data: Path) -> None:
    """WNIDs with boxes, in Kaggle's own order, give no error at all."""
    text = gzip.decompress((real_data / "ilsvrc2015" / "LOC_val_solution.csv.gz").read_bytes()).decode()
    with pytest.raises(PredictionsError, match="answers, at most 5"):  # an image may have more than five boxes
        _errors(_text(tmp_path, text, "solution.csv"), truth)
    rows = [line.partition(",") for line in text.splitlines()]
    first_five = "".join(f"{name},{' '.join(groups.split()[:25])}\n" for name, _, groups in rows)
    assert _errors(_text(tmp_path, first_five, "answers.csv"), truth) == [0.0] * 5
