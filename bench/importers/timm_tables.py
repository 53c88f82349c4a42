"""timm's CSV tables of accuracy and speed: recognised by name and columns, every cell checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from bench.errors import RecordError, nearest
from bench.files import sha256_of_file
from bench.records.protocol import Interpolation
from bench.records.result import Scalar

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ACCURACY_FILES", "SpeedKind", "Table", "UnknownTable", "read_table"]

ACCURACY_FILES = {
    "results-imagenet": "timm-imagenet",
    "results-imagenet-real": "timm-imagenet-real",
    "results-imagenetv2-matched-frequency": "timm-imagenetv2",
    "results-imagenet-a": "timm-imagenet-a",
    "results-imagenet-r": "timm-imagenet-r",
    "results-sketch": "timm-imagenet-sketch",
}
"""From the name of a table of accuracies, without `.csv`, to the protocol of its results."""

_SPEED_FILE = re.compile(
    r"benchmark-(?P<kind>infer|train)-(?P<precision>[a-z0-9]+)-(?P<layout>nchw|nhwc)"
    r"-pt(?P<torch>[12]\d{1,3})-cu(?P<cuda>\d{3})-(?P<gpu>[a-z0-9_]+)"
)
_SPEED_EXAMPLE = "benchmark-infer-amp-nchw-pt291-cu130-5090.csv"
_LAYOUTS = {"nchw": "contiguous_format", "nhwc": "channels_last"}  # torch's names, as in results of our own
_NUMBER = r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"  # timm writes "1,013.01"


class SpeedKind(NamedTuple):
    """Inference or training."""

    protocol: str
    """The protocol of the results."""
    prefix: str
    """What the names of the columns begin with."""
    throughput: str
    """The cost that the images a second become."""


_SPEED = {
    "infer": SpeedKind("timm-inference", "infer_", "throughput_img_s"),
    "train": SpeedKind("timm-training", "train_", "train_throughput_img_s"),
}


class UnknownTable(Exception):  # noqa: N818 - nothing is wrong with such a file; it is named and left out
    """A file is none of timm's tables of accuracy or speed; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table, whose cells are all valid."""

    path: Path
    sha256: str
    """The sha256 of the file."""
    protocol: str
    """The protocol of its results."""
    speed: SpeedKind | None
    """What kind of speed it tells; None for accuracies."""
    environment: dict[str, Scalar]
    """The machine and the libraries that the name tells; empty for accuracies."""
    frame: pd.DataFrame
    """A row a model and size: `model`, `img_size`, `param_count` (millions); `top1`, `top5` (percent), `crop_pct`,
    `interpolation`; or `samples_per_sec`, `step_time` (ms), `batch_size` and for inference `gmacs`, `macts`, which may
    be missing."""
    num_unmeasured: int = 0
    """Rows without a speed, of models that could not be run; they are left out."""


class _Cell(NamedTuple):
    """What the cells of a column hold."""

    words: str
    read: Callable[[pd.Series[Any]], pd.Series[Any]]
    """From text to values, missing where the text is none of these."""
    may_be_empty: bool = False
    """timm leaves some of its cells empty, where it could not count."""


def read_table(path: Path) -> Table:
    """The table in a file.

    Raises:
        UnknownTable: It is none of timm's tables of accuracy or speed.
        RecordError: It is one and is broken; file, line and column are named.
    """
    match = _SPEED_FILE.fullmatch(path.stem)
    if path.stem not in ACCURACY_FILES and match is None:
        raise UnknownTable(_why_unknown(path.stem))
    if match is None:
        speed, protocol, machine, prefix, cells = None, ACCURACY_FILES[path.stem], {}, "", _ACCURACY
    else:
        speed = _SPEED[match["kind"]]
        protocol, machine, prefix = speed.protocol, _machine_of(match), speed.prefix
        cells = _INFERENCE if match["kind"] == "infer" else _TRAINING
    # Only what was measured carries the prefix, in timm's files.
    names = {name: name if name in ("model", "param_count") else prefix + name for name in cells}
    text, num_unmeasured = _read_text(path), 0
    if (fastest := names.get("samples_per_sec")) in text.columns:
        is_measured = text[fastest] != ""
        text, num_unmeasured = text[is_measured], int((~is_measured).sum())
    frame = _read_cells(text, cells, names, path)
    return Table(
        path=path,
        sha256=sha256_of_file(path),
        protocol=protocol,
        speed=speed,
        environment=machine,
        frame=frame,
        num_unmeasured=num_unmeasured,
    )


def _machine_of(match: re.Match[str]) -> dict[str, Scalar]:
    """The environment that the name of a benchmark file tells.

    >>> _machine_of(_SPEED_FILE.fullmatch("benchmark-train-amp-nhwc-pt112-cu113-rtx3090"))["torch"]
    '1.12'
    """
    torch, gpu = match["torch"], match["gpu"]
    # 1.x stands there without its patch (pt112), 2.x with it (pt291).
    version = ["1", torch[1:]] if torch[0] == "1" else ["2", torch[1:-1], torch[-1]]
    geforce = re.fullmatch(r"(?:rtx)?_?(\d{4})", gpu)
    return {
        "gpu": f"RTX {geforce[1]}" if geforce else gpu.upper().replace("_", " "),
        "torch": ".".join(part for part in version if part),
        "cuda": f"{match['cuda'][:2]}.{match['cuda'][2:]}",
        "precision": match["precision"],
        "memory_format": _LAYOUTS[match["layout"]],
    }


def _why_unknown(stem: str) -> str:
    if stem.startswith("benchmark-"):
        return f"its name does not tell GPU, PyTorch and CUDA in the way of {_SPEED_EXAMPLE}"
    if stem.startswith("results-"):
        return f"there is no protocol for these images; {nearest(stem, ACCURACY_FILES)}"
    return "it does not hold accuracy or speed by model and input size"


def _read_text(path: Path) -> pd.DataFrame:
    """All cells as text; the index is the number of the line, blank lines are left out."""
    import pandas as pd

    try:
        # Blank lines are read at first, so that the others keep their numbers; the header is read as a line of text,
        # so that a line with more cells than it is an error and not a silent loss.
        lines = pd.read_csv(path, dtype=str, header=None, na_filter=False, skip_blank_lines=False)
    except pd.errors.EmptyDataError as error:
        raise RecordError("is empty; expected a line of column names", path=path) from error
    except pd.errors.ParserError as error:
        raise RecordError(f"is no table: {str(error).strip()}", path=path) from error
    except UnicodeDecodeError as error:
        raise RecordError(f"is not UTF-8 text (byte {error.start})", path=path) from error
    except OSError as error:
        raise RecordError(f"cannot be read ({error.strerror or error})", path=path) from error
    lines = lines.fillna("").set_axis(range(1, len(lines) + 1))
    text = lines.iloc[1:].set_axis(lines.iloc[0], axis="columns")
    return text[(text != "").any(axis="columns")]


def _read_cells(text: pd.DataFrame, cells: dict[str, _Cell], names: dict[str, str], path: Path) -> pd.DataFrame:
    """The values of the wanted columns.

    Args:
        text: The table as text, indexed by line.
        cells: What each wanted column holds.
        names: How each of them is named in the file.
        path: The file, for errors.
    """
    import pandas as pd

    if len(set(text.columns)) < len(text.columns):
        raise RecordError("has two columns of one name", path=path, key="line 1")
    if missing := [name for name in names.values() if name not in text.columns]:
        raise RecordError(f"lacks the column {missing[0]!r}; {nearest(missing[0], text.columns)}", path=path)
    columns = {}
    for name, cell in cells.items():
        found = text[names[name]]
        columns[name] = cell.read(found)
        broken = columns[name].isna()
        if cell.may_be_empty:
            broken &= found != ""
        if broken.any():
            line, value = broken.idxmax(), found[broken].iloc[0]
            raise RecordError(f"expected {cell.words}, found {value!r}", path=path, key=_place(line, names[name]))
    frame = pd.DataFrame(columns)
    if (doubled := frame.duplicated(["model", "img_size"])).any():
        line, again = doubled.idxmax(), frame[doubled].iloc[0]
        raise RecordError(
            f"{again['model']!r} at {again['img_size']} px is there twice", path=path, key=_place(line, names["model"])
        )
    return frame


def _place(line: Any, column: str) -> str:
    return f"line {line}, column {column}"


def _models(text: pd.Series[Any]) -> pd.Series[Any]:
    return text.where(text.str.fullmatch(r"[\w.-]{1,110}", flags=re.ASCII))


def _interpolations(text: pd.Series[Any]) -> pd.Series[Any]:
    return text.where(text.isin(get_args(Interpolation)))


def _numbers(text: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers with or without commas between the thousands; missing where a text is none."""
    plain = text.where(text.str.fullmatch(_NUMBER)).str.replace(",", "", regex=False)
    return plain.astype("float64")


def _positive(text: pd.Series[Any]) -> pd.Series[Any]:
    numbers = _numbers(text)
    return numbers.where(numbers > 0)


def _not_negative(text: pd.Series[Any]) -> pd.Series[Any]:
    numbers = _numbers(text)
    return numbers.where(numbers >= 0)


def _percents(text: pd.Series[Any]) -> pd.Series[Any]:
    numbers = _numbers(text)
    return numbers.where(numbers.between(0, 100))


def _counts(text: pd.Series[Any]) -> pd.Series[Any]:
    numbers = _numbers(text)
    return numbers.where((numbers > 0) & (numbers % 1 == 0)).astype("Int64")


_PERCENT = _Cell("a number from 0 to 100", _percents)
_POSITIVE = _Cell("a number above 0", _positive)
_NOT_NEGATIVE = _Cell("a number from 0 on", _not_negative)
_COUNT = _Cell("a whole number above 0", _counts)
_MODEL = {
    "model": _Cell("a model's name of letters, digits, '_', '-' and '.'", _models),
    "img_size": _COUNT,
    "param_count": _NOT_NEGATIVE,
}
_ACCURACY = _MODEL | {
    "top1": _PERCENT,
    "top5": _PERCENT,
    "crop_pct": _POSITIVE,
    "interpolation": _Cell(f"one of {', '.join(get_args(Interpolation))}", _interpolations),
}
_TRAINING = _MODEL | {"samples_per_sec": _POSITIVE, "step_time": _POSITIVE, "batch_size": _COUNT}
_COUNTED = _NOT_NEGATIVE._replace(may_be_empty=True)
_INFERENCE = _TRAINING | {"gmacs": _COUNTED, "macts": _COUNTED}
