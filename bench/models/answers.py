"""Model source `predictions`: a file of answers, with no model behind it.

| file | one row | classes are |
|---|---|---|
| `.txt` | up to five ids, best first; lines in the order of the sample ids | ILSVRC2012 ids (the development kit's) |
| `.csv` | `ImageId,PredictionString`, the latter with or without boxes | WNIDs, or Kaggle's 1..N (alphabetical WNIDs) |
| `.parquet` | `sample_id` and `logits`, or `sample_id` and `classes` | class indices 0..N-1 |
| `.parquet` | a file that bench wrote for an earlier run | class indices 0..N-1 |

Shape letters: N samples, C classes, K ranked classes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.data.classes import ClassTable, is_wnid
from bench.errors import PredictionsError
from bench.metrics.topk import predictions_from_ranked
from bench.models.source import ModelSource
from bench.records.predictions import Predictions, check_sample_ids

if TYPE_CHECKING:
    from _csv import Reader

__all__ = ["SOURCE", "read_answers", "sample_ids_in"]

SOURCE = ModelSource(
    takes=frozenset({"file", "sha256"}),
    needs=frozenset({"file"}),
    runs_code=False,
    build=None,
)

_MAX_ANSWERS = 5
"""Guesses an image that the challenge allows (ILSVRC2012 development kit, readme section 3)."""
_NO_ANSWER = -1
_NUMBERS_A_BOX = 5  # a label and xmin ymin xmax ymax


def read_answers(
    path: Path,
    *,
    classes: ClassTable,
    sample_ids: tuple[str, ...],
    labels_N: npt.NDArray[np.int64],
    background: bool = False,
) -> Predictions:
    """The predictions in a file, in the order of the sample ids; its suffix says which format it has.

    Args:
        path: A `.txt`, `.csv` or `.parquet` file, see the module's table.
        classes: The class table that the answers choose from.
        sample_ids: The sample ids, sorted; each must be answered once.
        labels_N: Class indices of the ground truth, for the probabilities of `logits`.
        background: Column 0 of `logits` is the extra class of the 1001-class convention and is dropped.

    Raises:
        PredictionsError: The file has another format, or lacks, doubles or invents sample ids.
        OutputError: Logits with a wrong number of classes.
        NonFiniteError: Logits that are NaN or infinite.
    """
    readers = {".txt", ".csv", ".parquet"}
    if path.suffix not in readers:
        raise PredictionsError(f"has the suffix {path.suffix!r}, expected .txt, .csv or .parquet", path=path)
    if path.suffix == ".parquet":
        from bench.models.answers_parquet import read_parquet

        return read_parquet(path, classes, sample_ids, labels_N, background=background)
    text = _read_text(path)
    rows = _devkit_rows(path, text, classes, len(sample_ids)) if path.suffix == ".txt" else None
    if rows is None:
        by_id = _csv_rows(path, text, classes, sample_ids)
        rows = [by_id[name] for name in sample_ids]
    return predictions_from_ranked(sample_ids, _padded(rows), classes.num_classes)


def sample_ids_in(path: Path) -> tuple[str, ...]:
    """The sample ids that a file answers, sorted; a devkit text has none, so its lines are numbered.

    Raises:
        PredictionsError: The file cannot be read.
    """
    if path.suffix == ".parquet":
        from bench.models.answers_parquet import read_table

        return tuple(sorted(set(read_table(path)["sample_id"].to_pylist())))
    lines = _read_text(path).splitlines()
    if path.suffix == ".csv":
        return tuple(sorted({_sample_id(line.partition(",")[0]) for line in lines[1:]}))
    return tuple(f"{number:08d}" for number in range(len(lines)))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise PredictionsError("there is no such file", path=path) from error
    except (OSError, UnicodeDecodeError) as error:
        raise PredictionsError(f"cannot be read as text ({error})", path=path) from error


def _sample_id(cell: str) -> str:
    return cell.strip().strip('"').removesuffix(".JPEG")


def _padded(rows: list[list[int]]) -> npt.NDArray[np.int16]:
    ranked_NK = np.full((len(rows), _MAX_ANSWERS), _NO_ANSWER, np.int16)
    for index, row in enumerate(rows):
        ranked_NK[index, : len(row)] = row
    return ranked_NK


def _devkit_rows(path: Path, text: str, classes: ClassTable, num_samples: int) -> list[list[int]]:
    """Class indices a line; an id that is no class is a legal guess that cannot be right, and `0` is no guess."""
    rows = []
    lines = text.removesuffix("\n").split("\n") if text else []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            raise PredictionsError(f"line {number} is blank; write 0 where there is no guess", path=path)
        if len(words) > _MAX_ANSWERS:
            raise PredictionsError(
                f"line {number} holds {len(words)} numbers, at most {_MAX_ANSWERS} ILSVRC2012 ids are scored; of a "
                "localization file keep the labels only",
                path=path,
            )
        rows.append([_of_devkit_id(word, classes, path, number) for word in words])
    if len(rows) != num_samples:
        raise PredictionsError(
            f"has {len(rows):,} lines, expected {num_samples:,}: one an image, in the order of the sample ids",
            path=path,
        )
    return rows


def _of_devkit_id(word: str, classes: ClassTable, path: Path, number: int) -> int:
    ilsvrc_id = _whole_number(word)
    if ilsvrc_id is None:
        raise PredictionsError(f"line {number} holds {word!r}, expected an ILSVRC2012 id such as 490", path=path)
    index = classes.index_of_ilsvrc_id(ilsvrc_id)
    return _NO_ANSWER if index is None else index


def _whole_number(word: str) -> int | None:
    """The number that plain ASCII digits write; None for anything else."""
    digits = word.removeprefix("-")
    return int(word) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def _csv_rows(path: Path, text: str, classes: ClassTable, sample_ids: tuple[str, ...]) -> dict[str, list[int]]:
    """Class indices by sample id, from a CSV in Kaggle's format."""
    reader = csv.reader(text.splitlines())
    header = [cell.strip() for cell in next(_csv_lines(reader, path), [])]
    if header != ["ImageId", "PredictionString"]:
        raise PredictionsError(f"starts with {','.join(header)!r}, expected 'ImageId,PredictionString'", path=path)
    names: list[str] = []
    answers: list[list[str]] = []
    for cells in _csv_lines(reader, path):
        if len(cells) != 2:
            raise PredictionsError(f"line {reader.line_num} has {len(cells)} columns, expected 2", path=path)
        names.append(_sample_id(cells[0]))
        answers.append(cells[1].split())
    check_sample_ids(names, sample_ids, path=path)
    with_boxes = _have_boxes(answers)
    rows = {}
    for name, words in zip(names, answers, strict=True):
        labels = words[::_NUMBERS_A_BOX] if with_boxes else words
        if len(labels) > _MAX_ANSWERS:
            raise PredictionsError(
                f"image {name} has {len(labels)} answers, at most {_MAX_ANSWERS} are scored", path=path
            )
        rows[name] = [_of_label(label, classes, path, name) for label in labels]
    return rows


def _csv_lines(reader: Reader, path: Path) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:  # an open quote swallows the rest of the file
        raise PredictionsError(
            f"line {reader.line_num} is no CSV ({error}); is a quote left open?", path=path
        ) from error


def _have_boxes(answers: list[list[str]]) -> bool:
    """Whether the rows are groups `label xmin ymin xmax ymax` rather than labels alone.

    Five integers may be either. They are groups when every row of the file divides into groups whose boxes have
    xmin <= xmax and ymin <= ymax; labels alone look like that by chance in one row of four.
    """
    groups = [row[at : at + _NUMBERS_A_BOX] for row in answers for at in range(0, len(row), _NUMBERS_A_BOX)]
    return bool(groups) and all(_is_group(group) for group in groups)


def _is_group(group: list[str]) -> bool:
    try:
        xmin, ymin, xmax, ymax = (float(word) for word in group[1:])
    except ValueError:
        return False
    return xmin <= xmax and ymin <= ymax


def _of_label(word: str, classes: ClassTable, path: Path, name: str) -> int:
    if is_wnid(word):
        index = classes.index_of_wnid(word)
        if index is None:
            raise PredictionsError(f"image {name}: {word} is no class of {classes.name}", path=path)
        return index
    number = _whole_number(word)
    if number is None or not 1 <= number <= classes.num_classes:
        raise PredictionsError(
            f"image {name}: {word!r} is no label; write a WNID, or Kaggle's 1 to {classes.num_classes} "
            "(the class's place in alphabetical WNID order, counted from 1)",
            path=path,
        )
    return number - 1
