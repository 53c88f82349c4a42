"""The digest of a dataset: ids, labels and a content hash per file, remembered where size and mtime stay equal."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.data.classes import ClassTable
from bench.data.dataset import Dataset, Sample, read_sample
from bench.errors import DataError
from bench.files import digest_of, write_atomic

__all__ = ["content_hashes", "dataset_digest", "digest_of_hashes", "manifest_path"]

_CHUNK_SAMPLES = 32
_COLUMNS = ("path", "offset", "num_bytes", "mtime_ns", "sha256")

Progress = Callable[[int], None]
_Key = tuple[str, int]
"""Path and offset of an image."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A content hash and what the file looked like when it was taken."""

    num_bytes: int
    mtime_ns: int
    sha256: bytes


def dataset_digest(
    dataset: Dataset, *, cache_folder: Path | None, num_threads: int, on_progress: Progress | None = None
) -> str:
    """The sha256 over (id, label, content hash) of all samples: equal for equal content in any layout.

    Args:
        dataset: The samples, all of one split or a part of it.
        cache_folder: Where content hashes are remembered; None hashes every file again.
        num_threads: How many files are hashed at once.
        on_progress: Takes how many more samples are done.

    Returns:
        64 hex digits.

    Raises:
        DataError: A file cannot be read.
        StoreError: The cache cannot be written.
    """
    hashes = content_hashes(dataset, cache_folder=cache_folder, num_threads=num_threads, on_progress=on_progress)
    return digest_of_hashes(dataset.samples, hashes, dataset.classes)


def digest_of_hashes(samples: Sequence[Sample], hashes: Sequence[bytes], classes: ClassTable) -> str:
    """The digest of samples, sorted by id, whose content hashes are known: 64 hex digits."""
    content = hashlib.sha256()
    for sample, sha256 in zip(samples, hashes, strict=True):
        line = f"{sample.id}\t{classes.wnids[sample.label]}\t{sha256.hex()}\n"
        content.update(line.encode(errors="surrogateescape"))
    return content.hexdigest()


def content_hashes(
    dataset: Dataset, *, cache_folder: Path | None, num_threads: int, on_progress: Progress | None = None
) -> list[bytes]:
    """The sha256 of each sample's file content, 32 bytes each, in the order of the samples; see `dataset_digest`."""
    manifest = None if cache_folder is None else manifest_path(cache_folder, dataset)
    known = {} if manifest is None else _read_manifest(manifest)
    found = _stats(dataset.samples)
    hashes: dict[_Key, _Known] = {}
    for key, (num_bytes, mtime_ns) in found.items():
        entry = known.get(key)
        if entry is not None and entry.num_bytes == num_bytes and entry.mtime_ns == mtime_ns:
            hashes[key] = entry
    if on_progress is not None:
        on_progress(len(hashes))
    changed = [sample for sample in dataset.samples if (str(sample.path), sample.offset) not in hashes]
    try:
        for sample, sha256 in _hash_all(changed, num_threads, on_progress):
            key = (str(sample.path), sample.offset)
            hashes[key] = _Known(*found[key], sha256)
    finally:
        # Also after Ctrl-C: hashing 150 GB of training images need not start again.
        if manifest is not None and changed:
            kept = {} if dataset.complete else known
            write_atomic(manifest, lambda path: _write_manifest(path, kept | hashes))
    return [hashes[str(sample.path), sample.offset].sha256 for sample in dataset.samples]


def manifest_path(cache_folder: Path, dataset: Dataset) -> Path:
    """Where the content hashes of a dataset are remembered, by the folder that it lies in and the split."""
    place = digest_of([str(dataset.root.resolve()), dataset.split, dataset.name])
    return cache_folder / "datasets" / f"{dataset.name}-{dataset.split}-{place[:16]}.parquet"


def _stats(samples: Sequence[Sample]) -> dict[_Key, tuple[int, int]]:
    """(size in bytes, mtime in nanoseconds) of each sample; slices of a tar have the tar's mtime."""
    found: dict[_Key, tuple[int, int]] = {}
    archive_mtimes: dict[Path, int] = {}
    for sample in samples:
        try:
            if sample.num_bytes is None:
                stat = sample.path.stat()
                found[str(sample.path), 0] = (stat.st_size, stat.st_mtime_ns)
                continue
            if sample.path not in archive_mtimes:
                archive_mtimes[sample.path] = sample.path.stat().st_mtime_ns
        except OSError as error:
            raise DataError(f"cannot be read ({error.strerror or error})", path=sample.shown) from error
        found[str(sample.path), sample.offset] = (sample.num_bytes, archive_mtimes[sample.path])
    return found


def _hash_all(
    samples: Sequence[Sample], num_threads: int, on_progress: Progress | None
) -> Iterator[tuple[Sample, bytes]]:
    chunks = [samples[start : start + _CHUNK_SAMPLES] for start in range(0, len(samples), _CHUNK_SAMPLES)]
    pool = ThreadPoolExecutor(max_workers=max(1, num_threads), thread_name_prefix="bench-hash")
    try:
        for chunk, hashes in zip(chunks, pool.map(_hash_chunk, chunks), strict=True):
            yield from zip(chunk, hashes, strict=True)
            if on_progress is not None:
                on_progress(len(chunk))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _hash_chunk(samples: Sequence[Sample]) -> list[bytes]:
    return [hashlib.sha256(read_sample(sample)).digest() for sample in samples]


def _read_manifest(path: Path) -> dict[_Key, _Known]:
    """What is remembered; nothing when the file is absent or not ours."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # ParquetFile and not read_table, which loads the dataset machinery and with it pandas.
        with pq.ParquetFile(path) as file:
            table = file.read()
        columns = [table.column(name).to_pylist() for name in _COLUMNS]
    except (OSError, pa.ArrowInvalid, KeyError):
        return {}
    rows = zip(*columns, strict=True)
    return {
        (os.fsdecode(name), offset): _Known(size, mtime_ns, sha256) for name, offset, size, mtime_ns, sha256 in rows
    }


def _write_manifest(path: Path, entries: dict[_Key, _Known]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = sorted(entries.items())
    names = [os.fsencode(name) for (name, _), _ in rows]
    ends = np.cumsum([0, *map(len, names)], dtype=np.int64)

    # From buffers: pyarrow imports pandas (half a second) to look at anything else.
    def column(kind: pa.DataType, *buffers: bytes | npt.NDArray[np.int64]) -> pa.Array:
        return pa.Array.from_buffers(kind, len(rows), [None, *map(pa.py_buffer, buffers)])

    def integers(values: list[int]) -> pa.Array:
        return column(pa.int64(), np.array(values, dtype=np.int64))

    columns = [
        column(pa.large_binary(), ends, b"".join(names)),
        integers([offset for (_, offset), _ in rows]),
        integers([entry.num_bytes for _, entry in rows]),
        integers([entry.mtime_ns for _, entry in rows]),
        column(pa.binary(32), b"".join(entry.sha256 for _, entry in rows)),
    ]
    pq.write_table(pa.Table.from_arrays(columns, names=list(_COLUMNS)), path, compression="zstd")
