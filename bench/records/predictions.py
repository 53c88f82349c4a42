"""Predictions: what a model answered to each image, enough for every metric and paired test, in Parquet.

Shape letters: N samples, K ranked classes (at most 10).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import PredictionsError
from bench.files import canonical_json

__all__ = ["NUM_KEPT", "Predictions", "check_sample_ids"]

NUM_KEPT = 10
"""How many classes are kept per image, best first."""

_META_KEY = b"ilsvrc-bench"
_FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """The answers of one run, in the canonical order of the dataset's sample ids.

    Answers that come without probabilities (a list of ids) have NaN in all three probability columns.
    """

    sample_ids: tuple[str, ...]
    """The sample ids, sorted, each once."""
    top_classes_NK: npt.NDArray[np.int16]
    """Class indices, best first; -1 where fewer were answered."""
    top_log_probs_NK: npt.NDArray[np.float32]
    """Natural-log probabilities of these classes."""
    label_log_prob_N: npt.NDArray[np.float32]
    """Natural-log probability of the protocol's label."""
    sum_squared_probs_N: npt.NDArray[np.float32]
    """Sum over all classes of the squared probability, for the Brier score."""
    num_classes: int
    """How many classes there were to choose from."""

    def __post_init__(self) -> None:
        num_samples = len(self.sample_ids)
        shape = (num_samples, min(NUM_KEPT, self.num_classes))
        expected = {
            "top_classes_NK": (shape, np.int16),
            "top_log_probs_NK": (shape, np.float32),
            "label_log_prob_N": ((num_samples,), np.float32),
            "sum_squared_probs_N": ((num_samples,), np.float32),
        }
        for name, (wanted, dtype) in expected.items():
            array = getattr(self, name)
            if array.shape != wanted or array.dtype != dtype:
                raise PredictionsError(
                    f"{name} has shape {array.shape} and type {array.dtype}, expected {wanted} and {np.dtype(dtype)}"
                )
        if num_samples and (self.top_classes_NK.min() < -1 or self.top_classes_NK.max() >= self.num_classes):
            raise PredictionsError(f"a class index lies outside 0..{self.num_classes - 1}")

    @property
    def has_probabilities(self) -> bool:
        """Whether probabilities are known, not only the order of the classes."""
        return bool(np.isfinite(self.label_log_prob_N).all())

    def sha256(self) -> str:
        """The content address: a hash of the columns, whatever the bytes of the Parquet file."""
        header = {
            "format_version": _FORMAT_VERSION,
            "num_classes": self.num_classes,
            "kept": self.top_classes_NK.shape[1],
        }
        content = hashlib.sha256(canonical_json(header).encode())
        content.update("\n".join(self.sample_ids).encode())
        for array in (self.top_classes_NK, self.top_log_probs_NK, self.label_log_prob_N, self.sum_squared_probs_N):
            content.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        return content.hexdigest()

    def write(self, path: Path) -> None:
        """Writes the Parquet file at `path`; use it through `bench.files.write_atomic`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        kept = self.top_classes_NK.shape[1]
        table = pa.table(
            {
                "sample_id": pa.array(self.sample_ids, pa.string()),
                "top_classes": pa.FixedSizeListArray.from_arrays(pa.array(self.top_classes_NK.ravel()), kept),
                "top_log_probs": pa.FixedSizeListArray.from_arrays(pa.array(self.top_log_probs_NK.ravel()), kept),
                "label_log_prob": pa.array(self.label_log_prob_N),
                "sum_squared_probs": pa.array(self.sum_squared_probs_N),
            }
        )
        meta = canonical_json({"format_version": _FORMAT_VERSION, "num_classes": self.num_classes})
        pq.write_table(table.replace_schema_metadata({_META_KEY: meta.encode()}), path, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """The predictions in a file that `write` made.

        Raises:
            PredictionsError: The file is not such a file, or a newer bench wrote it.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
            meta: dict[str, Any] = json.loads((table.schema.metadata or {})[_META_KEY])
        except (OSError, pa.ArrowInvalid, KeyError, ValueError) as error:
            raise PredictionsError("is not a predictions file of bench", path=path) from error
        if meta["format_version"] > _FORMAT_VERSION:
            raise PredictionsError("was written by a newer bench; upgrade ilsvrc-bench", path=path)
        kept = min(NUM_KEPT, meta["num_classes"])

        def column(name: str) -> npt.NDArray[Any]:
            values: npt.NDArray[Any] = table[name].combine_chunks().to_numpy(zero_copy_only=False)
            return values

        def nested(name: str) -> npt.NDArray[Any]:
            values: npt.NDArray[Any] = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            return values.reshape(-1, kept)

        return cls(
            sample_ids=tuple(table["sample_id"].to_pylist()),
            top_classes_NK=nested("top_classes"),
            top_log_probs_NK=nested("top_log_probs"),
            label_log_prob_N=column("label_log_prob"),
            sum_squared_probs_N=column("sum_squared_probs"),
            num_classes=meta["num_classes"],
        )


def check_sample_ids(found: list[str], expected: tuple[str, ...], *, path: Path | str | None = None) -> None:
    """Makes sure that each expected sample id is there exactly once and no other one.

    Raises:
        PredictionsError: Names the first missing, doubled or unknown id and how many there are.
    """
    known, seen = set(expected), set(found)
    problems = []
    if unknown := [name for name in found if name not in known]:
        problems.append(f"{len(unknown):,} unknown sample ids, the first is {unknown[0]!r}")
    if len(seen) < len(found):
        counted: set[str] = set()
        doubled = [name for name in found if name in counted or counted.add(name)]  # type: ignore[func-returns-value]
        problems.append(f"{len(doubled):,} doubled sample ids, the first is {doubled[0]!r}")
    if missing := [name for name in expected if name not in seen]:
        problems.append(f"{len(missing):,} missing sample ids, the first is {missing[0]!r}")
    if problems:
        raise PredictionsError(
            f"does not answer each of the {len(expected):,} images once: {'; '.join(problems)}", path=path
        )
